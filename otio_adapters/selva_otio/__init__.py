"""Timelines: read a cut, spot cues in it, place stems on it, write it. Stands on OpenTimelineIO alone."""

from selva_otio.cues.cue_sheet import Cue, CueSheet, SpottedClip, StemTrack, parse_stem_track
from selva_otio.cues.sheet_files import CueSheetRow, load_cue_sheet
from selva_otio.cues.spotting import SpotOptions, spot_timeline
from selva_otio.errors import TimelineError
from selva_otio.picture.shots import SkippedItem
from selva_otio.placement.place_stems import PlacementResult, Stem, StemSpan, measure_span, place_stems
from selva_otio.time.clock import TimelineClock
from selva_otio.timelines import load_timeline, write_timeline

__all__ = [
    "Cue",
    "CueSheet",
    "CueSheetRow",
    "PlacementResult",
    "SkippedItem",
    "SpotOptions",
    "SpottedClip",
    "Stem",
    "StemSpan",
    "StemTrack",
    "TimelineClock",
    "TimelineError",
    "load_cue_sheet",
    "load_timeline",
    "measure_span",
    "parse_stem_track",
    "place_stems",
    "spot_timeline",
    "write_timeline",
]

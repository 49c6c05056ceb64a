"""Timelines: read a cut, spot cues in it, place stems on it, write it. Stands on OpenTimelineIO alone."""

from selva_otio.clock import TimelineClock
from selva_otio.cues import Cue, CueSheet, SpottedClip, StemTrack, parse_stem_track
from selva_otio.errors import TimelineError
from selva_otio.picture import Unseen
from selva_otio.placement import Stem, StemSpan, measure_span, place_stems
from selva_otio.spotting import spot_timeline
from selva_otio.timelines import load_timeline, write_timeline

__all__ = [
    "Cue",
    "CueSheet",
    "SpottedClip",
    "Stem",
    "StemSpan",
    "StemTrack",
    "TimelineClock",
    "TimelineError",
    "Unseen",
    "load_timeline",
    "measure_span",
    "parse_stem_track",
    "place_stems",
    "spot_timeline",
    "write_timeline",
]

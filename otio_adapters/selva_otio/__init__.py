"""Timelines: read a cut, spot cues in it, place stems on it, write it. Needs OpenTimelineIO; knows no daemon, model or host.

    timeline = load_timeline(Path("cut.otio"))
    sheet = spot_timeline(timeline, [parse_stem_track("Dog=small dog barking")], base_folder=Path("."))
    ...                                     # render each job of sheet.iter_jobs() to files
    result = place_stems(timeline, sheet, stems)
    write_timeline(result.timeline, Path("cut with sound.otio"))

Rooms, each of which imports only those before it: time, picture, cues, placement, formats, timelines.
"""

from selva_otio.cues.cue_sheet import Cue, CueSheet, SpottedClip, StemTrack, parse_stem_track
from selva_otio.cues.sheet_files import CueSheetRow, load_cue_sheet
from selva_otio.cues.spotting import SpotOptions, spot_timeline
from selva_otio.errors import TimelineError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.profiles import HostProfile, find_profile
from selva_otio.picture.shots import SkippedItem
from selva_otio.placement.place_stems import PlacementResult, Stem, StemSpan, measure_span, place_stems
from selva_otio.time.clock import TimelineClock
from selva_otio.timelines import (
    OpenTimeline,
    WrittenTimeline,
    check_timeline_target,
    load_timeline,
    open_timeline,
    write_timeline,
)

__all__ = [
    "Cue",
    "CueSheet",
    "CueSheetRow",
    "HostProfile",
    "OpenTimeline",
    "PlacementResult",
    "ReadOptions",
    "SkippedItem",
    "SpotOptions",
    "SpottedClip",
    "Stem",
    "StemSpan",
    "StemTrack",
    "TimelineClock",
    "TimelineError",
    "WrittenTimeline",
    "check_timeline_target",
    "find_profile",
    "load_cue_sheet",
    "load_timeline",
    "measure_span",
    "open_timeline",
    "parse_stem_track",
    "place_stems",
    "spot_timeline",
    "write_timeline",
]

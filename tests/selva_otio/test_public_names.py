"""What `selva_otio` exports."""

from __future__ import annotations

import inspect

import pytest

import selva_otio

PUBLIC_NAMES = {
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
}


def test_exported_names_are_those_that_are_meant() -> None:
    assert set(selva_otio.__all__) == PUBLIC_NAMES
    assert {name for name in vars(selva_otio) if name in PUBLIC_NAMES} == PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_exported_name_is_documented_where_it_is_defined(name: str) -> None:
    exported = getattr(selva_otio, name)
    assert exported.__module__.startswith("selva_otio.")
    assert inspect.getdoc(exported)

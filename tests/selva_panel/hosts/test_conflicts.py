"""What the table of what goes where says of things that lie there already, and what becomes of both."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from selva_otio import TimelineClock
from selva_panel.hosts.conflicts import AudioTracks, describe_reaper_conflict
from selva_plugins.hosts.reaper.snapshot import ReaperStemItem
from selva_plugins.hosts.resolve.audio_items import ResolveAudioTrack, ResolveSound
from selva_plugins.hosts.resolve.plan_schema import PlanStem

START = 86_400
STEM = PlanStem(
    id="a-1", file="/stems/dog.wav", track="Dog", is_muted=False, take=1, record_frame=START + 48, duration_frames=24,
    source_start_frame=0, max_missing_frames=0, fade_in_frames=0, fade_out_frames=0, gain_db=0.0, prompt="dog", anchor=None,
    comment="",
)  # fmt: skip


def sound(name: str, first: int, frames: int) -> ResolveSound:
    return ResolveSound(name=name, start_frame=START + first, duration_frames=frames)


def tracks(*listed: ResolveAudioTrack) -> AudioTracks:
    clock = TimelineClock(frame_rate_hz=Fraction(24), otio_rate_hz=24.0, start_frame=START, drop_frame=False)
    return AudioTracks(tracks=listed, start_frame=START, clock=clock)


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (ResolveAudioTrack(name="Dog"), None),
        (ResolveAudioTrack(name="Dog", sounds=(sound("x.wav", 0, 48), sound("y.wav", 72, 9))), None),
        (ResolveAudioTrack(name="Music", sounds=(sound("music.wav", 0, 999),)), None),
        (ResolveAudioTrack(name="Dog", sounds=(sound("dog.wav", 48, 24),)), "lies there already"),
        (
            ResolveAudioTrack(name="Dog", sounds=(sound("old.wav", 48, 24),)),
            "gives way if it is an earlier stem",
        ),
        (ResolveAudioTrack(name="Dog", sounds=(sound("take 7", 60, 99),)), "from 01:00:02:12 and stays"),
        (ResolveAudioTrack(name="Dog", is_locked=True), "Dog is locked; this one goes to “Dog 2”"),
        (ResolveAudioTrack(name="Dog", is_enabled=False), "Dog is switched off; this one goes to “Dog 2”"),
    ],
)
def test_what_lies_on_a_track_of_resolve_is_named(track: ResolveAudioTrack, expected: str | None) -> None:
    found = tracks(track).describe_conflict(STEM)
    assert (found is None) if expected is None else (expected in (found or ""))


def test_a_silent_take_may_lie_on_a_track_that_is_switched_off() -> None:
    silent = replace(STEM, is_muted=True)
    assert tracks(ResolveAudioTrack(name="Dog", is_enabled=False)).describe_conflict(silent) is None


def test_the_next_free_track_of_the_name_is_named_as_placement_chooses_it() -> None:
    taken = sound("somebody's.wav", 50, 10)
    found = tracks(
        ResolveAudioTrack(name="Dog", sounds=(taken,)),
        ResolveAudioTrack(name="Dog 2", sounds=(taken,)),
        ResolveAudioTrack(name="Dog 3", sounds=(sound("later.wav", 500, 10),)),
    ).describe_conflict(STEM)
    assert found is not None
    assert found.endswith("goes to “Dog 3”")


def test_what_was_placed_since_the_panel_was_opened_counts_also_on_tracks_that_are_new() -> None:
    placed = {"Dog": [sound("dog.wav", 48, 24)]}
    assert tracks().describe_conflict(STEM) is None
    assert tracks().with_sounds(placed).describe_conflict(STEM) is not None


def test_stems_that_lie_in_reaper_are_named_where_they_overlap_on_a_track_of_the_sound() -> None:
    entry: dict[str, Any] = {
        "start_s": 2.0, "length_s": 1.0, "stem_track": "Dog", "takes": [{"file": "/stems/dog.wav"}]
    }  # fmt: skip
    there = ReaperStemItem(
        guid="g", track="Dog", name="Dog t1", file="/stems/old.wav", position_s=2.5, length_s=4.0
    )

    def found(**changes: Any) -> str | None:
        values = {name: getattr(there, name) for name in there.__struct_fields__}
        return describe_reaper_conflict(entry, [ReaperStemItem(**{**values, **changes})])

    assert "“Dog t1” lies there on Dog and stays" in (found() or "")
    assert "lies there already" in (found(file="/stems/dog.wav", position_s=2.0) or "")
    assert found(position_s=3.0) is None
    assert found(track="Bell") is None

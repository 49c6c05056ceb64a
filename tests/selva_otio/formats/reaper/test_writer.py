from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.adapter import (
    read_from_file,
    read_from_string,
    write_to_file,
    write_to_string,
)
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.reaper.projects import FILM, OPEN_FOLDERS, clips_of, summary


@pytest.mark.parametrize("path", [FILM, OPEN_FOLDERS], ids=lambda path: path.stem)
def test_rpp_to_otio_to_rpp_keeps_the_timeline(path: Path, tmp_path: Path) -> None:
    read = read_from_file(str(path))
    write_to_file(read, str(tmp_path / "out.rpp"))
    again = read_from_file(str(tmp_path / "out.rpp"))
    assert summary(again) == summary(read)
    assert again.global_start_time == read.global_start_time
    assert [(m.name, m.marked_range, m.color) for m in again.tracks.markers] == [
        (m.name, m.marked_range, m.color) for m in read.tracks.markers
    ]
    assert os.listdir(tmp_path) == ["out.rpp"]


def test_otio_to_rpp_to_otio_keeps_positions_speeds_and_names(
    cut_with_hour_start: CutBuilder, tmp_path: Path
) -> None:
    cut = cut_with_hour_start
    timeline = cut.timeline(
        cut.track(
            cut.gap(13),
            cut.clip("one", offset=7, frames=30),
            cut.clip("fast", offset=10, frames=25, speed=2.0),
            cut.gap(5),
            cut.clip("back", offset=40, frames=11, speed=-0.5),
        )
    )
    write_to_file(timeline, str(tmp_path / "out.rpp"))
    again = read_from_file(str(tmp_path / "out.rpp"))
    (before,), (after,) = timeline.video_tracks(), again.video_tracks()
    assert [child.name for child in after] == [child.name for child in before]
    assert [child.duration() for child in after] == [child.duration() for child in before]
    warps = [[effect.time_scalar for effect in clip.effects] for clip in after.find_clips()]
    assert warps == [[], [2.0], [-0.5]]
    offsets = [clip.source_range.start_time.value for clip in after.find_clips()]
    assert offsets == [7, 10, 40]
    assert again.global_start_time == timeline.global_start_time


def test_clips_without_source_ranges_give_the_project_the_rate_of_their_media() -> None:
    cut = CutBuilder(rate_hz=24000 / 1001)
    clip = otio.schema.Clip(name="whole", media_reference=cut.media())
    timeline = otio.schema.Timeline(name="cut")
    timeline.tracks.append(cut.track(clip))
    assert "TIMEMODE 1 0 -1 24 2 " in write_to_string(timeline)


def test_the_same_timeline_gives_the_same_bytes(cut_at_24: CutBuilder) -> None:
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=10)))
    assert write_to_string(timeline) == write_to_string(timeline.clone())


def test_a_dissolve_becomes_an_overlap_with_fades(cut_at_24: CutBuilder) -> None:
    timeline = cut_at_24.timeline(
        cut_at_24.track(
            cut_at_24.clip("a", offset=0, frames=48),
            cut_at_24.dissolve(6, 12),
            cut_at_24.clip("b", offset=24, frames=48),
        )
    )
    again = read_from_string(write_to_string(timeline))
    first, second = again.video_tracks()
    a, b = first.find_clips()[0], second.find_clips()[0]
    assert (a.source_range.start_time.value, a.duration().value) == (0, 60)
    assert (b.source_range.start_time.value, b.duration().value) == (18, 54)
    assert b.trimmed_range_in_parent().start_time.value == 42
    assert a.metadata["REAPER"]["fade_out_s"] == b.metadata["REAPER"]["fade_in_s"] == "0.75"


def test_the_clips_of_a_nest_are_put_where_they_are_seen(cut_at_24: CutBuilder) -> None:
    inner = cut_at_24.track(
        cut_at_24.clip("hidden", offset=0, frames=10), cut_at_24.clip("half", offset=100, frames=20)
    )
    outer = cut_at_24.track(cut_at_24.gap(5), cut_at_24.nest(inner, trim=(20, 6)))
    again = read_from_string(write_to_string(cut_at_24.timeline(outer)))
    (clip,) = clips_of(again)
    assert (clip.name, clip.source_range.start_time.value, clip.duration().value) == ("half", 110, 6)
    assert clip.trimmed_range_in_parent().start_time.value == 5


def test_a_nest_at_another_speed_is_refused(cut_at_24: CutBuilder) -> None:
    nest = cut_at_24.nest(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=10)))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=2))
    with pytest.raises(TimelineWriteError, match="flatten it"):
        write_to_string(cut_at_24.timeline(cut_at_24.track(nest)))


def test_a_freeze_frame_becomes_an_empty_item_that_says_so(cut_at_24: CutBuilder) -> None:
    still = cut_at_24.clip("still", offset=3, frames=24)
    still.effects.append(otio.schema.FreezeFrame())
    again = read_from_string(write_to_string(cut_at_24.timeline(cut_at_24.track(still))))
    (gap,) = (child for child in again.find_children(descended_from_type=otio.schema.Gap))
    assert (gap.name, gap.duration().value) == ("still: a freeze frame", 24)


def test_names_with_every_quote_and_media_with_blanks_survive(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    media = tmp_path / "my 'films'" / 'a #1 "b".mov'
    clip = cut_at_24.clip('it\'s "two" words', offset=0, frames=10, url=media.as_uri())
    write_to_file(cut_at_24.timeline(cut_at_24.track(clip, name="ä 猫")), str(tmp_path / "out.rpp"))
    again = read_from_file(str(tmp_path / "out.rpp"))
    assert again.tracks[0].name == "ä 猫"
    (found,) = clips_of(again)
    assert (found.name, found.media_reference.target_url) == ('it\'s "two" words', media.as_uri())
    assert "my 'films'/a #1" in (tmp_path / "out.rpp").read_text(encoding="utf-8")


def test_an_item_off_the_frame_grid_is_written_to_fourteen_decimals() -> None:
    clip = otio.schema.Clip(
        name="a",
        media_reference=otio.schema.ExternalReference(target_url="a.mov"),
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, 24), otio.opentime.RationalTime(float(Fraction(24, 7)), 24)
        ),
    )
    track = otio.schema.Track(kind="Video", children=[clip])
    timeline = otio.schema.Timeline()
    timeline.tracks.append(track)
    assert "LENGTH 0.14285714285714\n" in write_to_string(timeline)


def test_only_one_timeline_is_a_project(cut_at_24: CutBuilder) -> None:
    with pytest.raises(otio.exceptions.NotSupportedError, match="got a Clip"):
        write_to_string(otio.schema.Clip("loose"))
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=10)))
    in_a_bin = otio.schema.SerializableCollection("bin", [timeline.clone()])
    assert write_to_string(in_a_bin) == write_to_string(timeline)


def test_an_empty_timeline_is_an_empty_project() -> None:
    assert list(read_from_string(write_to_string(otio.schema.Timeline())).tracks) == []

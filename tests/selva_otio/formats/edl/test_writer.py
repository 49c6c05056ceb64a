"""Stem tracks as EDLs, one for each."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import Stem, StemTrack, measure_span, place_stems, spot_timeline, write_timeline
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.profiles import find_profile
from selva_otio.time.item_times import item_duration_s
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")


def with_stems(cut: CutBuilder, folder: Path, *, takes: int = 1) -> otio.schema.Timeline:
    track = cut.track(cut.gap(13), cut.clip("a", offset=37, frames=120), cut.clip("b", offset=11, frames=50))
    timeline = cut.timeline(track)
    rain = StemTrack(name="Rain / roof", prompt="rain on a tin roof", gain_db=-6.0)
    sheet = spot_timeline(timeline, [DOG, rain], base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / f"{cue.id}_t{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems).timeline


def test_each_stem_track_is_written_as_an_edl_that_other_readers_read(
    cut_with_hour_start: CutBuilder, tmp_path: Path
) -> None:
    timeline = with_stems(cut_with_hour_start, tmp_path)
    written = write_timeline(timeline, tmp_path / "mix.edl")
    assert [path.name for path in written.files] == ["mix.Dog.edl", "mix.Rain-roof.edl"]
    for path in written.files:
        by_adapter = otio.adapters.read_from_file(
            str(path), adapter_name="cmx_3600", rate=cut_with_hour_start.rate_hz
        )
        (track,) = by_adapter.audio_tracks()
        clips = list(track.find_clips())
        first = cut_with_hour_start.start_frame + 13
        assert [clip.range_in_parent().duration.value for clip in clips] == [120, 50]
        assert -track.source_range.start_time.value == pytest.approx(first, abs=0.01)
        assert (
            clips[0]
            .metadata["cmx_3600"]["comments"][-1]
            .startswith(("COMMENT: Dog:", "COMMENT: Rain / roof:"))
        )
        rate = Fraction(cut_with_hour_start.rate_hz).limit_denominator(1001)
        with open_timeline(path, ReadOptions(frame_rate=rate)) as opened:
            read_back = opened.timeline
        assert read_back.global_start_time.value == first
        assert [item_duration_s(clip) for clip in read_back.find_clips()] == [
            item_duration_s(clip) for clip in timeline.audio_tracks()[0].find_clips()
        ]


def test_source_labels_follow_the_time_reference_where_files_have_one(
    cut_at_24: CutBuilder, tmp_path: Path
) -> None:
    cut_at_24.start_frame = 86_400
    timeline = with_stems(cut_at_24, tmp_path)
    stamped = write_timeline(timeline, tmp_path / "mix.edl").files[0].read_text()
    assert "01:00:00:13 01:00:05:13 01:00:00:13 01:00:05:13" in stamped
    bare = (
        write_timeline(timeline, tmp_path / "mix.edl", profile=find_profile("resolve")).files[0].read_text()
    )
    assert "00:00:00:00 00:00:05:00 01:00:00:13 01:00:05:13" in bare


def test_what_an_edl_cannot_hold_is_reported(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    timeline = with_stems(cut_at_24, tmp_path, takes=2)
    losses = write_timeline(timeline, tmp_path / "mix.edl").losses
    assert [loss.partition(":")[0] for loss in losses] == [
        "EDL has no takes",
        "EDL has no gain",
        "EDL has no picture tracks",
    ]
    assert losses[0].endswith("(4)")
    plain = write_timeline(with_stems(cut_at_24, tmp_path), tmp_path / "one.edl").losses
    assert not any("takes" in loss for loss in plain)


def test_a_timeline_without_stems_is_not_written_as_edl(cut_at_24: CutBuilder, tmp_path: Path) -> None:
    cut = cut_at_24
    with pytest.raises(TimelineWriteError, match="this timeline has none"):
        write_timeline(cut.timeline(cut.track(cut.clip("a", offset=0, frames=5))), tmp_path / "mix.edl")
    assert list(tmp_path.iterdir()) == []

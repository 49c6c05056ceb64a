"""Timelines to FCPXML and back."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import Stem, load_timeline, place_stems, write_timeline
from selva_otio.formats.feature_loss import describe_feature_loss
from selva_otio.formats.registry import find_format
from selva_otio.formats.stem_metadata import to_plain_value
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.fcpxml.element_order import iter_faults
from tests.selva_otio.round_trips import rich_cut, seen, spot, with_stems


def through_fcpxml(timeline: otio.schema.Timeline, folder: Path) -> otio.schema.Timeline:
    path = folder / "cut.fcpxml"
    write_timeline(timeline, path)
    assert list(iter_faults(ET.parse(path).getroot())) == []  # noqa: S314
    return load_timeline(path)


def test_visible_shots_survive_a_round_trip_exactly_at_every_rate(
    cut_with_hour_start: CutBuilder, tmp_path: Path
) -> None:
    timeline = rich_cut(cut_with_hour_start)
    back = through_fcpxml(timeline, tmp_path)
    before, after = spot(timeline), spot(back)
    assert seen(after) == seen(before)
    assert [cue.id for cue in after.cues] == [cue.id for cue in before.cues]
    assert after.clock == before.clock


def test_times_are_written_as_exact_fractions(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24000 / 1001, start_frame=86_400)
    write_timeline(cut.timeline(cut.track(cut.clip("a", offset=37, frames=120))), tmp_path / "cut.fcpxml")
    text = (tmp_path / "cut.fcpxml").read_text()
    assert 'frameDuration="1001/24000s"' in text
    assert 'tcStart="18018/5s" tcFormat="NDF"' in text  # 86400 frames of 1001/24000 s
    assert 'start="37037/24000s" duration="1001/200s"' in text


@pytest.mark.parametrize("num_takes", [1, 3])
def test_stems_keep_their_track_takes_and_identity(tmp_path: Path, num_takes: int) -> None:
    cut = CutBuilder(rate_hz=30000 / 1001, start_frame=107_892)
    placed = with_stems(rich_cut(cut), tmp_path, num_takes=num_takes)
    back = through_fcpxml(placed, tmp_path)
    (track,) = [track for track in back.tracks if track.kind == otio.schema.TrackKind.Audio]
    original = placed.tracks[-1]
    assert track.name == "Dog"
    assert to_plain_value(track.metadata) == to_plain_value(original.metadata)
    for after, before in zip(track.find_clips(), original.find_clips(), strict=True):
        assert after.name == before.name
        assert to_plain_value(after.metadata) == to_plain_value(before.metadata)
        assert after.source_range == before.source_range
        assert after.range_in_parent() == before.range_in_parent()
        assert after.active_media_reference_key == before.active_media_reference_key
        references = after.media_references()
        assert {key: ref.target_url for key, ref in references.items()} == {
            key: ref.target_url for key, ref in before.media_references().items()
        }


def test_a_render_of_what_came_back_replaces_its_stems_and_keeps_those_an_editor_slipped(
    tmp_path: Path,
) -> None:
    cut = CutBuilder(rate_hz=24000 / 1001)
    back = through_fcpxml(with_stems(rich_cut(cut), tmp_path), tmp_path)
    first = next(iter(back.tracks[-1].find_clips()))
    first.source_range = otio.opentime.TimeRange(
        first.source_range.start_time + cut.time(1), first.source_range.duration
    )
    sheet = spot(back)
    stems = [
        Stem(cue=cue.id, take=1, seed=9, file=tmp_path / "new.wav", sample_rate_hz=48_000, num_samples=9)
        for cue in sheet.cues
    ]
    again = place_stems(back, sheet, stems)
    assert len(again.timeline.tracks) == len(back.tracks)
    assert [cue.clip.name for cue in again.edited_cues] == [sheet.cues[0].clip.name]
    new = [
        clip
        for clip in again.timeline.tracks[-1].find_clips()
        if "new.wav" in clip.media_reference.target_url
    ]
    assert len(new) == len(sheet.cues) - 1


def test_disabled_clips_stills_gain_and_markers_survive(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=25.0, start_frame=90_000, media_start_frame=900_000)
    clip, still = (
        cut.clip("a", offset=10, frames=50),
        cut.clip("s", offset=0, frames=10, url="file:///x/s.png"),
    )
    off = cut.clip("off", offset=0, frames=20)
    off.enabled = False
    clip.markers.append(
        otio.schema.Marker(name="Rain: rain on a roof", marked_range=cut.span(900_020, 5), color="MAGENTA")
    )
    timeline = cut.timeline(cut.track(clip, still, off, cut.clip("z", offset=0, frames=5)))
    timeline.tracks.markers.append(otio.schema.Marker(name="scene 2", marked_range=cut.span(55, 2)))
    placed = with_stems(timeline, tmp_path)
    for stem in placed.tracks[-1].find_clips():
        stem.metadata["selva"]["gain_db"] = -4.5
    back = through_fcpxml(placed, tmp_path)
    names = {item.name: item for item in back.tracks[0].find_clips()}
    assert [item.name for item in back.tracks[0].find_clips()] == ["a", "s", "off", "z"]
    assert not names["off"].enabled
    assert names["a"].enabled
    (marker,) = names["a"].markers
    assert marker.name == "Rain: rain on a roof"
    assert marker.marked_range == cut.span(900_020, 5)
    assert [marker.name for marker in names["s"].markers] == ["scene 2"]
    assert 'amount="-4.5dB"' in (tmp_path / "cut.fcpxml").read_text()


def test_a_nest_is_opened_and_a_dissolve_kept(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    inner = cut.nest(
        cut.track(cut.clip("x", offset=0, frames=30), cut.clip("y", offset=50, frames=30)), trim=(20, 25)
    )
    timeline = cut.timeline(
        cut.track(
            cut.clip("a", offset=20, frames=40),
            cut.dissolve(6, 4),
            cut.clip("b", offset=20, frames=40),
            inner,
        )
    )
    back = through_fcpxml(timeline, tmp_path)
    assert seen(spot(back)) == seen(spot(timeline))
    (dissolve,) = [item for item in back.tracks[0] if isinstance(item, otio.schema.Transition)]
    assert (dissolve.in_offset.value, dissolve.out_offset.value) == (6, 4)


def test_what_aaf_cannot_hold_is_reported(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    offline = otio.schema.Clip("offline", otio.schema.MissingReference(), source_range=cut.span(0, 5))
    timeline = cut.timeline(cut.track(cut.clip("a", offset=0, frames=20), offline))
    timeline.tracks.append(otio.schema.Track(name="Titles", kind="Subtitle"))
    lost = {"FCPXML": find_format(Path("a.fcpxml")).cannot_hold}
    assert describe_feature_loss(timeline, lost) == (
        "FCPXML has no clips without media: gaps take their place (1)",
        "FCPXML has no tracks that are neither picture nor sound: they are left out (1)",
    )
    assert through_fcpxml(timeline, tmp_path).tracks[0].duration() == cut.time(20)
    whole = cut.timeline(cut.track(cut.clip("a", offset=0, frames=20)))
    assert describe_feature_loss(whole, lost) == ()


def test_samples_of_a_stem_between_frames_are_not_rounded_to_frames(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    placed = with_stems(cut.timeline(cut.track(cut.clip("a", offset=0, frames=20))), tmp_path)
    (stem,) = placed.tracks[-1].find_clips()
    stem.source_range = otio.opentime.TimeRange(cut.time(0.5), cut.time(19.25))
    back = through_fcpxml(placed, tmp_path)
    (read,) = back.tracks[-1].find_clips()
    assert Fraction(read.source_range.start_time.value) == Fraction(1, 2)
    assert Fraction(read.source_range.duration.value) == Fraction(77, 4)


def test_an_empty_timeline_is_a_project_with_a_gap(tmp_path: Path) -> None:
    back = through_fcpxml(otio.schema.Timeline(name="nothing"), tmp_path)
    assert back.name == "nothing"
    assert len(list(back.find_clips())) == 0


def test_media_of_unknown_range_counts_from_its_first_frame(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    clip = cut.clip("a", offset=30, frames=20)
    clip.media_reference.available_range = None
    back = through_fcpxml(cut.timeline(cut.track(clip)), tmp_path)
    (read,) = back.find_clips()
    assert read.source_range == cut.span(30, 20)
    assert read.media_reference.available_range == cut.span(0, 50)

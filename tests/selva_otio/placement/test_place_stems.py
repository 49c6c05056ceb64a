"""Stems onto a timeline, at the record range of their cues."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import CueSheet, Stem, StemTrack, measure_span, place_stems, spot_timeline
from selva_otio.picture.media import resolve_media_path
from selva_otio.time.clock import sample_index
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")
RAIN = StemTrack(name="Rain", prompt="rain on a tin roof")
STEMS = Path("/stems").absolute()


def spot(timeline: otio.schema.Timeline, *tracks: StemTrack) -> CueSheet:
    return spot_timeline(timeline, tracks or (DOG,), base_folder=Path("/cuts"))


def stems_of(sheet: CueSheet, *, takes: int = 1, sample_rate_hz: int = 48_000) -> list[Stem]:
    return [
        Stem(
            cue=cue.id,
            take=take,
            seed=41 + take,
            file=STEMS / f"{cue.track} {cue.id}#{take}.wav",
            sample_rate_hz=sample_rate_hz,
            num_samples=measure_span(cue.clip, sheet.clock, sample_rate_hz).num_samples,
            provenance=(("model", "selva-echo"),),
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]


def rendered(timeline: otio.schema.Timeline, *tracks: StemTrack, takes: int = 1) -> otio.schema.Timeline:
    sheet = spot(timeline, *tracks)
    return place_stems(timeline, sheet, stems_of(sheet, takes=takes)).timeline


def audio_tracks(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    return [track for track in timeline.tracks if track.kind == otio.schema.TrackKind.Audio]


def record_frames(timeline: otio.schema.Timeline, track: otio.schema.Track) -> list[tuple[float, float]]:
    """Start and end of each clip, in frames of its own rate, as OpenTimelineIO itself sees them."""
    ranges = [
        clip.transformed_time_range(clip.trimmed_range(), timeline.tracks) for clip in track.find_clips()
    ]
    return [(found.start_time.value, found.end_time_exclusive().value) for found in ranges]


def test_stems_lie_where_their_clips_do_at_every_rate(
    cut_with_hour_start: CutBuilder, rate_name: str, exact_rate_of: dict[str, Fraction]
) -> None:
    cut, rate = cut_with_hour_start, exact_rate_of[rate_name]
    timeline = cut.timeline(
        cut.track(
            cut.gap(13),
            cut.clip("a", offset=37, frames=101),
            cut.gap(7),
            cut.clip("b", offset=0, frames=50),
            cut.clip("c", offset=500, frames=1),
        )
    )
    sheet = spot(timeline, DOG, RAIN)
    placed = place_stems(timeline, sheet, stems_of(sheet)).timeline
    assert [track.name for track in audio_tracks(placed)] == ["Dog", "Rain"]
    for track in audio_tracks(placed):
        assert record_frames(placed, track) == [(13, 114), (121, 171), (171, 172)]
        assert {item.source_range.duration.rate for item in track} == {cut.rate_hz}
    for (start, end), clip in zip([(13, 114), (121, 171), (171, 172)], sheet.clips, strict=True):
        span = measure_span(clip, sheet.clock, 48_000)
        assert span.start_sample == sample_index(start / rate, 48_000)
        assert span.start_sample + span.num_samples == sample_index(end / rate, 48_000)


def test_the_input_is_unchanged_and_the_result_adds_only_tracks(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    timeline = cut.timeline(cut.track(cut.clip("a", offset=5, frames=20)))
    timeline.metadata["studio"] = {"keep": [1, 2.5, "x"]}
    timeline.tracks.markers.append(otio.schema.Marker(name="m", marked_range=cut.span(3, 1)))
    before = timeline.to_json_string()
    placed = rendered(timeline)
    assert timeline.to_json_string() == before
    del placed.tracks[1:]
    assert placed.to_json_string() == before


def test_urls_are_absolute_and_encoded_and_resolve_to_the_file(cut_at_24: CutBuilder) -> None:
    placed = rendered(cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=20))))
    (clip,) = audio_tracks(placed)[0].find_clips()
    url = clip.media_reference.target_url
    assert url.startswith("file:///")
    assert "%20" in url
    assert "%23" in url
    assert resolve_media_path(url, Path("/elsewhere")).parent == STEMS


def test_takes_are_media_references_of_one_clip_and_listed(cut_at_24: CutBuilder) -> None:
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=20)))
    sheet = spot(timeline)
    placed = place_stems(timeline, sheet, stems_of(sheet, takes=3), active_take=2).timeline
    (clip,) = audio_tracks(placed)[0].find_clips()
    assert sorted(clip.media_references()) == ["take_1", "take_2", "take_3"]
    assert clip.active_media_reference_key == "take_2"
    assert [take["seed"] for take in clip.metadata["selva"]["takes"]] == [42, 43, 44]
    assert clip.metadata["selva"]["active_take"] == 2


def test_one_take_is_the_default_media_of_its_clip(cut_at_24: CutBuilder) -> None:
    placed = rendered(cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=20))))
    (clip,) = audio_tracks(placed)[0].find_clips()
    assert list(clip.media_references()) == [otio.schema.Clip.DEFAULT_MEDIA_KEY]


def test_provenance_is_kept_as_plain_values(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    placed = rendered(cut.timeline(cut.track(cut.gap(12), cut.clip("a", offset=6, frames=20))))
    reread = otio.core.deserialize_json_from_string(placed.to_json_string())
    (clip,) = audio_tracks(reread)[0].find_clips()
    stem: dict[str, Any] = clip.metadata["selva"]
    assert stem["schema"] == "selva.stem/1"
    assert list(stem["record_start_s"]) == [1, 2]
    assert stem["start_sample"] == 24_000
    assert stem["prompt"] == DOG.prompt
    assert list(stem["source"]["start_s"]) == [1, 4]
    assert stem["takes"][0]["num_samples"] == 40_000
    assert stem["takes"][0]["model"] == "selva-echo"


def test_overlaps_go_to_a_second_track_of_the_same_name(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    timeline = cut.timeline(
        cut.track(
            cut.clip("a", offset=50, frames=100),
            cut.dissolve(6, 4),
            cut.clip("b", offset=50, frames=100),
            cut.clip("c", offset=50, frames=100),
        )
    )
    placed = rendered(timeline)
    tracks = audio_tracks(placed)
    assert [track.name for track in tracks] == ["Dog", "Dog"]
    assert record_frames(placed, tracks[0]) == [(0, 104), (200, 300)]
    assert record_frames(placed, tracks[1]) == [(94, 200)]


def test_a_cue_without_stem_leaves_a_gap(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    timeline = cut.timeline(
        cut.track(*(cut.clip(name, offset=offset, frames=10) for offset, name in enumerate("abc")))
    )
    sheet = spot(timeline)
    placed = place_stems(
        timeline, sheet, [stem for stem in stems_of(sheet) if stem.cue != sheet.cues[1].id]
    ).timeline
    assert record_frames(placed, audio_tracks(placed)[0]) == [(0, 10), (20, 30)]


def test_stems_of_clips_off_the_frame_grid_cover_them_in_whole_frames(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    foreign = otio.schema.Clip(
        "pal",
        cut.media(),
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(10, 25)
        ),
    )
    timeline = cut.timeline(cut.track(foreign, *(cut.clip(n, offset=0, frames=24) for n in "bc")))
    sheet = spot(timeline)
    span = measure_span(sheet.clips[0], sheet.clock, 48_000)
    assert (span.duration_s, span.file_duration_s) == (Fraction(10, 25), Fraction(10, 24))
    assert span.num_samples == 20_000
    placed = place_stems(timeline, sheet, stems_of(sheet)).timeline
    assert len(audio_tracks(placed)) == 1
    assert record_frames(placed, audio_tracks(placed)[0])[1] == pytest.approx((9.6, 33.6))


def test_stems_at_44100_are_measured_on_the_same_clock(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    sheet = spot(cut.timeline(cut.track(cut.gap(1), cut.clip("a", offset=0, frames=1))))
    span = measure_span(sheet.clips[0], sheet.clock, 44_100)
    assert (span.start_sample, span.num_samples) == (1838, 1837)

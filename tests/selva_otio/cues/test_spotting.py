"""From a timeline and its prompts to a cue sheet."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import CueSheet, SpotOptions, StemTrack, spot_timeline
from selva_otio.cues.shot_spotting import OFF_FRAME_WARNING
from selva_otio.errors import CueError, NothingToSpotError
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")
RAIN = StemTrack(name="Rain", prompt="rain on a tin roof", negative_prompt="thunder")


def spot(timeline: otio.schema.Timeline, *tracks: StemTrack, video_track: str | None = None) -> CueSheet:
    return spot_timeline(
        timeline, tracks or (DOG,), base_folder=Path("/cuts"), options=SpotOptions(video_track=video_track)
    )


def test_every_prompt_is_a_cue_over_every_clip(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(cut.clip("a", offset=0, frames=24), cut.gap(12), cut.clip("b", offset=9, frames=48))
    sheet = spot(cut.timeline(track), DOG, RAIN)
    assert [(cue.clip.name, cue.track, cue.prompt, cue.negative_prompt) for cue in sheet.cues] == [
        ("a", "Dog", "small dog barking", ""),
        ("a", "Rain", "rain on a tin roof", "thunder"),
        ("b", "Dog", "small dog barking", ""),
        ("b", "Rain", "rain on a tin roof", "thunder"),
    ]
    assert [(clip.name, len(cues)) for clip, cues in sheet.iter_jobs()] == [("a", 2), ("b", 2)]
    assert len({cue.id for cue in sheet.cues}) == 4


def test_source_time_counts_from_the_first_frame_of_the_file(
    cut_with_hour_start: CutBuilder, rate_name: str, exact_rate_of: dict[str, Fraction]
) -> None:
    """The media's embedded timecode and the timeline's start are labels; neither shifts the picture."""
    cut, rate = cut_with_hour_start, exact_rate_of[rate_name]
    sheet = spot(cut.timeline(cut.track(cut.gap(7), cut.clip("a", offset=37, frames=120))))
    (clip,) = sheet.clips
    assert clip.media_start_s == 37 / rate
    assert clip.record_start_s == 7 / rate
    assert clip.duration_s == 120 / rate
    separator = ";" if rate_name in ("29.97 drop", "59.94") else ":"
    assert sheet.clock.timecode(clip.record_start_s) == f"01:00:00{separator}07"


def test_media_without_available_range_starts_at_zero(cut_at_24: CutBuilder) -> None:
    clip = cut_at_24.clip("a", offset=12, frames=24)
    clip.media_reference.available_range = None
    assert spot(cut_at_24.timeline(cut_at_24.track(clip))).clips[0].media_start_s == Fraction(1, 2)


def test_rounded_rates_mean_the_exact_ones() -> None:
    clip = otio.schema.Clip(
        "a",
        otio.schema.ExternalReference(
            target_url="/m/a.mov",
            available_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(86400, 24000 / 1001), otio.opentime.RationalTime(500, 24000 / 1001)
            ),
        ),
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(86437, 23.976), otio.opentime.RationalTime(100, 23.976)
        ),
    )
    timeline = otio.schema.Timeline("cut")
    timeline.tracks.append(otio.schema.Track(kind=otio.schema.TrackKind.Video, children=[clip]))
    assert spot(timeline).clips[0].media_start_s == Fraction(37 * 1001, 24000)


def test_reverse_starts_with_the_last_frame_of_the_range(cut_at_24: CutBuilder) -> None:
    clip = cut_at_24.clip("a", offset=5, frames=20, speed=-1.0)
    spotted = spot(cut_at_24.timeline(cut_at_24.track(clip))).clips[0]
    assert (spotted.media_start_s, spotted.speed) == (Fraction(1), Fraction(-1))


def test_a_clip_in_a_dissolve_reaches_as_far_as_its_media(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.clip("a", offset=0, frames=100), cut.dissolve(6, 4), cut.clip("b", offset=2, frames=100)
    )
    first, second = spot(cut.timeline(track)).clips
    assert (first.record_start_s, first.record_end_s) == (Fraction(0), Fraction(104, 24))
    assert (second.record_start_s, second.media_start_s) == (Fraction(98, 24), Fraction(0))
    assert "transition" in second.warnings[0]
    assert first.warnings == ()


def test_a_source_range_before_its_media_is_a_fault_of_that_clip_only(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    early = cut.clip("early", offset=-3, frames=10)
    sheet = spot(cut.timeline(cut.track(early, cut.clip("b", offset=0, frames=10))))
    assert [clip.name for clip in sheet.clips] == ["b"]
    assert [(item.name, item.is_fault) for item in sheet.skipped] == [("early", True)]
    assert "0.125 s before" in sheet.skipped[0].reason


def test_a_source_range_past_its_media_gives_a_warning(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    cut.media_num_frames = 48
    sheet = spot(cut.timeline(cut.track(cut.clip("a", offset=40, frames=20))))
    assert "0.500 s after" in sheet.clips[0].warnings[0]


def test_generators_and_offline_clips_are_skipped_with_a_reason(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    bars = otio.schema.Clip(
        "bars", otio.schema.GeneratorReference(generator_kind="bars"), source_range=cut.span(0, 10)
    )
    offline = otio.schema.Clip("A001", otio.schema.MissingReference(), source_range=cut.span(0, 10))
    web = cut.clip("web", offset=0, frames=10, url="https://host/a.mov")
    sheet = spot(cut.timeline(cut.track(bars, offline, web, cut.clip("b", offset=0, frames=10))))
    assert [(item.name, item.is_fault) for item in sheet.skipped] == [
        ("bars", False),
        ("A001", True),
        ("web", True),
    ]
    assert sheet.clips[0].record_start_s == Fraction(30, 24)


def test_a_video_track_can_be_chosen(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    timeline = cut.timeline(
        cut.track(cut.clip("low", offset=0, frames=10), name="V1"),
        cut.track(cut.clip("high", offset=0, frames=10), name="V2"),
    )
    assert [clip.name for clip in spot(timeline).clips] == ["high"]
    assert [clip.name for clip in spot(timeline, video_track="V1").clips] == ["low"]
    with pytest.raises(NothingToSpotError, match="'V3'; there are 'V1', 'V2'"):
        spot(timeline, video_track="V3")


def test_empty_timelines_are_refused_with_the_reason(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    with pytest.raises(NothingToSpotError, match="no video track: it is empty"):
        spot(cut.timeline())
    sound = otio.schema.Track(name="A1", kind=otio.schema.TrackKind.Audio)
    with pytest.raises(NothingToSpotError, match="no video track: it has only Audio tracks"):
        spot(cut.timeline(sound))
    with pytest.raises(NothingToSpotError, match="no clip"):
        spot(cut.timeline(cut.track(cut.gap(10))))
    offline = otio.schema.Clip("A001", otio.schema.MissingReference(), source_range=cut.span(0, 10))
    with pytest.raises(NothingToSpotError, match="'A001': offline"):
        spot(cut.timeline(cut.track(offline)))


def test_cue_ids_stay_when_the_cut_moves_and_differ_when_the_source_does(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    first = spot(cut.timeline(cut.track(cut.clip("a", offset=5, frames=20))))
    moved = spot(cut.timeline(cut.track(cut.gap(99), cut.clip("a", offset=5, frames=20))))
    slipped = spot(cut.timeline(cut.track(cut.clip("a", offset=6, frames=20))))
    assert first.cues[0].id == moved.cues[0].id
    assert first.cues[0].id != slipped.cues[0].id


def test_the_same_range_used_twice_gives_two_cues(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    sheet = spot(cut.timeline(cut.track(*(cut.clip("a", offset=5, frames=20) for _ in range(2)))))
    assert len({cue.id for cue in sheet.cues}) == 2


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([], "nothing says what to hear"),
        ([DOG, StemTrack(name="dog", prompt="another")], "two tracks are named"),
    ],
)
def test_missing_tracks_and_two_of_one_name_are_refused(
    cut_at_24: CutBuilder, tracks: list[StemTrack], message: str
) -> None:
    timeline = cut_at_24.timeline(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=10)))
    with pytest.raises(CueError, match=message):
        spot_timeline(timeline, tracks, base_folder=Path("/cuts"))


def test_a_clip_between_frames_gives_a_warning_and_one_on_a_frame_does_not(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    on_frame = spot(cut.timeline(cut.track(cut.gap(3), cut.clip("a", offset=5, frames=20))))
    assert on_frame.cues[0].clip.warnings == ()
    gap = otio.schema.Gap(source_range=cut.span(0, 3.5))
    between = spot(cut.timeline(cut.track(gap, cut.clip("a", offset=5, frames=20))))
    assert between.cues[0].clip.warnings == (OFF_FRAME_WARNING,)


def test_a_marker_at_another_rate_does_not_reach_into_the_clip_beside_it(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    timeline = cut.timeline(
        cut.track(cut.clip("a", offset=0, frames=24), cut.clip("b", offset=50, frames=24))
    )
    covers_a = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 1000), otio.opentime.RationalTime(1001, 1000)
    )
    timeline.tracks.markers.append(otio.schema.Marker(name="Dog: small dog barking", marked_range=covers_a))
    sheet = spot_timeline(timeline, [], base_folder=Path("/cuts"))
    assert [(cue.clip.name, cue.clip.duration_s) for cue in sheet.cues] == [("a", Fraction(1))]


def test_a_marker_on_a_clip_in_a_dissolve_is_for_that_clip_only(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.clip("a", offset=0, frames=24), cut.dissolve(6, 6), cut.clip("b", offset=50, frames=24)
    )
    point = otio.opentime.TimeRange(cut.time(10), cut.time(0))
    track[0].markers.append(otio.schema.Marker(name="Dog: small dog barking", marked_range=point))
    sheet = spot_timeline(cut.timeline(track), [], base_folder=Path("/cuts"))
    assert [(cue.clip.name, cue.clip.duration_s * 24) for cue in sheet.cues] == [("a", Fraction(30))]

"""Visible shots: at which record time, with which media time. All numbers are frames at 24 fps."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_otio.errors import TimelineReadError
from selva_otio.picture.shots import Picture
from selva_otio.picture.visible_shots import iter_picture_tracks, resolve_picture
from tests.selva_otio.cuts import CutBuilder


def resolve(*tracks: otio.schema.Track) -> Picture:
    return resolve_picture(tracks)


def in_frames(picture: Picture) -> list[tuple[str, int, int, int, object]]:
    """(name, record start, record end, media start, speed) of each shot."""
    return [
        (
            shot.clip.name,
            int(shot.record_start_s * 24),
            int(shot.record_end_s * 24),
            int(shot.media_start_s * 24),
            shot.speed,
        )
        for shot in picture.shots
    ]


def test_clips_follow_one_another_with_gaps_between(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.gap(10), cut.clip("a", offset=5, frames=20), cut.gap(3), cut.clip("b", offset=0, frames=7)
    )
    assert in_frames(resolve(track)) == [("a", 10, 30, 5, 1), ("b", 33, 40, 0, 1)]


def test_a_trimmed_nest_shows_only_what_its_trim_lets_through(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    inner = cut.track(cut.clip("a", offset=0, frames=20), cut.clip("b", offset=100, frames=20))
    track = cut.track(cut.gap(8), cut.nest(inner, trim=(15, 10)), cut.clip("c", offset=0, frames=4))
    assert in_frames(resolve(track)) == [("a", 8, 13, 15, 1), ("b", 13, 18, 100, 1), ("c", 18, 22, 0, 1)]


def test_trims_of_nested_nests_add_up(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    innermost = cut.nest(cut.track(cut.clip("a", offset=50, frames=100)), trim=(10, 60))
    outer = cut.nest(cut.track(innermost), trim=(5, 20))
    assert in_frames(resolve(cut.track(cut.gap(3), outer))) == [("a", 3, 23, 65, 1)]


def test_a_trimmed_track_is_cut_at_its_trim(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(cut.clip("a", offset=0, frames=20), cut.clip("b", offset=0, frames=20))
    track.source_range = cut.span(10, 15)
    assert in_frames(resolve(track)) == [("a", 0, 10, 10, 1), ("b", 10, 15, 0, 1)]


def test_a_dissolve_shows_both_clips_over_its_length(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.clip("a", offset=50, frames=100), cut.dissolve(6, 4), cut.clip("b", offset=50, frames=100)
    )
    picture = resolve(track)
    assert in_frames(picture) == [("a", 0, 104, 50, 1), ("b", 94, 200, 44, 1)]
    assert [(float(shot.cut_start_s * 24), float(shot.cut_end_s * 24)) for shot in picture.shots] == [
        (0, 100),
        (100, 200),
    ]
    assert [(float(shot.fade_in_s * 24), float(shot.fade_out_s * 24)) for shot in picture.shots] == [
        (0, 10),
        (10, 0),
    ]


def test_a_fade_is_never_longer_than_its_trimmed_clip(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    track = cut.track(
        cut.clip("a", offset=50, frames=100), cut.dissolve(6, 4), cut.clip("b", offset=50, frames=100)
    )
    first, second = resolve(track).shots
    part = second.trim(second.record_start_s, second.record_start_s + Fraction(3, 24))
    assert (part.fade_in_s, part.fade_out_s) == (Fraction(3, 24), Fraction(0))
    part = first.trim(first.record_end_s - Fraction(3, 24), first.record_end_s)
    assert (part.fade_in_s, part.fade_out_s) == (Fraction(0), Fraction(3, 24))
    part = first.trim(first.record_start_s, first.record_end_s - Fraction(3, 24))
    assert part.fade_out_s == Fraction(7, 24)


@pytest.mark.parametrize(
    ("speed", "media_start"),
    [(2.0, 5), (0.5, 5), (0.0, 5), (-1.0, 5 + 20), (-2.0, 5 + 40)],
)
def test_time_warps_keep_the_record_range_and_change_the_media(
    cut_at_24: CutBuilder, speed: float, media_start: int
) -> None:
    cut = cut_at_24
    track = cut.track(cut.gap(2), cut.clip("a", offset=5, frames=20, speed=speed))
    assert in_frames(resolve(track)) == [("a", 2, 22, media_start, Fraction(speed))]


def test_a_freeze_frame_effect_has_speed_zero(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    clip = cut.clip("a", offset=5, frames=20)
    clip.effects.append(otio.schema.FreezeFrame())
    assert in_frames(resolve(cut.track(clip))) == [("a", 0, 20, 5, 0)]


def test_a_warped_nest_warps_what_is_in_it(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    nest = cut.nest(
        cut.track(cut.clip("a", offset=0, frames=20), cut.clip("b", offset=100, frames=20)), trim=(0, 20)
    )
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    assert in_frames(resolve(cut.track(nest))) == [("a", 0, 10, 0, 2), ("b", 10, 20, 100, 2)]


def test_a_reversed_nest_plays_its_clips_backwards(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    nest = cut.nest(cut.track(cut.clip("a", offset=0, frames=20), cut.clip("b", offset=100, frames=10)))
    nest.effects.append(otio.schema.LinearTimeWarp(time_scalar=-1.0))
    assert in_frames(resolve(cut.track(nest))) == [("b", 0, 10, 110, -1), ("a", 10, 30, 20, -1)]


def test_a_warped_clip_in_a_trimmed_nest_starts_where_it_is_visible(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    inner = cut.track(cut.clip("a", offset=10, frames=40, speed=2.0))
    assert in_frames(resolve(cut.track(cut.nest(inner, trim=(5, 10))))) == [("a", 0, 10, 20, 2)]


def test_a_speed_ramp_is_skipped_as_a_fault(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    ramp = cut.clip("a", offset=0, frames=20)
    ramp.effects.append(otio.schema.TimeEffect(effect_name="ramp"))
    picture = resolve(cut.track(ramp, cut.clip("b", offset=0, frames=5)))
    assert [(item.name, item.is_fault) for item in picture.skipped] == [("a", True)]
    assert in_frames(picture) == [("b", 20, 25, 0, 1)]


def test_disabled_items_take_up_time_and_are_skipped(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    off = cut.clip("off", offset=0, frames=20)
    off.enabled = False
    picture = resolve(cut.track(off, cut.clip("on", offset=0, frames=5)))
    assert in_frames(picture) == [("on", 20, 25, 0, 1)]
    assert [(item.name, item.reason, item.is_fault) for item in picture.skipped] == [
        ("off", "disabled", False)
    ]


def test_a_disabled_track_hides_nothing(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    upper = cut.track(cut.clip("upper", offset=0, frames=10), name="V2")
    upper.enabled = False
    picture = resolve(cut.track(cut.clip("lower", offset=0, frames=10)), upper)
    assert in_frames(picture) == [("lower", 0, 10, 0, 1)]


def test_the_topmost_picture_wins(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    lower = cut.track(cut.clip("wide", offset=0, frames=50), cut.clip("hidden", offset=0, frames=10))
    upper = cut.track(
        cut.gap(10), cut.clip("insert", offset=0, frames=5), cut.gap(35), cut.clip("end", offset=0, frames=10)
    )
    picture = resolve(lower, upper)
    assert in_frames(picture) == [
        ("wide", 0, 10, 0, 1),
        ("insert", 10, 15, 0, 1),
        ("wide", 15, 50, 15, 1),
        ("end", 50, 60, 0, 1),
    ]
    assert [item.name for item in picture.skipped] == ["hidden"]


def test_a_title_over_the_picture_does_not_hide_it(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    title = otio.schema.Clip(
        "Text+", otio.schema.GeneratorReference(generator_kind="Title"), source_range=cut.span(0, 30)
    )
    picture = resolve(cut.track(cut.clip("a", offset=0, frames=30)), cut.track(title, name="V2"))
    assert in_frames(picture) == [("a", 0, 30, 0, 1)]
    assert [item.name for item in picture.skipped] == ["Text+"]


def test_layers_inside_a_nest_hide_one_another_too(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    nest = cut.nest(
        cut.track(cut.clip("under", offset=0, frames=30)), cut.track(cut.clip("over", offset=0, frames=10))
    )
    picture = resolve(cut.track(nest))
    assert in_frames(picture) == [("over", 0, 10, 0, 1), ("under", 10, 30, 10, 1)]


def test_sound_in_a_nest_is_not_picture(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    sound = otio.schema.Track(kind=otio.schema.TrackKind.Audio)
    sound.append(cut.clip("sound", offset=0, frames=90))
    nest = cut.nest(cut.track(cut.clip("a", offset=0, frames=30)), sound, trim=(0, 30))
    assert in_frames(resolve(cut.track(nest))) == [("a", 0, 30, 0, 1)]


def test_clips_of_another_rate_are_placed_by_their_seconds(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    foreign = otio.schema.Clip(
        "pal",
        cut.media(),
        source_range=otio.opentime.TimeRange(
            otio.opentime.RationalTime(25, 25), otio.opentime.RationalTime(26, 25)
        ),
    )
    shots = resolve(cut.track(foreign, cut.clip("b", offset=0, frames=24))).shots
    assert shots[1].record_start_s == Fraction(26, 25)
    assert shots[0].media_start_s == 1


def test_a_clip_of_unknown_length_is_refused_by_name(cut_at_24: CutBuilder) -> None:
    nameless = otio.schema.Clip("lost", otio.schema.ExternalReference(target_url="file:///a.mov"))
    with pytest.raises(TimelineReadError, match="'lost' has neither"):
        resolve(cut_at_24.track(nameless))


def test_a_negative_duration_is_refused(cut_at_24: CutBuilder) -> None:
    with pytest.raises(TimelineReadError, match="negative duration"):
        resolve(cut_at_24.track(cut_at_24.clip("a", offset=0, frames=-5)))


def test_endless_nesting_is_refused_and_twelve_levels_are_not(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    item: otio.core.Item = cut.clip("a", offset=0, frames=10)
    for _ in range(12):
        item = cut.nest(cut.track(item))
    assert in_frames(resolve(cut.track(item))) == [("a", 0, 10, 0, 1)]
    for _ in range(40):
        item = cut.nest(cut.track(item))
    with pytest.raises(TimelineReadError, match="nested more than"):
        resolve(cut.track(item))


def test_only_video_tracks_are_picture(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    sound = otio.schema.Track(name="A1", kind=otio.schema.TrackKind.Audio)
    subtitles = otio.schema.Track(name="S1", kind="Subtitle")
    timeline = cut.timeline(cut.track(name="V1"), sound, subtitles, cut.track(name="V2"))
    assert [track.name for track in iter_picture_tracks(timeline)] == ["V1", "V2"]


def test_ten_thousand_clips_on_two_tracks_are_resolved(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    lower = cut.track(*(cut.clip(f"a{i}", offset=i % 9, frames=10) for i in range(5000)))
    upper = cut.track(
        *(item for i in range(5000) for item in (cut.gap(7), cut.clip(f"b{i}", offset=i % 5, frames=3)))
    )
    picture = resolve(lower, upper)
    assert len(picture.shots) == 10_000
    assert picture.skipped == []


def test_a_nest_whose_used_range_lies_outside_of_its_content_is_a_fault_and_a_gap_in_one_is_not(
    cut_at_24: CutBuilder,
) -> None:
    """As a host writes it that counts from the timecode of the nested timeline."""
    cut = cut_at_24
    content = [cut.clip("a", offset=0, frames=20), cut.gap(20)]
    by_timecode = cut.nest(cut.track(*(item.clone() for item in content)), trim=(86_400, 20))
    in_the_gap = cut.nest(cut.track(*content), trim=(20, 20))
    picture = resolve(cut.track(by_timecode, in_the_gap, cut.clip("b", offset=0, frames=5)))
    assert in_frames(picture) == [("b", 40, 45, 0, 1)]
    ((name, reason, is_fault),) = [(item.name, item.reason, item.is_fault) for item in picture.skipped]
    assert (name, is_fault) == ("nest", True)
    assert "3600.000 s to 3600.833 s, lies outside of what is in it, 1.667 s from 0" in reason

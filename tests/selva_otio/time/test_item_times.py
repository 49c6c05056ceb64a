"""Durations, starts and speeds of items, and the clock of any timeline."""

from __future__ import annotations

from fractions import Fraction

import opentimelineio as otio
import pytest

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.time.item_times import (
    find_record_clock,
    item_duration_s,
    read_item_rates_hz,
    trimmed_start_s,
    warp_speed,
)
from tests.selva_otio.cuts import CutBuilder


def test_duration_and_start_are_exact_at_23_976() -> None:
    cut = CutBuilder(rate_hz=24000 / 1001)
    clip = cut.clip("a", offset=7, frames=100)
    assert item_duration_s(clip) == Fraction(100 * 1001, 24000)
    assert trimmed_start_s(clip) == Fraction(7 * 1001, 24000)


def test_a_track_lasts_as_long_as_its_items_together_and_a_stack_as_its_longest(
    cut_at_24: CutBuilder,
) -> None:
    cut = cut_at_24
    long = cut.track(cut.gap(12), cut.dissolve(2, 2), cut.clip("a", offset=0, frames=24))
    stack = cut.nest(long, cut.track(cut.clip("b", offset=0, frames=6)))
    assert (item_duration_s(long), item_duration_s(stack)) == (Fraction(3, 2), Fraction(3, 2))
    assert item_duration_s(cut.nest(long.clone(), trim=(6, 12))) == Fraction(1, 2)


def test_without_a_source_range_the_available_range_counts(cut_at_24: CutBuilder) -> None:
    cut = cut_at_24
    cut.media_start_frame, cut.media_num_frames = 48, 72
    clip = otio.schema.Clip("a", cut.media())
    assert (trimmed_start_s(clip), item_duration_s(clip)) == (Fraction(2), Fraction(3))
    with pytest.raises(TimelineReadError, match="clip 'a' has neither a source range nor an available range"):
        item_duration_s(otio.schema.Clip("a"))


def test_speeds_of_several_time_warps_multiply_and_ramps_are_refused(cut_at_24: CutBuilder) -> None:
    clip = cut_at_24.clip("a", offset=0, frames=24, speed=2.0)
    clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=-0.25))
    assert warp_speed(clip) == Fraction(-1, 2)
    clip.effects.append(otio.schema.TimeEffect(effect_name="ramp"))
    with pytest.raises(ClockError, match="speed ramp"):
        warp_speed(clip)


def test_a_record_clock_has_the_rate_of_picture_else_of_sound_else_25(cut_at_24: CutBuilder) -> None:
    picture = cut_at_24.track(cut_at_24.clip("a", offset=0, frames=24))
    sound = otio.schema.Track(kind=otio.schema.TrackKind.Audio)
    sound.append(CutBuilder(rate_hz=48_000).gap(48_000))
    timeline = otio.schema.Timeline()
    assert find_record_clock(timeline).frame_rate_hz == 25
    timeline.tracks.append(sound)
    assert find_record_clock(timeline).frame_rate_hz == 48_000
    timeline.tracks.append(picture)
    assert find_record_clock(timeline).frame_rate_hz == 24
    assert read_item_rates_hz(timeline.tracks) == [48_000.0, 24.0]

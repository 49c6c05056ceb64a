"""From a shot to the clip that sound is made for: handles."""

from __future__ import annotations

from fractions import Fraction

from tests.selva_otio.cues.spotted import DOG, spot
from tests.selva_otio.cuts import CutBuilder


def test_handles_reach_as_far_as_the_media_does(cut: CutBuilder) -> None:
    cut.start_frame, cut.media_num_frames = 86_400, 100
    track = cut.track(cut.clip("a", offset=10, frames=48), cut.clip("b", offset=40, frames=50))
    first, second = spot(cut.timeline(track), DOG, handles_s=Fraction(1)).clips
    assert (float(first.handle_before_s * 24), float(first.handle_after_s * 24)) == (10, 24)
    assert (float(second.handle_before_s * 24), float(second.handle_after_s * 24)) == (24, 10)
    assert (float(second.sound_start_s * 24), float(second.sound_media_start_s * 24)) == (24, 16)
    assert float(second.sound_duration_s * 24) == 84


def test_handles_of_warped_clips_count_record_time(cut: CutBuilder) -> None:
    cut.start_frame, cut.media_num_frames = 86_400, 100
    fast = cut.clip("fast", offset=10, frames=24, speed=2.0)
    back = cut.clip("back", offset=10, frames=24, speed=-1.0)
    first, second = spot(cut.timeline(cut.track(fast, back)), DOG, handles_s=Fraction(1)).clips
    assert (float(first.handle_before_s * 24), float(first.handle_after_s * 24)) == (5, 21)
    assert (float(second.handle_before_s * 24), float(second.handle_after_s * 24)) == (24, 10)


def test_no_handle_lies_before_midnight(cut: CutBuilder) -> None:
    cut.start_frame = 3
    sheet = spot(cut.timeline(cut.track(cut.clip("a", offset=50, frames=24))), DOG, handles_s=Fraction(1))
    assert sheet.clips[0].handle_before_s * 24 == 3


def test_media_of_unknown_duration_gives_a_handle_before_only(cut: CutBuilder) -> None:
    cut.start_frame = 86_400
    clip = cut.clip("a", offset=0, frames=24)
    clip.media_reference.available_range = None
    clip.source_range = cut.span(12, 24)
    (spotted,) = spot(cut.timeline(cut.track(clip)), DOG, handles_s=Fraction(1)).clips
    assert (float(spotted.handle_before_s * 24), float(spotted.handle_after_s)) == (12, 0)

"""Sizes check themselves, and lengths follow exactly from durations."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from selva_core.models.part_specs import GeneratorSpec, VideoEncoderSpec
from selva_core.models.specs import (
    GENERATOR_LARGE_44K,
    GENERATOR_MEDIUM_44K,
    GENERATOR_SMALL_16K,
    GENERATOR_SMALL_44K,
    MEL_16K,
    VAE_16K,
    VOCODER_16K,
    ClipLengths,
    ModelSpec,
    build_published_spec,
)

SPEC_16K = build_published_spec(GENERATOR_SMALL_16K)
SPEC_44K = build_published_spec(GENERATOR_SMALL_44K)


@pytest.mark.parametrize(
    ("spec", "num_latents", "num_samples"), [(SPEC_16K, 250, 128_000), (SPEC_44K, 345, 353_280)]
)
def test_eight_seconds_have_the_lengths_the_weights_were_trained_on(
    spec: ModelSpec, num_latents: int, num_samples: int
) -> None:
    assert spec.lengths(Fraction(8)) == ClipLengths(
        num_frames=200,
        num_segments=24,
        num_sync=192,
        num_clip_frames=64,
        num_latents=num_latents,
        num_samples=num_samples,
    )


def test_every_segment_step_is_ten_latents_at_16_khz() -> None:
    assert SPEC_16K.segment_hop_s == Fraction(8, 25)
    latents = [SPEC_16K.num_latents(k * SPEC_16K.segment_hop_s) for k in range(1, 200)]
    assert latents == [10 * k for k in range(1, 200)]


def test_a_duration_just_short_of_eight_seconds_has_one_segment_less() -> None:
    just_short = Fraction(8) - Fraction(1, 10**12)
    assert SPEC_16K.num_segments(just_short) == 23
    assert SPEC_16K.num_segments(Fraction(8)) == 24


def test_latents_cover_the_duration_and_no_whole_latent_is_spare() -> None:
    for spec in (SPEC_16K, SPEC_44K):
        for ticks in range(1, 3000, 7):
            duration_s = ticks * Fraction(1001, 24_000)
            wanted_samples = duration_s * spec.sample_rate_hz
            num_samples = spec.lengths(duration_s).num_samples
            assert 0 <= num_samples - wanted_samples < spec.latent_hop_samples


@pytest.mark.parametrize("duration_s", [Fraction(1, 25), Fraction(1, 3), Fraction(63, 100), Fraction(16, 25)])
def test_a_clip_shorter_than_a_segment_has_one(duration_s: Fraction) -> None:
    lengths = SPEC_16K.lengths(duration_s)
    assert (lengths.num_segments, lengths.num_sync, lengths.num_frames) == (1, 8, 16)
    assert lengths.num_clip_frames >= 1
    assert lengths.num_latents >= 1


def test_segments_never_reach_past_the_clip() -> None:
    for hundredths in range(64, 1200):
        duration_s = Fraction(hundredths, 100)
        unseen_frames = duration_s * 25 - SPEC_16K.num_frames(duration_s)
        assert 0 <= unseen_frames < 8


@pytest.mark.parametrize("duration_s", [Fraction(0), Fraction(-1)])
def test_a_duration_that_is_not_positive_is_refused(duration_s: Fraction) -> None:
    with pytest.raises(ValueError, match="longer than 0 s"):
        SPEC_16K.lengths(duration_s)


@pytest.mark.parametrize(
    ("spec", "hidden"),
    [(GENERATOR_SMALL_16K, 1280), (GENERATOR_MEDIUM_44K, 2560), (GENERATOR_LARGE_44K, 2560)],
)
def test_gated_widths_are_those_of_the_published_weights(spec: GeneratorSpec, hidden: int) -> None:
    assert spec.gated_width == hidden


def test_frames_that_patches_do_not_divide_are_refused() -> None:
    assert VideoEncoderSpec(frame_size_px=96).num_patches == 36
    with pytest.raises(ValueError, match=r"frame_size_px is a multiple of patch_px; got 100 and 16"):
        VideoEncoderSpec(frame_size_px=100)


def test_a_hop_that_leaves_frames_out_is_refused() -> None:
    assert VideoEncoderSpec(segment_hop_frames=16).segment_hop_frames == 16
    with pytest.raises(ValueError, match="at most 16 frames; got 17"):
        VideoEncoderSpec(segment_hop_frames=17)


def test_a_generator_without_a_joint_block_is_refused() -> None:
    assert replace(GENERATOR_SMALL_16K, fused_depth=11).joint_depth == 1
    with pytest.raises(ValueError, match="at least one of the 12 blocks is a joint block"):
        replace(GENERATOR_SMALL_16K, fused_depth=12)


def test_an_odd_head_width_is_refused() -> None:
    assert replace(GENERATOR_SMALL_16K, width=28, num_heads=7).head_width == 4
    with pytest.raises(ValueError, match="is even; got 3"):
        replace(GENERATOR_SMALL_16K, width=21, num_heads=7)


def test_halving_after_the_last_level_is_refused() -> None:
    assert replace(VAE_16K, halving_levels=(0, 1)).frames_per_latent == 4
    with pytest.raises(ValueError, match=r"below the last, \[0, 1\]; got \(2,\)"):
        replace(VAE_16K, halving_levels=(2,))


def test_a_vocoder_whose_channels_run_out_is_refused() -> None:
    assert replace(VOCODER_16K, initial_channels=64).hop_samples == 256
    with pytest.raises(ValueError, match="halved 6 times; got 96"):
        replace(VOCODER_16K, initial_channels=96)


def test_mel_filters_above_half_the_sample_rate_are_refused() -> None:
    assert replace(MEL_16K, f_max_hz=7_000.0).f_max_hz == 7_000.0
    with pytest.raises(ValueError, match="between 0 Hz and half of 16000 Hz"):
        replace(MEL_16K, f_max_hz=8_001.0)


def test_parts_that_do_not_fit_together_are_refused_by_name() -> None:
    assert replace(SPEC_44K, generator=GENERATOR_MEDIUM_44K).num_latents(Fraction(8)) == 345
    with pytest.raises(ValueError, match="latent channels of generator and VAE are equal; got 20 and 40"):
        replace(SPEC_44K, generator=GENERATOR_SMALL_16K)

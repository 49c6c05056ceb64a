"""Windows cover clips of any length, on the grid of the video encoder's segments."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from selva_core.inference.windows import MIN_OVERLAP_S, WindowPlan, blend_weights, plan_windows
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.specs import GENERATOR_SMALL_16K, GENERATOR_SMALL_44K, ModelSpec, build_published_spec

SPEC_16K = build_published_spec(GENERATOR_SMALL_16K)
SPEC_44K = build_published_spec(GENERATOR_SMALL_44K)
SPECS = [SPEC_16K, SPEC_44K]
DURATIONS_S = [
    *(Fraction(n, 100) for n in range(833, 3000, 17)),
    *(Fraction(1001 * n, 24000) for n in (200, 201, 997, 14386)),
    Fraction(600),
    Fraction(3600),
]


def seconds_covered(plan: WindowPlan, spec: ModelSpec) -> Fraction:
    return Fraction(plan.num_latents * spec.latent_hop_samples, spec.sample_rate_hz)


@pytest.mark.parametrize("spec", SPECS)
def test_windows_cover_the_clip_and_overlap_enough(spec: ModelSpec) -> None:
    for duration_s in DURATIONS_S:
        plan = plan_windows(spec, duration_s)
        assert plan.windows[0].first_latent == plan.windows[0].first_segment == 0
        assert seconds_covered(plan, spec) >= duration_s
        for one, other in pairwise(plan.windows):
            hop_segments = other.first_segment - one.first_segment
            assert 0 < hop_segments * spec.segment_hop_s <= spec.window_s - MIN_OVERLAP_S


@pytest.mark.parametrize("spec", SPECS)
def test_all_windows_have_the_trained_length(spec: ModelSpec) -> None:
    trained = spec.lengths(spec.window_s)
    for duration_s in DURATIONS_S:
        for window in plan_windows(spec, duration_s).windows:
            assert (window.num_latents, window.num_segments) == (trained.num_latents, trained.num_segments)


@pytest.mark.parametrize("spec", SPECS)
def test_each_window_starts_on_the_latent_nearest_to_its_first_segment(spec: ModelSpec) -> None:
    latent_s = Fraction(spec.latent_hop_samples, spec.sample_rate_hz)
    for duration_s in DURATIONS_S:
        for window in plan_windows(spec, duration_s).windows:
            error_s = window.first_latent * latent_s - window.first_segment * spec.segment_hop_s
            assert abs(error_s) <= latent_s / 2


def test_at_16_khz_windows_start_on_exact_latents() -> None:
    for window in plan_windows(SPEC_16K, Fraction(3600)).windows:
        assert window.first_latent == 10 * window.first_segment


@pytest.mark.parametrize("spec", SPECS)
def test_no_window_begins_less_than_one_step_before_the_end(spec: ModelSpec) -> None:
    for duration_s in DURATIONS_S:
        beyond_s = seconds_covered(plan_windows(spec, duration_s), spec) - duration_s
        assert beyond_s < 2 * spec.segment_hop_s


@pytest.mark.parametrize(
    ("duration_s", "num_latents", "num_segments", "num_frames"),
    [(Fraction(8), 345, 24, 200), (Fraction(128, 100), 58, 4, 40), (Fraction(8008, 1000), 345, 24, 200)],
)
def test_clip_up_to_one_window_is_rendered_in_whole_segments(
    duration_s: Fraction, num_latents: int, num_segments: int, num_frames: int
) -> None:
    plan = plan_windows(SPEC_44K, duration_s)
    assert (plan.num_latents, plan.num_segments, plan.num_frames) == (num_latents, num_segments, num_frames)
    assert len(plan.windows) == 1


@pytest.mark.parametrize("spec", [*SPECS, NANO_SPEC])
@pytest.mark.parametrize("tenths", range(1, 83))
def test_a_short_clip_has_as_many_latents_per_segment_as_in_training(spec: ModelSpec, tenths: int) -> None:
    trained = Fraction(spec.num_latents(spec.window_s), spec.num_segments(spec.window_s))
    plan = plan_windows(spec, Fraction(tenths, 10))
    assert plan.num_latents >= spec.num_latents(Fraction(tenths, 10))
    assert abs(plan.num_latents - plan.num_segments * trained) < 1


@pytest.mark.parametrize("duration_s", [Fraction(1, 60), Fraction(1, 25), Fraction(1, 3)])
def test_clip_shorter_than_a_segment_is_planned_as_one_segment(duration_s: Fraction) -> None:
    plan = plan_windows(SPEC_16K, duration_s)
    assert (plan.num_segments, plan.num_frames) == (1, 16)


@pytest.mark.parametrize("spec", SPECS)
def test_frames_reach_exactly_to_the_last_segment(spec: ModelSpec) -> None:
    plan = plan_windows(spec, Fraction(61))
    assert plan.num_frames == 8 * (plan.num_segments - 1) + 16
    assert Fraction(plan.num_frames, 25) >= 61


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("duration_s", [Fraction(9), Fraction(16), Fraction(61), Fraction(600)])
def test_weights_sum_to_one_at_every_latent(spec: ModelSpec, duration_s: Fraction) -> None:
    plan = plan_windows(spec, duration_s)
    runs = [window.latents for window in plan.windows]
    total = np.zeros(plan.num_latents)
    for run, weights in zip(runs, blend_weights(runs), strict=True):
        assert weights.min() > 0
        total[run] += weights
    assert np.abs(total - 1).max() < 1e-6


def test_weights_cross_over_linearly_along_the_overlap() -> None:
    first, second = blend_weights([slice(0, 20), slice(10, 30)])
    assert first[:10].tolist() == second[10:].tolist() == [1.0] * 10
    assert np.allclose(second[:10], (np.arange(10) + 0.5) / 10)
    assert math.isclose(first[10] + second[0], 1.0, rel_tol=1e-6)

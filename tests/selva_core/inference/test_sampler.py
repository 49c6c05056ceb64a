"""Euler steps, guidance, noise by seed, and windows tied together, on flows whose solution is known."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from selva_core.inference.sampler import draw_noise, guide, integrate, tie_windows
from selva_core.inference.windows import plan_windows
from selva_core.models.specs import GENERATOR_SMALL_44K, build_published_spec

PLAN = plan_windows(build_published_spec(GENERATOR_SMALL_44K), Fraction(21))


def test_constant_velocity_is_followed_exactly() -> None:
    noise = draw_noise(1, 30, 4)[None]
    end = integrate(lambda x, t: torch.full_like(x, 2.0), noise, num_steps=25)
    assert torch.allclose(end, noise + 2.0, atol=1e-5)


def test_straight_flow_to_a_target_arrives_there() -> None:
    target = torch.linspace(-1, 1, 120).reshape(1, 30, 4)
    noise = draw_noise(1, 30, 4)[None]
    end = integrate(lambda x, t: (target - x) / (1 - t), noise, num_steps=25)
    assert torch.allclose(end, target, atol=1e-5)


def test_euler_takes_equal_steps_and_evaluates_at_their_start() -> None:
    times: list[float] = []

    def flow(x: Tensor, t: float) -> Tensor:
        times.append(t)
        return x

    end = integrate(flow, torch.ones(1, 1, 1), num_steps=4)
    assert times == [0.0, 0.25, 0.5, 0.75]
    assert end.item() == pytest.approx(1.25**4)


def test_more_steps_come_closer_to_the_true_flow() -> None:
    errors = []
    for num_steps in (10, 20, 40):
        end = integrate(lambda x, t: -x, torch.ones(1, 1, 1), num_steps=num_steps)
        errors.append(abs(end.item() - math.exp(-1)))
    assert errors[0] > 1.8 * errors[1] > 3.2 * errors[2]


def test_step_callback_can_stop_the_integration() -> None:
    steps: list[int] = []

    def stop_at_three(step: int) -> None:
        steps.append(step)
        if step == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        integrate(lambda x, t: x, torch.ones(1, 1, 1), num_steps=9, on_step=stop_at_three)
    assert steps == [1, 2, 3]


def test_guidance_of_one_is_the_conditional_flow() -> None:
    conditional, unconditional = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    assert torch.equal(guide(conditional, unconditional, 1.0), conditional)
    expected = 4.5 * conditional - 3.5 * unconditional
    assert torch.allclose(guide(conditional, unconditional, 4.5), expected)


def test_seed_decides_the_noise_and_nothing_else_does() -> None:
    state = torch.random.get_rng_state()
    one, again, other = draw_noise(7, 50, 20), draw_noise(7, 50, 20), draw_noise(8, 50, 20)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert abs(one.std().item() - 1) < 0.1


def test_largest_seed_is_accepted_and_is_none_of_its_neighbours() -> None:
    largest = draw_noise(2**63 - 1, 4, 2)
    assert largest.shape == (4, 2)
    assert torch.equal(largest, draw_noise(2**63 - 1, 4, 2))
    assert not any(torch.equal(largest, draw_noise(seed, 4, 2)) for seed in (0, 1, 2**63 - 2))


def test_windows_that_agree_are_one_flow() -> None:
    field = torch.randn(PLAN.num_latents, 4)
    noise = draw_noise(3, PLAN.num_latents, 4)[None]

    def windowed(x: Tensor, t: float) -> Tensor:
        return torch.stack([field[window.latents] for window in PLAN.windows]) - x

    tied = integrate(tie_windows(windowed, PLAN.windows), noise, num_steps=10)
    whole = integrate(lambda x, t: field - x, noise, num_steps=10)
    assert torch.allclose(tied, whole, atol=1e-5)


def test_windows_that_disagree_meet_without_a_step() -> None:
    levels = torch.arange(len(PLAN.windows), dtype=torch.float32)[:, None, None]

    def windowed(x: Tensor, t: float) -> Tensor:
        return levels.expand_as(x) - x

    start = torch.zeros(1, PLAN.num_latents, 1)
    end = integrate(tie_windows(windowed, PLAN.windows), start, num_steps=25)[0, :, 0]
    overlap = PLAN.windows[0].latents.stop - PLAN.windows[1].first_latent
    assert end[0] < 0.05
    assert end[-1] > 0.5 * (len(PLAN.windows) - 1)
    assert end.diff().abs().max() < 1.5 / overlap


def test_one_window_is_left_as_it_is() -> None:
    plan = plan_windows(build_published_spec(GENERATOR_SMALL_44K), Fraction(5))
    x = torch.randn(2, plan.num_latents, 3)
    velocity = torch.randn(2, 1, plan.num_latents, 3)
    assert torch.equal(tie_windows(lambda windows, t: velocity, plan.windows)(x, 0.0), velocity[:, 0])

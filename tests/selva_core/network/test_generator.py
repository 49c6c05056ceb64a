"""The generator: batches and conditions without side effects, and its precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from selva_core.network import (
    Network,
    _short_conv,
    generator,
    join_conditions,
)
from selva_core.network._streams import RepeatedRows, find_repeated
from selva_core.network.parts import place_part
from tests.selva_core.network.tiny import LENGTHS, TINY, build_tiny, prepare


def test_a_batch_gives_what_each_gives_singly(network: Network) -> None:
    conditions = prepare(network)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor([0.2, 0.7])
    batched = network.generator.flow(x, t, conditions)
    for k in range(2):
        single = replace(
            conditions,
            sync=conditions.sync[k : k + 1],
            clip=conditions.clip[k : k + 1],
            text=conditions.text[k : k + 1],
            pooled=conditions.pooled[k : k + 1],
        )
        torch.testing.assert_close(network.generator.flow(x[k : k + 1], t[k], single)[0], batched[k])


def test_joined_conditions_keep_both_sides_of_guidance(network: Network) -> None:
    conditions = prepare(network)
    null = network.generator.prepare_null_conditions(
        num_sync=LENGTHS.num_sync,
        num_clip_frames=LENGTHS.num_clip_frames,
        num_latents=LENGTHS.num_latents,
    ).expand(2)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor(0.5)
    conditional, unconditional = network.generator.flow(
        torch.cat([x, x]), t, join_conditions([conditions, null])
    ).chunk(2)
    torch.testing.assert_close(conditional, network.generator.flow(x, t, conditions))
    torch.testing.assert_close(unconditional, network.generator.flow(x, t, null))
    assert (conditional - unconditional).abs().max() > 1e-3


def test_conditions_of_different_lengths_do_not_join(network: Network) -> None:
    with pytest.raises(ValueError, match=r"sync to join has shape \(any, 40, 16\); got \(2, 30, 16\)"):
        join_conditions([prepare(network), prepare(network, num_latents=30)])


def test_a_request_of_another_length_has_no_effect_on_the_next(network: Network) -> None:
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor(0.5)
    before = network.generator.flow(x, t, prepare(network))
    network.generator.flow(x[:, :25], t, prepare(network, num_latents=25))
    assert torch.equal(network.generator.flow(x, t, prepare(network)), before)


def test_clip_frames_change_the_velocity_where_a_model_has_them(network: Network) -> None:
    spec = TINY.generator
    inputs: dict[str, Any] = {
        "text": torch.randn(1, spec.num_text_tokens, spec.text_width),
        "sync": torch.randn(1, LENGTHS.num_sync, spec.sync_width),
        "num_clip_frames": 6,
        "num_latents": LENGTHS.num_latents,
    }
    x = torch.randn(1, LENGTHS.num_latents, spec.latent_channels)
    without = network.generator.flow(x, torch.tensor(0.5), network.generator.prepare_conditions(**inputs))
    clip = torch.randn(1, 6, spec.clip_width)
    seen = network.generator.prepare_conditions(clip=clip, **inputs)
    assert (network.generator.flow(x, torch.tensor(0.5), seen) - without).abs().max() > 1e-3
    null = network.generator.empty_clip_feat.expand(1, 6, -1)
    same = network.generator.prepare_conditions(clip=null, **inputs)
    torch.testing.assert_close(network.generator.flow(x, torch.tensor(0.5), same), without)


def test_normalising_latents_is_undone_exactly(network: Network) -> None:
    latents = torch.randn(1, 7, TINY.generator.latent_channels)
    torch.testing.assert_close(network.generator.unnormalize(network.generator.normalize(latents)), latents)


def test_bfloat16_stays_near_float32() -> None:
    exact, rough = build_tiny(), build_tiny()
    place_part("generator", rough.generator, torch.device("cpu"), torch.bfloat16)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    conditional = exact.generator.flow(x, torch.tensor(0.5), prepare(exact))
    got = rough.generator.flow(x, torch.tensor(0.5), prepare(rough))
    assert got.dtype == torch.float32
    assert (got - conditional).abs().max() < 0.05 * conditional.abs().max()


def test_many_steps_give_what_one_gives_and_hold_nothing_afterwards(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_short_conv, "_MIN_WIDTH", 8)  # so that the tiny layers count as wide
    conditions = prepare(network)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor(0.5)
    with torch.inference_mode():
        single = network.generator.flow(x, t, conditions)
        with network.generator.many_steps():
            many = network.generator.flow(x, t, conditions)
        assert not torch.equal(many, single)
        torch.testing.assert_close(many, single)
        assert torch.equal(network.generator.flow(x, t, conditions), single)


def test_a_generator_too_large_for_the_memory_of_many_steps_runs_as_before(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_short_conv, "_MIN_WIDTH", 8)
    monkeypatch.setattr(generator, "_MAX_HELD_BYTES", 1000)
    conditions = prepare(network)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor(0.5)
    with torch.inference_mode():
        single = network.generator.flow(x, t, conditions)
        with network.generator.many_steps():
            assert torch.equal(network.generator.flow(x, t, conditions), single)


def test_conditions_that_repeat_are_computed_once_each_and_give_the_same_bits(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = prepare(network)
    null = network.generator.prepare_null_conditions(
        num_sync=LENGTHS.num_sync,
        num_clip_frames=LENGTHS.num_clip_frames,
        num_latents=LENGTHS.num_latents,
    ).expand(2)
    conditions = join_conditions([own, null])
    x = torch.randn(4, LENGTHS.num_latents, TINY.generator.latent_channels)
    t = torch.tensor([0.2, 0.7, 0.2, 0.7])
    with torch.inference_mode():
        repeated = find_repeated(conditions.sync, conditions.sync)
        assert isinstance(repeated, RepeatedRows)
        assert len(repeated.rows) < conditions.sync[..., 0].numel()
        assert torch.equal(repeated.rows[repeated.index], conditions.sync)
        plain = network.generator.flow(x, t, conditions)
        monkeypatch.setattr(generator, "_WIDE", 1)
        torch.testing.assert_close(network.generator.flow(x, t, conditions), plain)


def test_different_rows_of_the_same_sum_stay_different() -> None:
    rows = torch.ones(1, 2, 8)
    assert isinstance(find_repeated(rows, rows), RepeatedRows)
    rows[0, 0, 0] = 1e-30
    rows[0, 1, 0] = 2e-30  # both are lost beside the others
    assert find_repeated(rows, rows) is rows

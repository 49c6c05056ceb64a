"""Switching a network to faster ways of running, and the plain one that stays beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selva_core.base.errors import DeviceUnavailableError
from selva_core.inference import acceleration
from selva_core.inference.acceleration import accelerate, iter_blocks
from selva_core.inference.dummy_weights import build_dummy_weights
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Network
from selva_core.network.vocoder import AntiAliasedSnake

Compiled = list[tuple[str, dict[str, Any]]]


def record(compiled: Compiled) -> Callable[..., Any]:
    def compiler(function: Any, **how: Any) -> Any:
        compiled.append((function.__qualname__, how))
        return function

    return compiler


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr(acceleration, "fuse_activations", lambda network: None)  # has tests of its own
    return build_dummy_weights(NANO_SPEC)


def test_plain_changes_nothing(network: Network) -> None:
    compiled: Compiled = []
    assert accelerate(network, "plain", compiler=record(compiled)) == ""
    assert compiled == []
    layers = [layer for layer in network.vocoder.modules() if isinstance(layer, AntiAliasedSnake)]
    assert layers
    assert all(layer._kernel is None for layer in layers)


def test_compiled_compiles_each_block_once(network: Network) -> None:
    compiled: Compiled = []
    assert accelerate(network, "compiled", compiler=record(compiled)) == "; acceleration compiled"
    assert len(compiled) == len(list(iter_blocks(network, with_generator=True)))
    spec = NANO_SPEC.generator
    assert sum("Joint" in name or "Fused" in name for name, _ in compiled) == spec.depth
    assert all(how == {"dynamic": False} for _, how in compiled)


def test_graphs_take_the_whole_step_of_the_generator(network: Network) -> None:
    compiled: Compiled = []
    accelerate(network, "graphs", compiler=record(compiled))
    assert ("Generator.flow", {"mode": "reduce-overhead", "dynamic": False}) in compiled
    assert not any("Joint" in name for name, _ in compiled)


def test_compiled_blocks_give_what_the_plain_ones_give(network: Network) -> None:
    """By torch's tracer, without the code that it makes for a card."""
    torch.manual_seed(0)
    spec = NANO_SPEC.video_encoder
    size = spec.frame_size_px
    segments = torch.rand(1, spec.segment_num_frames, 3, size, size) * 2 - 1
    with torch.inference_mode():
        plain = network.video_encoder.encode_segments(segments)
        accelerate(
            network,
            "compiled",
            compiler=lambda function, **how: torch.compile(function, backend="eager", **how),
        )
        compiled = network.video_encoder.encode_segments(segments)
    assert torch.allclose(plain, compiled, atol=1e-6)


def test_unknown_acceleration_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="one of plain, fused, compiled, graphs; got 'warp'"):
        accelerate(network, "warp")


def test_missing_triton_names_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "triton", None)
    monkeypatch.delitem(__import__("sys").modules, "selva_core.network.fused_snake", raising=False)
    with pytest.raises(DeviceUnavailableError, match=r"need Triton.*config set acceleration plain"):
        acceleration.fuse_activations(build_dummy_weights(NANO_SPEC))

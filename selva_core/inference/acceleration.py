"""Ways to run a network faster on a GPU, behind one switch; the plain code is always beside them.

Which one pays depends on the card, and none could be measured where this was written: `bench/acceleration.py` measures them on
the card at hand and says what to switch on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from selva_core.base.command_line import selva_command
from selva_core.base.errors import DeviceUnavailableError
from selva_core.network import Network
from selva_core.network.vocoder import AntiAliasedSnake

PLAIN, FUSED, COMPILED, GRAPHS = "plain", "fused", "compiled", "graphs"
ACCELERATIONS = (PLAIN, FUSED, COMPILED, GRAPHS)
"""fused: the vocoder's activations as one kernel. compiled: that, and the repeated blocks of encoder and generator by torch's
compiler. graphs: that, and the generator's whole step as one CUDA graph, which saves the calls of its small kernels.
"""

Compile = Callable[..., Any]
"""As torch.compile: a function or a module, and how -> the same, compiled."""


def accelerate(network: Network, how: str, *, compiler: Compile = torch.compile) -> str:
    """Switch the network to `how`, in place; returns a clause for the device's reason, "" for plain.

    compiler: stands in for torch's in tests. Raises DeviceUnavailableError where this installation cannot do it,
    ValueError for a name that is not in ACCELERATIONS.
    """
    if how not in ACCELERATIONS:
        raise ValueError(f"an acceleration is one of {', '.join(ACCELERATIONS)}; got {how!r}")
    if how == PLAIN:
        return ""
    fuse_activations(network)
    if how in (COMPILED, GRAPHS):
        for block in iter_blocks(network, with_generator=how == COMPILED):
            block.forward = compiler(block.forward, dynamic=False)
    if how == GRAPHS:
        generator = network.generator
        generator.flow = compiler(generator.flow, mode="reduce-overhead", dynamic=False)  # type: ignore[method-assign]
    return f"; acceleration {how}"


def fuse_activations(network: Network) -> None:
    """Let the vocoder's activations run as one Triton kernel. Raises DeviceUnavailableError without Triton."""
    try:
        from selva_core.network.fused_snake import build_taps, fused_snake  # noqa: PLC0415 - loads Triton
    except ImportError as exc:
        raise DeviceUnavailableError(
            f"fused activations need Triton, which torch's CUDA builds for Linux bring ({exc}); "
            f"use: {selva_command('config', 'set', 'acceleration', 'plain')}"
        ) from exc
    taps = build_taps(network.device)
    for layer in network.vocoder.modules():
        if isinstance(layer, AntiAliasedSnake):
            layer.use_kernel(fused_snake, taps)


def iter_blocks(network: Network, *, with_generator: bool) -> Iterator[nn.Module]:
    """The repeated blocks, which are nearly all of the work."""
    yield from network.video_encoder.vfeat_extractor.blocks
    yield from network.video_encoder.synch_text_cross_blocks
    if with_generator:
        yield from network.generator.joint_blocks
        yield from network.generator.fused_blocks

"""A CUDA card that does not exist: torch's fake tensors have shapes, types and devices, and no values.

They refuse every operation that mixes devices, and every value that is read back, which on a card is a wait. Only the copies
that `selva_core.network.host_copy` makes come back, as zeros.

Each operation takes Python a fraction of a millisecond, and a published vocoder has 20,000 of them. Without values, a second
run over the same shapes can prove nothing that the first did not: so a vocoder runs once for each shape, and parts of the same
sizes are loaded once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from selva_core.engines.network import LoadedModel, NetworkEngine
from selva_core.inference import batching, token_encoder
from selva_core.inference.device import CudaDevice, DevicesPresent, choose_device
from selva_core.inference.dummy_weights import build_dummy_tokenizer
from selva_core.inference.evidence_track import EvidenceTrack
from selva_core.inference.presence import PresenceModel
from selva_core.models.catalog import Model
from selva_core.models.specs import ModelSpec
from selva_core.network import Network, bake_weights, host_copy, vocoder
from selva_core.network import parts as network_parts
from selva_core.network.parts import PARTS, build_part, load_part, place_part, published_tensors
from selva_core.network.residency import Residency, ResidentPart

DEVICE = torch.device("cuda", 0)
CARD = DevicesPresent(
    cuda=(CudaDevice(name="a card that does not exist", free_bytes=24 << 30, has_bfloat16=True),)
)


@dataclass
class FakeMemory:
    """The memory of the card: how much each measured piece of work takes, and how much is free."""

    taken: int = 1 << 28
    free: int = 20 << 30

    def begin(self) -> None:
        pass

    def taken_bytes(self) -> int:
        return self.taken

    def free_bytes(self) -> int:
        return self.free


class CountedMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The memory of a card of `size_bytes` whose tensors are counted while it is entered: live bytes, and their peak.

    A tensor that does not fit raises what torch raises.
    """

    def __init__(self, size_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.size_bytes = size_bytes
        self.live_bytes = self.peak_bytes = self.measured_peak_bytes = 0
        self._live: dict[int, int] = {}
        self._begun_bytes = 0

    def begin(self) -> None:
        self._begun_bytes = self.measured_peak_bytes = self.live_bytes

    def taken_bytes(self) -> int:
        return self.measured_peak_bytes - self._begun_bytes

    def free_bytes(self) -> int:
        return self.size_bytes - self.live_bytes

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.device.type == "cuda":
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._live:
            return
        self._live[key] = storage.nbytes()
        weakref.finalize(storage, self._free, key)
        self.live_bytes += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        self.measured_peak_bytes = max(self.measured_peak_bytes, self.live_bytes)
        if self.live_bytes > self.size_bytes:
            raise torch.OutOfMemoryError(f"CUDA out of memory. {self.live_bytes} of {self.size_bytes} bytes")

    def _free(self, key: int) -> None:
        self.live_bytes -= self._live.pop(key)


@dataclass
class FakeCard:
    """What was copied from the card, as shapes, and its memory. parts: those that were loaded, by name, sizes and precision."""

    memory: FakeMemory = field(default_factory=FakeMemory)
    came_back: list[tuple[int, ...]] = field(default_factory=list)
    parts: dict[tuple[str, str, torch.dtype], Any] = field(default_factory=dict)

    def to_host(self, values: Tensor) -> Tensor:
        assert values.device == DEVICE, "only what is on the device has to be copied"
        self.came_back.append(tuple(values.shape))
        with unset_fake_temporarily():
            return torch.zeros(values.shape, dtype=values.dtype)

    def to_array(self, values: Tensor) -> npt.NDArray[np.float32]:
        with unset_fake_temporarily():
            return self.to_host(values).numpy()


@contextmanager
def fake_card() -> Iterator[FakeCard]:
    """All tensors are fake meanwhile."""
    card = FakeCard()
    vocoder._low_pass_phases()  # computed once, on the processor; the values are kept
    build = EvidenceTrack.build

    def build_on_host(track: EvidenceTrack, *args: Any, **kwargs: Any) -> Any:
        maps, presence = card_copy(card, track._maps), card_copy(card, track._presence)
        with unset_fake_temporarily(), mock.patch.object(host_copy, "to_array", Tensor.numpy):
            track._maps, track._presence = maps, presence
            return build(track, *args, **kwargs)

    with (
        mock.patch.object(host_copy, "to_host", card.to_host),
        mock.patch.object(host_copy, "to_array", card.to_array),
        mock.patch.object(Tensor, "pin_memory", pin),
        mock.patch.object(EvidenceTrack, "build", build_on_host),
        mock.patch.object(batching, "CudaMemory", return_value=card.memory),
        mock.patch.object(token_encoder, "iter_frames", iter_black),
        # Compares values of a file, on the processor, before anything is on the card.
        mock.patch.object(network_parts, "_restore_taps"),
        mock.patch.object(vocoder.Vocoder, "forward", once_for_each_shape(vocoder.Vocoder.forward)),
        FakeTensorMode(),
    ):
        yield card


def once_for_each_shape(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A forward that gives a new tensor of the same shape, type and device for what it has run on already."""
    seen: dict[tuple[object, ...], tuple[torch.Size, torch.dtype, torch.device]] = {}

    def run(part: Any, mel: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
        key = (part, mel.shape, mel.dtype, mel.device)
        if key not in seen:
            waveform = forward(part, mel, check)
            seen[key] = (waveform.shape, waveform.dtype, waveform.device)
        check()
        shape, dtype, device = seen[key]
        return torch.empty(shape, dtype=dtype, device=device)

    return run


def card_copy(card: FakeCard, tensors: list[Tensor]) -> list[Tensor]:
    """The copies as real tensors; maps sum to one, as attention does."""
    copies = [card.to_host(tensor) for tensor in tensors]
    with unset_fake_temporarily():
        return [copy + 1.0 / copy.shape[-1] for copy in copies]


def iter_black(picture: Any, *, size_px: int, num_frames: int, **_: Any) -> Iterator[np.ndarray]:
    yield from (np.zeros((size_px, size_px, 3), np.uint8) for _ in range(num_frames))


def load_fake(
    card: FakeCard,
    model: Model,
    *,
    precision: str = "auto",
    own: Collection[str] = (),
    presence: PresenceModel | None = None,
    on_demand: bool = False,
) -> NetworkEngine:
    """An engine whose weights have the names and shapes of the published files; within `fake_card`.

    own: the parts that no other engine shares, because they are changed or freed. on_demand: parts come while they run.
    """
    assert model.spec is not None
    choice = choose_device("cuda", CARD, precision=precision)
    parts: dict[str, Any] = {}
    residency = Residency()
    if on_demand:
        resident = {name: load_resident(name, model.spec, choice.dtype) for name in PARTS}
        parts = {name: part.module for name, part in resident.items()}
        residency = Residency(resident, on_demand=True, device=choice.device)
    for name in PARTS.keys() - parts.keys():
        part = PARTS[name]
        key = (name, repr(getattr(model.spec, name)), choice.dtype if part.reduced else torch.float32)
        if name in own:
            parts[name] = load_fake_part(name, model.spec, choice.dtype)
            continue
        if key not in card.parts:
            card.parts[key] = load_fake_part(name, model.spec, choice.dtype)
        parts[name] = card.parts[key]
    return NetworkEngine(
        LoadedModel(
            model=model,
            network=Network(
                spec=model.spec, device=choice.device, dtype=choice.dtype, residency=residency, **parts
            ),
            tokenizer=build_dummy_tokenizer(model.spec),
            device_choice=choice,
            weights_sha256="0" * 64,
            presence=presence,
        )
    )


def load_resident(name: str, spec: ModelSpec, dtype: torch.dtype) -> ResidentPart:
    """A part that is not on the card until it is needed."""
    with torch.device("meta"):
        skeleton = build_part(name, spec, for_training=False)
    return ResidentPart(skeleton, partial(load_fake_part, name, spec, dtype))


def load_fake_part(name: str, spec: ModelSpec, dtype: torch.dtype) -> Any:
    with torch.device("meta"):
        expected = published_tensors(name, build_part(name, spec, for_training=False))
    tensors = {key: torch.zeros(tensor.shape) for key, tensor in expected.items()}
    part = load_part(name, spec, tensors, source=f"{name}.safetensors")
    place_part(name, part, DEVICE, dtype)
    bake_weights(part)
    return part


def some_file(folder: Path) -> Path:
    """A file that stands for a video, whose frames are black."""
    path = folder / "black.mov"
    path.write_bytes(b"black")
    return path


def pin(values: Tensor) -> Tensor:
    """New fake values: a fake tensor of one number may know it, and would be sent for real."""
    return torch.empty(values.shape, dtype=values.dtype)

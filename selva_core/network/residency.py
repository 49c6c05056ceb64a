"""Which parts of a network have their weights on its device: all of them always, or each only while it is needed.

A network runs its parts one after the other: text towers, video encoder, generator, then VAE and vocoder. On a device with
little memory a part that is not running leaves it, and comes again from its file, which is mapped and so needs no memory of
its own. Models that read the same files of text towers share one copy of them.
"""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import nn

from selva_core.base.errors import WeightsMismatchError, WeightsMissingError
from selva_core.network._layers import StoredWeight

Bring = Callable[[], nn.Module]


class FileState:
    """A file of weights as it was when it was first read; what is read again must be the same."""

    def __init__(self, path: Path) -> None:
        """Raises WeightsMissingError."""
        self._path = path
        self.identity = self._read()

    def require_unchanged(self) -> None:
        """Raises WeightsMismatchError, WeightsMissingError."""
        if self._read() != self.identity:
            raise WeightsMismatchError(
                f"{self._path} was changed while a model that was loaded from it is in use, so that its stems would be of "
                "two models; load the model again",
                path=str(self._path),
            )

    def _read(self) -> tuple[str, int, int]:
        try:
            status = self._path.stat()
        except OSError as exc:
            raise WeightsMissingError(
                f"no weights file at {self._path}; fetch the model's weights first", path=str(self._path)
            ) from exc
        return str(self._path.resolve()), status.st_size, status.st_mtime_ns


class ResidentPart:
    """One copy of the weights of a part, for all networks that run it: there while any of them needs it.

    skeleton: the part without weights on the device. bring: makes the part again, on the device and ready to run.
    """

    def __init__(self, skeleton: nn.Module, bring: Bring) -> None:
        self.module = skeleton
        drop_tensors(skeleton)
        self._bring = bring
        self._is_there = False
        self._num_users = 0
        self._lock = threading.Lock()

    @classmethod
    def brought(cls, bring: Bring) -> ResidentPart:
        """A part that is there from the start: its first user does not bring it again."""
        part = cls(nn.Module(), bring)
        part.module, part._is_there = bring(), True
        return part

    def acquire(self) -> None:
        """Count one more user; brings the weights where they are not there."""
        with self._lock:
            if not self._is_there:
                _take_tensors(self.module, self._bring())
                self._is_there = True
            self._num_users += 1

    def release(self) -> None:
        """Count one user less; after the last the weights leave."""
        with self._lock:
            self._num_users -= 1
            if not self._num_users:
                self._is_there = False
                drop_tensors(self.module, for_good=False)

    def free(self) -> None:
        """Drop what stays beside the weights too, unless somebody uses the part."""
        with self._lock:
            if not self._num_users:
                drop_tensors(self.module)


class Residency:
    """The parts that one network needs on its device.

    on_demand: whether parts that are not needed leave; otherwise all of them stay until `close`.
    """

    def __init__(
        self,
        parts: Mapping[str, ResidentPart] | None = None,
        *,
        on_demand: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self._parts = dict(parts or {})
        self._device = device
        self.on_demand = on_demand
        self._held: set[str] = set()
        if not on_demand:
            self._hold(set(self._parts))

    @property
    def names(self) -> frozenset[str]:
        """The parts that are looked after here; others are always resident."""
        return frozenset(self._parts)

    def need(self, *names: str) -> None:
        """Bring these parts; on demand, the others leave first. Raises ModelError for a file that was changed."""
        if self.on_demand:
            wanted = set(names) & set(self._parts)
            changes = wanted != self._held
            self._release(self._held - wanted)
            self._hold(wanted)
            if changes and self._device is not None:
                return_freed_memory(self._device)  # making a part takes memory for a moment too

    def close(self) -> None:
        """Let every part go; what other networks need stays."""
        self._release(set(self._held))
        for part in self._parts.values():
            part.free()
        self._parts = {}

    def _hold(self, names: set[str]) -> None:
        for name in sorted(names - self._held):
            self._parts[name].acquire()
            self._held.add(name)

    def _release(self, names: set[str]) -> None:
        for name in sorted(names):
            self._held.discard(name)
            self._parts[name].release()
        if names and self._device is not None:
            return_freed_memory(self._device)


def return_freed_memory(device: torch.device) -> None:
    """Give the system back what parts and their work have freed: allocators keep it, and the next part would come on top.

    glibc keeps it because workers ask it to, for speed within a stage (`selva_daemon.jobs.worker_process`). The allocators of
    macOS and Windows give large blocks back by themselves.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "cpu" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


_shared: WeakValueDictionary[Hashable, ResidentPart] = WeakValueDictionary()
_shared_lock = threading.Lock()


def shared_part(key: Hashable, build: Callable[[], ResidentPart]) -> ResidentPart:
    """The part of that key, built unless a network has it already."""
    with _shared_lock:
        part = _shared.get(key)
        if part is None:
            part = _shared[key] = build()
        return part


def let_file_go(part: nn.Module) -> None:
    """Copy what is left of the mapped file in a part whose large weights were baked into memory.

    Those few small tensors would keep all pages of the file that baking has read in this process's memory.
    """
    if not any(isinstance(layer, StoredWeight) for layer in part.modules()):
        return
    for layer in part.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            setattr(
                layer, name, nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
            )
        for name, buffer in layer.named_buffers(recurse=False):
            if name != "baked_weight":
                setattr(layer, name, buffer.clone())


def drop_tensors(part: nn.Module, *, for_good: bool = True) -> None:
    """Drop the tensors of a part, which cannot run afterwards, also where others still hold the part.

    for_good: else what is not stored with the weights stays: small tables that are on the device however the part got there. Not
    by moving them to "meta", which fake tensors refuse: so a test can count what is left on a card.
    """
    for layer in part.modules():
        stays = set() if for_good else layer._non_persistent_buffers_set
        for held in (layer.named_parameters(recurse=False), layer.named_buffers(recurse=False)):
            for name in {name for name, _ in held} - stays:
                setattr(layer, name, None)


def _take_tensors(module: nn.Module, other: nn.Module) -> None:
    """Give a module the tensors of another of the same structure; the module itself stays, as others refer to it."""
    for mine, theirs in zip(module.modules(), other.modules(), strict=True):
        tables = {name: mine._buffers.get(name) for name in mine._non_persistent_buffers_set}
        stay = {name: table for name, table in tables.items() if table is not None}
        mine._parameters, mine._buffers = theirs._parameters, {**theirs._buffers, **stay}

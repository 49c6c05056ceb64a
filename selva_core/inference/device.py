"""Where a model runs: CUDA, MPS or the CPU, in which precision, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from selva_core.base.errors import DeviceUnavailableError, RequestError


@dataclass(frozen=True, kw_only=True)
class CudaDevice:
    """One CUDA device."""

    name: str
    free_bytes: int
    has_bfloat16: bool


@dataclass(frozen=True, kw_only=True)
class DevicesPresent:
    """The devices of this machine. why_no_cuda: a clause for messages where `cuda` is empty."""

    cuda: tuple[CudaDevice, ...] = ()
    why_no_cuda: str = "no CUDA device is visible"
    has_mps: bool = False
    mps_has_bfloat16: bool = False


@dataclass(frozen=True, kw_only=True)
class DeviceChoice:
    """The device to run on, the precision of the network's large parts there, and why, in one sentence."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def probe_devices() -> DevicesPresent:
    """Find the devices of this machine and their free memory."""
    why_no_cuda = (
        "this torch is built without CUDA" if torch.version.cuda is None else "no CUDA device is visible"
    )
    has_mps = torch.backends.mps.is_available()
    return DevicesPresent(
        cuda=tuple(_probe_cuda(index) for index in range(torch.cuda.device_count())),
        why_no_cuda=why_no_cuda,
        has_mps=has_mps,
        mps_has_bfloat16=has_mps and torch.backends.mps.is_macos_or_newer(14, 0),
    )


def choose_device(requested: str = "auto", present: DevicesPresent | None = None) -> DeviceChoice:
    """Choose among the devices `present` (default: those of this machine).

    requested: "auto" (the CUDA device with most free memory, else MPS, else the CPU), "cpu", "cuda",
    "cuda:N", "mps". Raises DeviceUnavailableError when a device named here does not exist, RequestError for any other
    text.
    """
    present = present or probe_devices()
    kind, _, index = requested.strip().lower().partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise RequestError(f'a device is "auto", "cpu", "cuda", "cuda:N" or "mps"; got {requested!r}')
    if kind == "cuda":
        return _cuda(present, int(index) if index else None, f"{requested} was asked for")
    if kind == "mps":
        if not present.has_mps:
            raise DeviceUnavailableError("mps was asked for and this machine has none; use cpu or auto")
        return _mps(present, "mps was asked for")
    if kind == "cpu":
        return _cpu("cpu was asked for")
    if present.cuda:
        return _cuda(present, None, "the CUDA device with most free memory")
    if present.has_mps:
        return _mps(present, f"Apple's GPU, as {present.why_no_cuda}")
    return _cpu(f"{present.why_no_cuda} and there is no Apple GPU")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory is full; the back ends of torch raise it as different classes."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in message or "can't allocate memory" in message
    )


def _probe_cuda(index: int) -> CudaDevice:
    free_bytes, _ = torch.cuda.mem_get_info(index)
    properties = torch.cuda.get_device_properties(index)
    return CudaDevice(name=properties.name, free_bytes=free_bytes, has_bfloat16=properties.major >= 8)


def _cuda(present: DevicesPresent, index: int | None, why: str) -> DeviceChoice:
    if not present.cuda:
        raise DeviceUnavailableError(f"cuda was asked for, but {present.why_no_cuda}; use cpu or auto")
    if index is None:
        index = max(range(len(present.cuda)), key=lambda i: present.cuda[i].free_bytes)
    if index >= len(present.cuda):
        numbers = ", ".join(f"cuda:{i}" for i in range(len(present.cuda)))
        raise DeviceUnavailableError(f"there is no cuda:{index}; this machine has {numbers}")
    card = present.cuda[index]
    dtype = torch.bfloat16 if card.has_bfloat16 else torch.float32
    name = f"{card.name}, {_precision(dtype)}"
    return DeviceChoice(
        device=torch.device("cuda", index), dtype=dtype, reason=f"cuda:{index} ({name}): {why}"
    )


def _mps(present: DevicesPresent, why: str) -> DeviceChoice:
    dtype = torch.bfloat16 if present.mps_has_bfloat16 else torch.float32
    return DeviceChoice(device=torch.device("mps"), dtype=dtype, reason=f"mps ({_precision(dtype)}): {why}")


def _cpu(why: str) -> DeviceChoice:
    return DeviceChoice(device=torch.device("cpu"), dtype=torch.float32, reason=f"cpu (float32): {why}")


def _precision(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")

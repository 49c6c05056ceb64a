"""Where a model runs: CUDA, MPS or the CPU, in which precision, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from selva_core.base.errors import DeviceUnavailableError, RequestError
from selva_core.base.render_options import PRECISIONS
from selva_core.inference.processor_rates import ProcessorRates, load_processor_rates

MIN_BFLOAT16_GAIN = 1.3
"""By how much bfloat16 must be faster on a CPU to be chosen: beside its products it costs conversions at every norm."""


@dataclass(frozen=True, kw_only=True)
class CudaDevice:
    """One CUDA device."""

    name: str
    free_bytes: int
    has_bfloat16: bool


@dataclass(frozen=True, kw_only=True)
class DevicesPresent:
    """The devices of this machine.

    why_no_cuda: a clause for messages where `cuda` is empty. processor_rates: measures the CPU, where it decides something.
    """

    cuda: tuple[CudaDevice, ...] = ()
    why_no_cuda: str = "no CUDA device is visible"
    has_mps: bool = False
    mps_has_bfloat16: bool = False
    processor_rates: Callable[[], ProcessorRates] = load_processor_rates


@dataclass(frozen=True, kw_only=True)
class DeviceChoice:
    """The device to run on, the precision of the network's large parts there, and why, in one sentence.

    key_precision: the precision, if it differs from the only one that this kind of device had before precision became a setting;
    else "". It is part of the keys of cached stems, so that the keys of earlier stems stay valid.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str
    key_precision: str = ""


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


def choose_device(
    requested: str = "auto",
    present: DevicesPresent | None = None,
    *,
    precision: str = "auto",
    measures_processor: bool = True,
) -> DeviceChoice:
    """Choose among the devices `present` (default: those of this machine), and the precision there.

    requested: "auto" (the CUDA device with most free memory, else MPS, else the CPU), "cpu", "cuda",
    "cuda:N", "mps". precision: "float32", "bfloat16" or "auto": bfloat16 on a GPU that has it, on a CPU where it is faster by
    measurement. measures_processor: false for a network too small to gain from it, which stays in float32 on a CPU.

    Raises DeviceUnavailableError when a device named here does not exist or does not have the precision, RequestError for
    any other text.
    """
    present = present or probe_devices()
    if precision not in PRECISIONS:
        raise RequestError(f"a precision is one of {', '.join(PRECISIONS)}; got {precision!r}")
    kind, _, index = requested.strip().lower().partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdigit())):
        raise RequestError(f'a device is "auto", "cpu", "cuda", "cuda:N" or "mps"; got {requested!r}')
    if kind == "cuda":
        return _cuda(present, int(index) if index else None, f"{requested} was asked for", precision)
    if kind == "mps":
        if not present.has_mps:
            raise DeviceUnavailableError("mps was asked for and this machine has none; use cpu or auto")
        return _mps(present, "mps was asked for", precision)
    rates = present.processor_rates if measures_processor else None
    if kind == "cpu":
        return _cpu("cpu was asked for", precision, rates)
    if present.cuda:
        return _cuda(present, None, "the CUDA device with most free memory", precision)
    if present.has_mps:
        return _mps(present, f"Apple's GPU, as {present.why_no_cuda}", precision)
    return _cpu(f"{present.why_no_cuda} and there is no Apple GPU", precision, rates)


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


def _cuda(present: DevicesPresent, index: int | None, why: str, precision: str) -> DeviceChoice:
    if not present.cuda:
        raise DeviceUnavailableError(f"cuda was asked for, but {present.why_no_cuda}; use cpu or auto")
    if index is None:
        index = max(range(len(present.cuda)), key=lambda i: present.cuda[i].free_bytes)
    if index >= len(present.cuda):
        numbers = ", ".join(f"cuda:{i}" for i in range(len(present.cuda)))
        raise DeviceUnavailableError(f"there is no cuda:{index}; this machine has {numbers}")
    card = present.cuda[index]
    dtype = _gpu_dtype(precision, has_bfloat16=card.has_bfloat16, name=card.name)
    return DeviceChoice(
        device=torch.device("cuda", index),
        dtype=dtype,
        reason=f"cuda:{index} ({card.name}, {_describe(dtype, precision)}): {why}",
        key_precision="float32" if card.has_bfloat16 and dtype == torch.float32 else "",
    )


def _mps(present: DevicesPresent, why: str, precision: str) -> DeviceChoice:
    dtype = _gpu_dtype(precision, has_bfloat16=present.mps_has_bfloat16, name="this Apple GPU")
    return DeviceChoice(
        device=torch.device("mps"),
        dtype=dtype,
        reason=f"mps ({_describe(dtype, precision)}): {why}",
        key_precision="float32" if present.mps_has_bfloat16 and dtype == torch.float32 else "",
    )


def _gpu_dtype(precision: str, *, has_bfloat16: bool, name: str) -> torch.dtype:
    if precision == "bfloat16" and not has_bfloat16:
        raise DeviceUnavailableError(f"{name} has no bfloat16; use the precision float32 or auto")
    return torch.bfloat16 if has_bfloat16 and precision != "float32" else torch.float32


def _cpu(why: str, precision: str, rates: Callable[[], ProcessorRates] | None) -> DeviceChoice:
    dtype, note = torch.float32, ""
    if precision != "auto":
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    elif rates is not None:
        gain = rates().bfloat16_gain
        dtype = torch.bfloat16 if gain >= MIN_BFLOAT16_GAIN else torch.float32
        note = f"; bfloat16 is {gain:.1f} times as fast as float32 on this processor"
    return DeviceChoice(
        device=torch.device("cpu"),
        dtype=dtype,
        reason=f"cpu ({_describe(dtype, precision)}): {why}{note}",
        key_precision="bfloat16" if dtype == torch.bfloat16 else "",
    )


def _describe(dtype: torch.dtype, precision: str) -> str:
    name = str(dtype).removeprefix("torch.")
    return name if precision == "auto" else f"{name} as asked for"

"""Which build of torch this machine is given, and why.

torch is published once for processors and once for each kind of GPU; the ones with CUDA need some 6 GB of disk, the one without
about 1.5. uv knows where each lies (`--torch-backend`); pip takes the one that the package index serves.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from environment import SetupError
from foundation.machine import Machine

KINDS = ("auto", "cpu", "cuda", "rocm", "xpu", "mps", "index")
_BUILD = re.compile(r"cpu|cu\d{2,3}|rocm\d+(\.\d+)*|xpu")
GB = 10**9
DISK_BYTES = {"small": 3 * GB, "large": 8 * GB}
"""Room for the environment and for downloads beside it."""

# NVIDIA's "CUDA Toolkit and Minimum Driver Versions": any 12.x runs on the first driver of 12, any 13.x on that of 13.
_OLDEST_DRIVER = {"linux": (525, 60, 13), "win32": (528, 33)}
_DRIVER_OF_CUDA_13 = (580,)
_TURING = (7, 5)
"""Builds with CUDA 12.8 and later have no code for cards before this one; the one with 12.6 has."""


class TorchBuild(NamedTuple):
    """name: as uv's `--torch-backend` calls it, or `index`: whatever the package index serves. reason: a sentence."""

    name: str
    reason: str

    def is_large(self, platform: str) -> bool:
        """Whether it comes with the libraries of a GPU; on Linux the index serves one with CUDA."""
        if self.name == "index":
            return platform.startswith("linux")
        return self.name not in ("cpu", "mps")


def choose_torch(wanted: str, machine: Machine) -> TorchBuild:
    """wanted: one of KINDS, or the name of a build such as cu128. Raises SetupError for what this machine cannot use."""
    if wanted == "index":
        return TorchBuild("index", "the build that the package index serves, as you asked")
    if _BUILD.fullmatch(wanted) and wanted not in KINDS:
        return TorchBuild(wanted, "as you asked")
    if machine.is_mac:
        return _choose_for_mac(wanted, machine)
    if wanted == "auto":
        return _choose_automatically(machine)
    return _choose_kind(wanted, machine)


def _choose_for_mac(wanted: str, machine: Machine) -> TorchBuild:
    if machine.architecture not in ("arm64", "aarch64"):
        raise SetupError(
            "this Mac has an Intel processor, and torch has no builds for those since version 2.3 (2.6 is needed). Run the "
            "daemon on another machine and use it from here: docs/how-to/another-machine.md"
        )
    if wanted not in ("auto", "mps", "cpu"):
        raise SetupError(f"a Mac has no {wanted}; use --torch auto, mps or cpu")
    return TorchBuild("index", "the one build for Macs, which uses the GPU by MPS")


def _choose_automatically(machine: Machine) -> TorchBuild:
    driver = _nvidia(machine)
    if driver is not None:
        build = _cuda_build(driver, machine)
        if build is not None:
            return build
        text = ".".join(map(str, driver.version))
        return TorchBuild(
            "cpu", f"the NVIDIA driver {text} is too old for CUDA 12; update it and use --upgrade"
        )
    if _has_amd(machine):
        return TorchBuild("auto", "an AMD GPU with ROCm was found; uv picks the build for it")
    if _has_intel_gpu(machine):
        return TorchBuild("cpu", "an Intel GPU was found, which Selva does not use yet")
    return TorchBuild("cpu", "no GPU that torch uses was found")


def _choose_kind(wanted: str, machine: Machine) -> TorchBuild:
    if wanted == "cpu":
        return TorchBuild("cpu", "as you asked")
    if wanted == "cuda":
        driver = _nvidia(machine)
        build = _cuda_build(driver, machine) if driver else None
        if build is None:
            found = f"driver {'.'.join(map(str, driver.version))}" if driver else "no nvidia-smi that answers"
            raise SetupError(
                f"no NVIDIA GPU with a driver for CUDA 12 was found ({found}); install NVIDIA's driver, or name a build "
                "yourself, such as: --torch cu128"
            )
        return build
    if wanted == "rocm":
        if not _has_amd(machine):
            raise SetupError(
                "no AMD GPU with ROCm was found; name a build yourself, such as: --torch rocm7.1"
            )
        return TorchBuild("auto", "an AMD GPU with ROCm, as you asked; uv picks the build for it")
    if wanted == "xpu":
        return TorchBuild("xpu", "as you asked; Selva itself renders on the processor beside it, for now")
    if wanted == "mps":
        raise SetupError("MPS is the GPU of a Mac; use --torch auto here")
    raise SetupError(f"--torch is one of {', '.join(KINDS)}, or a build such as cu128; got {wanted!r}")


class Driver(NamedTuple):
    """Its version, and the lowest compute capability of the cards; drivers before 510 do not say the latter."""

    version: tuple[int, ...]
    capability: tuple[int, int] | None


def _nvidia(machine: Machine) -> Driver | None:
    programs = ["nvidia-smi"]
    if machine.is_windows:  # installed there by drivers, and not always on the PATH
        programs.append(machine.environment.get("SYSTEMROOT", "C:\\Windows") + "\\System32\\nvidia-smi.exe")
    for program in programs:
        for fields in ("driver_version,compute_cap", "driver_version"):
            lines = machine.ask([program, f"--query-gpu={fields}", "--format=csv,noheader"])
            cards = [_parse_card(line) for line in (lines or "").splitlines()]
            found = [card for card in cards if card is not None]
            if found:
                capabilities = [card.capability for card in found if card.capability]
                return Driver(found[0].version, min(capabilities) if capabilities else None)
    return None


def _parse_card(line: str) -> Driver | None:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)+)\s*(?:,\s*(\d+)\.(\d+)\s*)?", line)
    if match is None:
        return None
    version = tuple(int(part) for part in match[1].split("."))
    return Driver(version, (int(match[2]), int(match[3])) if match[2] else None)


def _cuda_build(driver: Driver, machine: Machine) -> TorchBuild | None:
    version, capability = driver
    text = ".".join(map(str, version))
    if version < _OLDEST_DRIVER["win32" if machine.is_windows else "linux"]:
        return None
    if capability is not None and capability < _TURING:
        shown = ".".join(map(str, capability))
        return TorchBuild(
            "cu126", f"NVIDIA driver {text}, and a card of compute capability {shown}, before Turing"
        )
    if version >= _DRIVER_OF_CUDA_13:
        return TorchBuild("cu130", f"NVIDIA driver {text} runs CUDA 13")
    return TorchBuild("cu128", f"NVIDIA driver {text} runs CUDA 12")


def _has_amd(machine: Machine) -> bool:
    """ROCm's own device, which the kernel's driver makes; there are no builds with ROCm for Windows on the index."""
    return machine.platform.startswith("linux") and machine.has_path("/dev/kfd")


def _has_intel_gpu(machine: Machine) -> bool:
    return machine.platform.startswith("linux") and machine.has_path("/sys/module/xe")


def list_builds() -> list[str]:
    """What `--torch` takes, for its help."""
    return [*KINDS, "cu128", "rocm7.1"]

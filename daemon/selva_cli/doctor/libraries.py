"""Torch and the media libraries. Each is loaded in a process of its own, so that a crash is reported like any other fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from selva_cli.doctor.finding import Finding, ProgramOutput, System, run_module
from selva_cli.doctor.model_memory import estimate_model_memory
from selva_core.base.command_line import pip_install_command, reinstall_command, selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import load_settings

LIMIT_S = 60.0
_GIB = 1 << 30
_ENOUGH_MEMORY = 4 * _GIB


def check_torch(system: System) -> Iterator[Finding]:
    """Whether torch loads, on which device it would calculate, and how fast: one second of matrix products."""
    try:
        requested = load_settings(system.paths.settings_file, environment=system.environment).device
    except ConfigurationError:
        requested = "auto"  # the check of the settings says what is wrong with them
    answer = system.run(run_module("selva_core.inference.device_probe", requested), LIMIT_S)
    found = read_answer(answer)
    if found is None or "error" in found:
        yield Finding(
            title="torch",
            text=f"It cannot be used: {describe_failure(answer, found)}",
            level="fault",
            remedy=reinstall_command(),
        )
        return
    title = f"torch {found['torch']}"
    yield Finding(title=title, text=f"built for {found['built_for']}")
    yield _describe_device(system, found)


def _describe_device(system: System, found: dict[str, Any]) -> Finding:
    text = f"{found['reason']}; {found['gigaflops']:g} GFLOP/s"
    if found["device"] == "cpu" and system.which("nvidia-smi") and found["built_for"] == "cpu":
        return Finding(
            title="Device",
            text=f"{text}. There is an NVIDIA card, and this torch is built without CUDA: a GPU is many times as fast",
            level="warning",
            remedy=pip_install_command("--force-reinstall", "torch"),
        )
    if found["device"] == "cpu":
        return Finding(title="Device", text=text)
    return _describe_card(system, text, found)


def _describe_card(system: System, text: str, found: dict[str, Any]) -> Finding:
    """A card, and whether the model that renders finds room on it."""
    on_cuda = found["device"].startswith("cuda")
    needed = estimate_model_memory(system, has_bfloat16=bool(found.get("has_bfloat16")), on_cuda=on_cuda)
    if needed is not None:
        text += f"; {needed.describe()}"
    free_bytes = found.get("free_bytes")
    if free_bytes is None:
        return Finding(title="Device", text=text)
    text += f"; {free_bytes / 1e9:.1f} GB are free"
    if free_bytes < (_ENOUGH_MEMORY if needed is None else needed.low_bytes):
        return Finding(
            title="Device",
            text=f"{text}, which is too little; close what else uses the card, or choose a smaller model",
            level="warning",
            remedy="nvidia-smi",
        )
    return Finding(title="Device", text=text)


def check_memory(system: System) -> Iterator[Finding]:
    """Memory of the machine, and what the model that renders takes of it on a CPU."""
    import psutil  # noqa: PLC0415

    memory = psutil.virtual_memory()
    text = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB are free"
    needed = estimate_model_memory(system)
    if needed is not None:
        text += f"; on a CPU {needed.describe()}"
    if memory.available < _GIB:
        text += ". Close other programs, or free Selva's own model"
        yield Finding(title="Memory", text=text, level="warning", remedy=selva_command("daemon", "yield"))
    else:
        yield Finding(title="Memory", text=text)


def check_media(system: System) -> Iterator[Finding]:
    """Whether the media libraries load, and what FFmpeg can decode."""
    answer = system.run(run_module("selva_core.video.library_probe"), LIMIT_S)
    found = read_answer(answer)
    title = "Media libraries"
    if found is None or found["errors"]:
        errors = [f"{name}: {error}" for name, error in (found or {"errors": {}})["errors"].items()]
        text = f"Not usable: {'; '.join(errors) or describe_failure(answer, None)}"
        yield Finding(title=title, text=text, level="fault", remedy=reinstall_command())
        return
    yield Finding(
        title=title, text=", ".join(f"{name} {version}" for name, version in found["versions"].items())
    )
    missing = found["missing_decoders"]
    if missing:
        text = f"Missing in this FFmpeg: {', '.join(missing)}; pictures of that kind cannot be read"
        yield Finding(
            title="Codecs", text=text, level="warning", remedy=pip_install_command("--force-reinstall", "av")
        )
    else:
        yield Finding(title="Codecs", text="H.264, HEVC, ProRes, DNxHD and image sequences can be read")


def read_answer(answer: ProgramOutput) -> dict[str, Any] | None:
    """The JSON object that a probe printed last; None where it printed none."""
    try:
        found = json.loads(answer.stdout.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def describe_failure(answer: ProgramOutput, found: dict[str, Any] | None) -> str:
    """Why a probe gave no answer, in one line."""
    if found is not None and "error" in found:
        return str(found["error"]).strip().splitlines()[0]
    last = answer.stderr.strip().rpartition("\n")[2]
    if answer.status is None:
        return last or "it did not answer in time"
    return f"its process ended with status {answer.status}{f' ({last})' if last else ''}"

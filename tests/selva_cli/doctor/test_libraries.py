"""Torch and media libraries, which programs of their own load."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from selva_cli.doctor.finding import Finding, ProgramOutput, System, run_module, run_program
from selva_cli.doctor.libraries import check_media, check_memory, check_torch
from selva_core.base.command_line import reinstall_command
from tests.selva_cli.doctor.systems import build_system, levels

TORCH = {
    "torch": "2.9",
    "built_for": "cpu",
    "device": "cpu",
    "reason": "cpu (float32): no card",
    "gigaflops": 30.0,
    "threads": 2,
    "free_bytes": None,
}


def printed(value: dict[str, Any]) -> ProgramOutput:
    return ProgramOutput(status=0, stdout=f"a warning of a library\n{json.dumps(value)}\n")


def test_torch_and_device_are_lines(tmp_path: Path) -> None:
    found = levels(check_torch(build_system(tmp_path, output=printed(TORCH))))
    assert found == {"torch 2.9": "ok", "Device": "ok"}


@pytest.mark.parametrize(
    ("changes", "text", "remedy"),
    [
        ({}, "built without CUDA", "pip install --force-reinstall torch"),
        ({"device": "cuda:0", "built_for": "13.0", "free_bytes": 10**8}, "0.1 GB are free, which is too little", "nvidia-smi"),
    ],
)  # fmt: skip
def test_a_card_that_is_not_used_or_is_full_is_a_warning(
    changes: dict[str, Any], text: str, remedy: str, tmp_path: Path
) -> None:
    system = build_system(
        tmp_path, output=printed({**TORCH, **changes}), which=lambda name: f"/usr/bin/{name}"
    )
    _, device = check_torch(system)
    assert device.level == "warning"
    assert text in device.text
    assert device.remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (printed({"error": "OSError: libcudart.so.13: cannot open\nmore"}), "OSError: libcudart.so.13: cannot open"),
        (ProgramOutput(status=-11, stderr="Fatal\nSegmentation fault"), "status -11 (Segmentation fault)"),
        (ProgramOutput(status=None, stderr="timed out after 60 seconds"), "timed out"),
    ],
)  # fmt: skip
def test_a_torch_that_does_not_load_is_a_line_with_the_command_that_installs(
    output: ProgramOutput, text: str, tmp_path: Path
) -> None:
    (line,) = check_torch(build_system(tmp_path, output=output))
    assert line.level == "fault"
    assert text in line.text
    assert "pip install" in line.remedy


@pytest.mark.parametrize(
    ("library", "check"),
    [("torch", check_torch), ("av", check_media), ("soundfile", check_media)],
)
def test_a_library_in_the_installation_that_does_not_load_is_a_line_with_the_command_that_mends_it(
    library: str, check: Callable[[System], Iterable[Finding]], tmp_path: Path
) -> None:
    """The real probe, in a process that finds a broken package of that name first."""
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text("raise RuntimeError('built for another version')")

    def run(command: Sequence[str], limit_s: float) -> ProgramOutput:
        return run_program(command, limit_s, {"PYTHONPATH": str(tmp_path)})

    (line,) = check(build_system(tmp_path, run=run))
    assert line.level == "fault"
    assert "RuntimeError: built for another version" in line.text
    assert line.remedy == reinstall_command()


def test_a_broken_library_that_nothing_renders_with_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "transformers").mkdir()
    (tmp_path / "transformers" / "__init__.py").write_text("raise RuntimeError('built for another version')")

    def run(command: Sequence[str], limit_s: float) -> ProgramOutput:
        return run_program(command, limit_s, {"PYTHONPATH": str(tmp_path)})

    found = levels(check_torch(build_system(tmp_path, run=run)))
    assert found["Device"] == "ok"


def test_media_libraries_and_codecs_of_this_machine_are_found(tmp_path: Path) -> None:
    """The real probe, in a process of its own."""
    found = list(check_media(build_system(tmp_path, run=run_program)))
    assert levels(found) == {"Media libraries": "ok", "Codecs": "ok"}
    assert "av " in found[0].text


def test_media_libraries_that_do_not_load_and_codecs_that_lack_are_named(tmp_path: Path) -> None:
    broken = {"versions": {}, "errors": {"av": "ImportError: no libav"}, "missing_decoders": []}
    (line,) = check_media(build_system(tmp_path, output=printed(broken)))
    assert (line.level, "av: ImportError: no libav" in line.text) == ("fault", True)
    poor = {"versions": {"av": "17"}, "errors": {}, "missing_decoders": ["hevc"]}
    _, codecs = check_media(build_system(tmp_path, output=printed(poor)))
    assert (codecs.level, "hevc" in codecs.text) == ("warning", True)


def test_memory_is_a_line_with_what_the_model_takes_of_it(tmp_path: Path) -> None:
    (line,) = check_memory(build_system(tmp_path))
    assert "GiB are free; on a CPU selva-nano takes about " in line.text


@pytest.mark.parametrize(("free_gb", "level"), [(3.0, "warning"), (4.0, "ok")])
def test_a_card_is_held_against_the_model_of_the_settings(free_gb: float, level: str, tmp_path: Path) -> None:
    card = {
        **TORCH,
        "device": "cuda:0",
        "built_for": "13.0",
        "has_bfloat16": True,
        "free_bytes": int(free_gb * 1e9),
    }
    system = build_system(tmp_path, output=printed(card), environment={"SELVA_MODEL": "selva-large-44k"})
    _, device = check_torch(system)
    assert device.level == level
    assert (
        "; selva-large-44k takes about 7.2 GB of it, or 3.5 GB with the setting memory low; "
        f"{free_gb:.1f} GB are free"
    ) in device.text


def test_settings_that_cannot_be_read_leave_the_memory_alone(tmp_path: Path) -> None:
    (line,) = check_memory(build_system(tmp_path, environment={"SELVA_MEMORY": "little"}))
    assert line.text.endswith("GiB are free")


def test_a_program_that_does_not_end_or_is_not_there_has_no_status() -> None:
    assert run_program((sys.executable, "-c", "import time; time.sleep(60)"), 0.2).status is None
    assert run_program(("/nonesuch/program",), 5).status is None
    assert run_program(run_module("json.tool", "--help"), 60).status == 0

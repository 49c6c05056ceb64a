"""The network gives the numbers that the published implementation recorded; see `bench/parity.py`.

The quick run takes what is cheap of each kind of stage; the slow run takes all of it.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "data" / "parity" / "golden"
COMMAND = ROOT / "bench" / "parity.py"

# Stage, and how many of its checks the quick run takes.
QUICK = [
    ("constants", 1),
    ("flan_t5", 1),
    ("video_encoder", 3),
    ("generator_small_16k", 2),
    ("vae_16k", 4),
    ("vocoder_16k", 1),
]
ONLY_SLOW = ["clip_text", "generator_small_44k", "generator_small_44k_v2", "vae_44k", "vocoder_44k"]


@pytest.fixture(scope="module")
def parity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity", COMMAND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def check_stage(parity: ModuleType, stage: str, num_checks: int | None) -> None:
    bench = parity.Bench(golden_dir=GOLDEN, salt="", device=torch.device("cpu"), dtype=torch.float32)
    with torch.inference_mode():
        checks: list[Any] = list(islice(parity.STAGES[stage](bench), num_checks))
    assert checks
    assert {check.name: check.error for check in checks if not check.is_ok} == {}


@pytest.mark.parametrize(("stage", "num_checks"), QUICK)
def test_stage_gives_the_recorded_numbers(parity: ModuleType, stage: str, num_checks: int) -> None:
    check_stage(parity, stage, num_checks)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [*ONLY_SLOW, "generator_small_16k"])
def test_large_stage_gives_the_recorded_numbers(parity: ModuleType, stage: str) -> None:
    check_stage(parity, stage, None)


def test_every_stage_is_checked_somewhere(parity: ModuleType) -> None:
    # The pictures of video_frames are recorded at full size, too large to keep here.
    assert {stage for stage, _ in QUICK} | set(ONLY_SLOW) | {"video_frames"} == set(parity.STAGES)


def test_salt_is_prefixed_to_every_name(parity: ModuleType) -> None:
    plain = parity.tensor_for("salted:name", (3, 4), "")
    assert torch.equal(parity.tensor_for("name", (3, 4), "salted:"), plain)
    assert not torch.equal(parity.tensor_for("name", (3, 4), ""), plain)
    bench = parity.Bench(golden_dir=GOLDEN, salt="s", device=torch.device("cpu"), dtype=torch.float32)
    torch.testing.assert_close(bench.noise("x", (3, 4)), parity.tensor_for("sinput:x", (3, 4), "") * 2)


def test_errors_are_relative_to_the_largest_number(parity: ModuleType) -> None:
    expected = torch.tensor([1.0, -200.0])
    assert parity.relative_error(expected + torch.tensor([0.1, 0.0]), expected) == pytest.approx(0.0005)
    assert parity.relative_error(expected[:1], expected) == float("inf")
    assert parity.relative_error(torch.tensor([1.0, float("nan")]), expected) == float("inf")


def run_command(golden: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(COMMAND), "--golden", str(golden), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_command_prints_a_line_per_stage_and_succeeds() -> None:
    done = run_command(GOLDEN, "--stages", "constants")
    name, error, verdict = done.stdout.split()
    assert (name, verdict, done.returncode) == ("constants.anti_alias_filter", "ok", 0)
    assert float(error) < 1e-3


def test_the_command_fails_where_a_number_or_a_file_is_wrong(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    shutil.copytree(GOLDEN, golden)
    constants = load_file(golden / "constants.safetensors")
    constants["bigvgan:anti_alias_filter"][0, 0, 3] += 0.01
    save_file(constants, golden / "constants.safetensors")
    (golden / "flan_t5.safetensors").unlink()
    done = run_command(golden, "--stages", "flan_t5", "constants")
    assert [line.split()[::2] for line in done.stdout.splitlines()] == [
        ["flan_t5", "FAILED"],
        ["constants.anti_alias_filter", "FAILED"],
    ]
    assert "flan_t5.safetensors" in done.stderr
    assert done.returncode == 1

"""Which build of torch a machine is given, by what its drivers say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.installer.scripts import load_script, load_step_module

load_script("environment")  # puts the folder of the installer on the path
torch_build = load_step_module("foundation.torch_build")
Machine = load_step_module("foundation.machine").Machine
SetupError = torch_build.SetupError


def machine(platform: str = "linux", *, cards: str | None = None, old: str | None = None, paths: Sequence[str] = (),
            architecture: str = "x86_64") -> Any:  # fmt: skip
    """cards: what nvidia-smi prints; old: what one prints that knows no compute capability."""

    def ask(arguments: Sequence[str]) -> str | None:
        return cards if "compute_cap" in arguments[1] else old

    return Machine(
        platform=platform,
        architecture=architecture,
        environment={},
        home=Path("/home/ed"),
        is_root=False,
        user_id=1000,
        ask=ask,
        has_path=lambda path: path in paths,
    )


@pytest.mark.parametrize(
    ("platform", "cards", "name", "reason"),
    [
        ("linux", "580.65.06, 9.0\n", "cu130", "runs CUDA 13"),
        ("linux", "550.54.14, 8.9\n", "cu128", "runs CUDA 12"),
        ("linux", "535.183.01, 6.1\n", "cu126", "before Turing"),
        ("linux", "580.65.06, 9.0\n580.65.06, 7.0\n", "cu126", "before Turing"),
        ("linux", "470.82.01, 7.5\n", "cpu", "too old"),
        ("win32", "528.02, 8.6\n", "cpu", "too old"),
        ("win32", "528.33, 8.6\n", "cu128", "runs CUDA 12"),
        ("linux", "NVIDIA-SMI has failed because it couldn't communicate\n", "cpu", "no GPU"),
    ],
)
def test_the_driver_decides_on_the_build_with_cuda(platform: str, cards: str, name: str, reason: str) -> None:
    build = torch_build.choose_torch("auto", machine(platform, cards=cards))
    assert build.name == name
    assert reason in build.reason


def test_a_driver_that_knows_no_compute_capability_is_asked_again() -> None:
    assert torch_build.choose_torch("auto", machine(old="525.60.13\n")).name == "cu128"


@pytest.mark.parametrize(
    ("paths", "name", "reason"),
    [
        (["/dev/kfd"], "auto", "AMD"),
        (["/sys/module/xe"], "cpu", "Intel GPU was found, which Selva does not use yet"),
        ([], "cpu", "no GPU that torch uses"),
    ],
)
def test_without_nvidia_the_kernel_says_what_there_is(paths: list[str], name: str, reason: str) -> None:
    build = torch_build.choose_torch("auto", machine(paths=paths))
    assert (build.name, reason in build.reason) == (name, True)


def test_a_mac_with_its_own_processor_gets_its_one_build_and_one_with_intel_is_refused() -> None:
    assert torch_build.choose_torch("auto", machine("darwin", architecture="arm64")).name == "index"
    with pytest.raises(SetupError, match="no builds for those since"):
        torch_build.choose_torch("auto", machine("darwin"))
    with pytest.raises(SetupError, match="a Mac has no cuda"):
        torch_build.choose_torch("cuda", machine("darwin", architecture="arm64"))


@pytest.mark.parametrize("wanted", ["cuda", "rocm", "mps"])
def test_a_gpu_that_is_asked_for_and_not_there_is_refused(wanted: str) -> None:
    with pytest.raises(SetupError):
        torch_build.choose_torch(wanted, machine())


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("cpu", "cpu"), ("xpu", "xpu"), ("cu126", "cu126"), ("rocm7.1", "rocm7.1"), ("index", "index")],
)
def test_what_is_named_is_taken(wanted: str, name: str) -> None:
    assert torch_build.choose_torch(wanted, machine(cards="580.65.06, 9.0\n")).name == name


def test_a_gpu_that_is_there_is_taken_when_it_is_asked_for() -> None:
    assert torch_build.choose_torch("cuda", machine(cards="580.65.06, 9.0\n")).name == "cu130"
    assert torch_build.choose_torch("rocm", machine(paths=["/dev/kfd"])).name == "auto"


def test_a_build_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SetupError, match="--torch is one of auto, cpu"):
        torch_build.choose_torch("gpu", machine())


def test_the_index_serves_a_large_build_on_linux_only() -> None:
    build = torch_build.TorchBuild("index", "")
    assert build.is_large("linux")
    assert not build.is_large("win32")
    assert torch_build.TorchBuild("cu128", "").is_large("win32")
    assert not torch_build.TorchBuild("cpu", "").is_large("linux")

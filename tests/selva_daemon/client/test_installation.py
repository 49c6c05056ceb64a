"""Whether libraries load: found out once for each installation, in a process of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client import installation
from selva_daemon.client.installation import FILE_NAME, describe_installation, find_broken_library, run_probe


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    return AppPaths(state=tmp_path / "state", cache=tmp_path / "cache", config=tmp_path / "config")


def answer_with(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[str | None]:
    """Have probes answer so, one after the other; gives the answers that no probe was asked for yet."""
    left = list(answers)
    monkeypatch.setattr(installation, "run_probe", lambda: left.pop(0))
    return left


def test_libraries_that_load_are_loaded_once(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    left = answer_with(monkeypatch, "", "never reached")
    assert find_broken_library(paths) is None
    assert find_broken_library(paths) is None
    assert left == ["never reached"]


def test_libraries_that_do_not_load_are_tried_again_each_time(
    paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair need not change their metadata: a library of the system may have been missing."""
    answer_with(monkeypatch, "torch does not load", "torch does not load", "")
    assert find_broken_library(paths) == "torch does not load"
    assert find_broken_library(paths) == "torch does not load"
    assert find_broken_library(paths) is None


def test_another_installation_is_looked_at_anew(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    left = answer_with(monkeypatch, "", "broken")
    assert find_broken_library(paths) is None
    monkeypatch.setattr(installation, "describe_installation", lambda: "torch 3.0")
    assert find_broken_library(paths) == "broken"
    assert left == []


def test_a_probe_that_does_not_end_says_nothing_and_is_not_believed(
    paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, None, "broken")
    assert find_broken_library(paths) is None
    assert find_broken_library(paths) == "broken"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"loads": 3}'])
def test_a_note_that_cannot_be_read_is_none(
    paths: AppPaths, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    paths.cache.mkdir()
    (paths.cache / FILE_NAME).write_text(content)
    answer_with(monkeypatch, "broken")
    assert find_broken_library(paths) == "broken"


def test_the_description_names_versions() -> None:
    assert any(line.startswith("torch 2") for line in describe_installation().splitlines())


@pytest.fixture
def broken_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which another torch is found first, which does not load."""
    package = tmp_path / "broken" / "torch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')\n")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")]),
    }


def test_a_torch_that_does_not_load_is_named_with_the_remedy(broken_torch: dict[str, str]) -> None:
    problem = run_probe(broken_torch)
    assert problem is not None
    assert "libcudart.so.13: cannot open shared object file" in problem
    assert "Install Selva Bridge again: " in problem
    assert run_probe() == ""


def test_a_library_that_ends_its_process_is_reported(broken_torch: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken" / "torch" / "__init__.py").write_text("import os\nos._exit(11)\n")
    problem = run_probe(broken_torch)
    assert problem is not None
    assert "ended with status 11" in problem
    assert json.dumps(problem)  # goes to `status.json` of hosts

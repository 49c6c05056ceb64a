"""Commands that are printed as advice."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from selva_core.base.command_line import pip_install_command, quote_command, reinstall_command, selva_command


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A folder of scripts, whose path has a blank, with a `selva` that can be run."""
    scripts = tmp_path / "my tools" / "bin"
    scripts.mkdir(parents=True)
    for name in ("selva", "python3"):
        (scripts / name).write_text("#!/bin/sh\n")
        (scripts / name).chmod(0o755)
    return scripts


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are found by their mode on POSIX")
def test_the_plain_name_is_enough_where_the_shell_finds_this_installation(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = str(installation / "python3")
    monkeypatch.setenv("PATH", str(installation))
    assert selva_command("daemon", "start", python=python) == "selva daemon start"
    links = tmp_path / "links"
    links.mkdir()
    (links / "selva").symlink_to(installation / "selva")
    monkeypatch.setenv("PATH", str(links))
    assert selva_command("daemon", "start", python=python) == "selva daemon start"


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are found by their mode on POSIX")
def test_elsewhere_the_command_has_the_path_of_the_script_in_quotes(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "selva").write_text("#!/bin/sh\n")
    (other / "selva").chmod(0o755)
    for path in ("", str(other)):  # none, and that of another installation
        monkeypatch.setenv("PATH", path)
        command = selva_command("models", "pull", "selva-nano", python=str(installation / "python3"))
        assert shlex.split(command) == [str(installation / "selva"), "models", "pull", "selva-nano"]


def test_without_a_script_the_module_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    python = str(tmp_path / "python3")
    assert selva_command("jobs", "list", python=python) == quote_command(
        python, "-m", "selva_cli", "jobs", "list"
    )


def test_packages_are_installed_for_the_interpreter_that_runs(tmp_path: Path) -> None:
    python = str(tmp_path / "python3")
    assert pip_install_command("selva-bridge[plot]", python=python, platform="linux") == (
        f"{python} -m pip install 'selva-bridge[plot]'"
    )


def test_the_package_is_installed_again_from_its_source() -> None:
    *_, source = shlex.split(reinstall_command())
    assert (Path(source) / "pyproject.toml").is_file()


def test_windows_gets_double_quotes_where_they_are_needed() -> None:
    command = quote_command("C:\\Program Files\\Selva\\selva.exe", "stems", "a b.mov", platform="win32")
    assert command == '"C:\\Program Files\\Selva\\selva.exe" stems "a b.mov"'
    assert quote_command("C:\\Selva\\selva.exe", "jobs", platform="win32") == "C:\\Selva\\selva.exe jobs"

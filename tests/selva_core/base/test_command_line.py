"""Commands that are printed as advice."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from selva_core.base.command_line import (
    _reinstall_installed,
    pip_install_command,
    quote_command,
    reinstall_command,
    selva_command,
)


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


REQUIREMENTS = (
    "av>=14",
    "torch>=2.6,<3",
    "tokenizers>=0.21",
    "typer>=0.15",
    'torchaudio>=2.6; extra == "train"',
)


def test_without_a_source_it_is_the_file_that_pip_remembers(tmp_path: Path) -> None:
    wheel = tmp_path / "selva bridge.whl"
    wheel.touch()
    direct_url = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    assert shlex.split(_reinstall_installed(direct_url, REQUIREMENTS))[-2:] == [
        "--force-reinstall",
        str(wheel),
    ]
    address = json.dumps({"url": "https://host.example/selva.whl", "archive_info": {}})
    assert shlex.split(_reinstall_installed(address, ()))[-1] == "https://host.example/selva.whl"


@pytest.mark.parametrize("is_known", [False, True])
def test_without_the_file_it_is_the_libraries_that_models_run_on(tmp_path: Path, is_known: bool) -> None:
    """No made-up file name: the command works as it is printed."""
    direct_url = json.dumps({"url": (tmp_path / "gone.whl").as_uri()}) if is_known else None
    parts = shlex.split(_reinstall_installed(direct_url, REQUIREMENTS))
    assert parts[2:] == [
        *("pip", "install", "--upgrade", "--force-reinstall"),
        *("av>=14", "torch>=2.6,<3", "tokenizers>=0.21"),
    ]


def test_a_program_in_quotes_is_run_by_both_shells_of_windows() -> None:
    """PowerShell prints a quoted first word instead of running it, and the command prompt knows no `&`."""
    program = "C:\\Program Files\\Selva\\selva.exe"
    command = quote_command(program, "stems", "a b.mov", platform="win32")
    assert command == f'cmd /c call "{program}" stems "a b.mov"'
    assert quote_command("C:\\Selva\\selva.exe", "jobs", platform="win32") == "C:\\Selva\\selva.exe jobs"


@pytest.mark.parametrize("word", ["a,b", "@list", "x;y", "50%", "torch>=2", "a&b", "(x)"])
def test_what_one_of_the_shells_of_windows_would_read_otherwise_is_quoted(word: str) -> None:
    assert quote_command("selva", word, platform="win32") == f'selva "{word}"'

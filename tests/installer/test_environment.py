"""The installer's decisions, on all three systems' rules; what pip does is shown by every run of the suite."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.installer.scripts import load_script

environment = load_script("environment")


def test_venv_interpreter_lies_where_each_system_puts_it() -> None:
    assert environment.venv_python(Path("v"), os_name="posix") == Path("v/bin/python")
    assert environment.venv_python(Path("v"), os_name="nt") == Path("v/Scripts/python.exe")


@pytest.mark.parametrize(
    ("system", "has_nvidia", "needed"),
    [("Windows", True, True), ("Windows", False, False), ("Linux", True, False), ("Darwin", False, False)],
)
def test_only_windows_with_an_nvidia_card_needs_another_index(
    system: str, has_nvidia: bool, needed: bool
) -> None:
    assert environment.cuda_wheels_needed(system=system, has_nvidia=has_nvidia) is needed


def test_running_python_is_taken_when_it_is_new_enough() -> None:
    assert environment.find_base_python() == sys.executable


def test_an_old_python_looks_for_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 6))
    monkeypatch.setattr(
        environment.shutil, "which", lambda name: "/opt/python3.12" if name == "python3.12" else None
    )
    assert environment.find_base_python() == "/opt/python3.12"


def test_a_python_without_wheels_looks_for_one_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 14, 1))
    monkeypatch.setattr(
        environment.shutil, "which", lambda name: "/opt/python3.13" if name == "python3.13" else None
    )
    assert environment.find_base_python() == "/opt/python3.13"


def test_a_python_without_wheels_is_taken_when_it_is_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 14, 1))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    assert environment.find_base_python() == sys.executable
    assert "later than any" in capsys.readouterr().out


def test_an_old_python_without_a_newer_one_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment.sys, "version_info", (3, 9, 6))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(environment.SetupError, match=r"Python 3\.10 or later is needed"):
        environment.find_base_python()


def test_stamp_changes_with_what_is_to_be_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("b", encoding="utf-8")
    first = environment.installation_stamp(tmp_path, ("plot",), None)
    assert environment.installation_stamp(tmp_path, ("plot",), None) == first
    assert environment.installation_stamp(tmp_path, ("plot", "test"), None) != first
    (tmp_path / "constraints.txt").write_text("c", encoding="utf-8")
    assert environment.installation_stamp(tmp_path, ("plot",), None) != first


def test_finished_environment_is_reused_without_running_pip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    python = environment.venv_python(tmp_path / ".venv")
    python.parent.mkdir(parents=True)
    python.touch()
    stamp = environment.installation_stamp(tmp_path, (), None)
    (tmp_path / ".venv" / "selva-installed.txt").write_text(stamp, encoding="utf-8")
    assert environment.ensure_environment(tmp_path, extras=()) == python
    assert "Reusing" in capsys.readouterr().out


def test_pip_failure_shows_its_last_lines_and_the_log(tmp_path: Path) -> None:
    with pytest.raises(environment.SetupError, match=r"(?s)full log: .*no such option"):
        environment._run_pip(Path(sys.executable), ["install", "--no-such-option"], tmp_path / "install.log")
    assert "no such option" in (tmp_path / "install.log").read_text(encoding="utf-8")


def test_pip_arguments_pin_versions_and_name_the_extras() -> None:
    arguments = environment.pip_arguments(Path("/p"), ("test", "plot"), "https://example.org/whl")
    assert arguments[-2:] == ["--extra-index-url", "https://example.org/whl"]
    assert f"{Path('/p')}[plot,test]" in arguments
    assert arguments[arguments.index("-c") + 1] == str(Path("/p/constraints.txt"))

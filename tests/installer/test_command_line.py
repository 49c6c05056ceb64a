"""The commands of installer/run.py, and the checks that they run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installer.scripts import INSTALLER, load_script

suite = load_script("suite")


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, str(INSTALLER / "run.py"), "--help"], capture_output=True, text=True, check=True
    )
    for command in ("demo", "test", "check", "setup"):
        assert command in done.stdout


@pytest.mark.parametrize("name", ["run", "environment", "suite", "demo"])
def test_an_old_python_can_parse_what_tells_it_that_it_is_too_old(name: str) -> None:
    source = (INSTALLER / f"{name}.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))
    with pytest.raises(SyntaxError):
        ast.parse("with (open('a') as a, open('b') as b):\n    pass\n", feature_version=(3, 7))


def test_an_unknown_command_is_refused_with_the_allowed_ones() -> None:
    done = subprocess.run(
        [sys.executable, str(INSTALLER / "run.py"), "fly"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "demo" in done.stderr


def test_coverage_is_measured_unless_it_is_declined() -> None:
    assert "--cov" in suite.pytest_arguments([], has_coverage=True)
    assert "--cov" not in suite.pytest_arguments([], has_coverage=False)
    assert suite.pytest_arguments(["-x"], has_coverage=False)[-1] == "-x"


def test_every_check_runs_even_after_one_has_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checks = [("first", ["-c", "raise SystemExit(3)"]), ("second", ["-c", "print('ran')"])]
    assert suite._run_each(tmp_path, Path(sys.executable), checks) == 1
    shown = capfd.readouterr().out
    assert "ran" in shown
    assert "FAILED: first" in shown
    assert suite._run_each(tmp_path, Path(sys.executable), checks[1:]) == 0

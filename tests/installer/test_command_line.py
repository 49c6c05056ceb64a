"""The commands of installer/run.py, and the checks that they run."""

from __future__ import annotations

import ast
import shutil
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


STEP_MODULES = sorted(
    f"{path.parent.name}/{path.stem}" for path in INSTALLER.glob("*/*.py") if "__pycache__" not in path.parts
)


@pytest.mark.parametrize("name", ["command_line", "environment", "suite", "demo", "bundle", *STEP_MODULES])
def test_a_python_that_looks_for_a_newer_one_can_parse_what_does_it(name: str) -> None:
    source = (INSTALLER / f"{name}.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
    with pytest.raises(SyntaxError):
        ast.parse("with (open('a') as a, open('b') as b):\n    pass\n", feature_version=(3, 8))


def faults_before_python_3(source: str) -> list[str]:
    """What Python 2.7 and 3.6 would stumble over while they parse."""
    faults = [] if source.isascii() else ["a letter beyond ASCII without a coding line"]
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.JoinedStr | ast.NamedExpr | ast.AnnAssign | ast.Nonlocal | ast.Starred):
            faults.append(f"{type(node).__name__} in line {line}")
        if isinstance(node, ast.AsyncFunctionDef | ast.Match | ast.YieldFrom):
            faults.append(f"{type(node).__name__} in line {line}")
        if isinstance(node, ast.arg) and node.annotation is not None:
            faults.append(f"annotation in line {line}")
        if isinstance(node, ast.FunctionDef) and (
            node.returns or node.args.kwonlyargs or node.args.posonlyargs
        ):
            faults.append(f"signature in line {line}")
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            faults.append(f"future import in line {line}")
        if isinstance(node, ast.Raise) and node.cause is not None:
            faults.append(f"raise from in line {line}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            faults.append(f"print with arguments in line {line}")
    return faults


@pytest.mark.parametrize("name", ["run.py", "install.py"])
def test_the_oldest_pythons_can_parse_what_they_are_started_with(name: str) -> None:
    assert faults_before_python_3((INSTALLER / name).read_text(encoding="utf-8")) == []
    assert len(faults_before_python_3("from __future__ import annotations\nx: int = f'{1}'\n")) == 3


@pytest.mark.parametrize("script", ["run.py", "install.py"])
@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.7"])
def test_an_oldest_python_says_what_is_needed(name: str, script: str) -> None:
    found = shutil.which(name)
    if not found or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [found, str(INSTALLER / script), "demo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"this is {name.removeprefix('python')}" in done.stderr
    assert "SyntaxError" not in done.stderr


def test_foreign_modules_in_pythonpath_are_not_taken_for_ours_or_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("argparse", "environment", "demo", "steps", "foundation"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('foreign')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    for script in ("run.py", "install.py"):
        done = subprocess.run(
            [sys.executable, str(INSTALLER / script), "--help"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_command_is_refused_with_the_allowed_ones() -> None:
    done = subprocess.run(
        [sys.executable, str(INSTALLER / "run.py"), "fly"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "demo" in done.stderr


def test_coverage_is_measured_where_it_is_asked_for() -> None:
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

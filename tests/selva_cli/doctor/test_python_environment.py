"""Interpreters, variables and commands, as all three systems have them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from selva_cli.doctor.finding import ProgramOutput
from selva_cli.doctor.python_environment import check_command, check_python, check_variables
from tests.selva_cli.doctor.systems import build_system, levels


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"python_version": (3, 9)}, "fault"),
        ({"python_version": (3, 14)}, "fault"),
        ({"python_version": (3, 10)}, "ok"),
        ({"python_version": (3, 12), "is_64_bit": False, "platform": "win32"}, "fault"),
        ({"python_version": (3, 12), "platform": "darwin", "output": ProgramOutput(status=0, stdout="1\n")}, "warning"),
        ({"python_version": (3, 12), "platform": "darwin", "output": ProgramOutput(status=0, stdout="0\n")}, "ok"),
    ],
)  # fmt: skip
def test_a_python_that_cannot_run_the_network_is_named(
    fields: dict[str, Any], level: str, tmp_path: Path
) -> None:
    (line,) = check_python(build_system(tmp_path, **fields))
    assert line.level == level
    assert bool(line.remedy) == (level != "ok")


@pytest.mark.parametrize(
    ("platform", "variables", "remedy"),
    [
        ("linux", {}, "unset PYTHONHOME"),
        ("darwin", {}, "unset PYTHONHOME"),
        ("win32", {"PROMPT": "$P$G"}, "set PYTHONHOME="),
        ("win32", {}, "Remove-Item Env:PYTHONHOME"),
    ],
)
def test_a_variable_that_leads_python_astray_is_taken_away_in_the_shell_of_the_system(
    platform: str, variables: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    environment = {**variables, "PYTHONHOME": "/opt/other"}
    (line,) = check_variables(build_system(tmp_path, platform=platform, environment=environment))
    assert (line.level, line.remedy) == ("warning", remedy)
    assert "/opt/other" in line.text
    (fine,) = check_variables(build_system(tmp_path, platform=platform, environment=variables))
    assert fine.level == "ok"


def test_another_environment_is_mentioned_and_a_misspelt_variable_is_a_warning(tmp_path: Path) -> None:
    environment = {"VIRTUAL_ENV": str(tmp_path), "SELVA_DEVISE": "cpu"}
    found = levels(check_variables(build_system(tmp_path, environment=environment)))
    assert found == {"Activated environment": "ok", "SELVA_DEVISE": "warning"}
    own = build_system(tmp_path, environment={"VIRTUAL_ENV": sys.prefix})
    assert levels(check_variables(own)) == {"Variables": "ok"}


def test_a_selva_of_another_installation_on_the_path_is_a_warning(tmp_path: Path) -> None:
    other = tmp_path / "other" / "bin" / "selva"
    (line,) = check_command(build_system(tmp_path, which=lambda _name: str(other)))
    assert line.level == "warning"
    assert str(other) in line.text
    for platform, folder in (("linux", "bin"), ("win32", "Scripts")):
        own = tmp_path / folder / "selva"
        (line,) = check_command(
            build_system(tmp_path, platform=platform, prefix=str(tmp_path), which=lambda _name, own=own: str(own))
        )  # fmt: skip
        assert line.level == "ok"
    (absent,) = check_command(build_system(tmp_path))
    assert absent.level == "ok"
    assert "not on the PATH" in absent.text

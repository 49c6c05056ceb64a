"""`selva doctor`, with the checks that are quick."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from tests.selva_cli.command_line import RunCommand

QUICK = [word for name in ("python", "settings", "disks", "clock") for word in ("--only", name)]


def test_a_machine_that_is_well_has_status_0(selva: RunCommand, paths: AppPaths) -> None:
    status, output, errors = selva("doctor", *QUICK)
    assert (status, errors) == (0, "")
    assert "All is well." in output
    assert output.index("Installation") < output.index("Settings and disks")
    assert "\x1b" not in output


def test_a_fault_has_status_1_and_its_remedy_a_line_of_its_own(selva: RunCommand, paths: AppPaths) -> None:
    paths.config.mkdir(parents=True, mode=0o700)
    paths.settings_file.write_text("prot = 1\n")
    status, output, _ = selva("doctor", "--only", "settings", "--quiet")
    assert status == 1
    assert output.count("\n") == 2
    assert output.strip().endswith("selva config edit")
    shown = json.loads(selva("doctor", "--only", "settings", "--json")[1])
    assert (shown["ok"], shown["lines"][0]["level"]) == (False, "fault")


def test_fix_mends_and_says_what_it_did(selva: RunCommand, paths: AppPaths) -> None:
    paths.config.mkdir(parents=True, mode=0o700)
    (paths.config / "daemon.json").write_text('{"keep_alive_s": 5}')
    _, output, _ = selva("doctor", "--only", "settings")
    assert "1 warning; 1 can be mended by:" in output
    status, output, _ = selva("doctor", "--only", "settings", "--fix")
    assert status == 0
    assert "moved into" in output
    assert "All is well." in output


def test_a_check_that_there_is_not_is_refused_with_the_nearest(selva: RunCommand, paths: AppPaths) -> None:
    status, _, errors = selva("doctor", "--only", "pyhton")
    assert status == 2
    assert "'python'" in errors


def test_a_report_is_written_and_names_what_it_holds(
    selva: RunCommand, paths: AppPaths, tmp_path: Path
) -> None:
    file = tmp_path / "report 犬.zip"
    status, _, errors = selva("doctor", *QUICK, "--report", str(file))
    assert status == 0
    assert "lines.json" in errors
    assert "system.json" in zipfile.ZipFile(file).namelist()
    assert selva("doctor", *QUICK, "--report", str(file))[0] == 0  # an earlier report is replaced


def test_a_report_replaces_no_file_of_the_users(selva: RunCommand, paths: AppPaths, tmp_path: Path) -> None:
    file = tmp_path / "film.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("work.txt", "work")
    status, _, errors = selva("doctor", *QUICK, "--report", str(file))
    assert status == 1
    assert "is no report of Selva's; choose another name" in errors
    assert zipfile.ZipFile(file).namelist() == ["work.txt"]


@pytest.mark.parametrize("columns", ["12", "40"])
def test_a_remedy_is_never_broken_on_a_narrow_terminal(
    columns: str, selva: RunCommand, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.config.mkdir(parents=True, mode=0o700)
    paths.settings_file.write_text("prot = 1\n")
    monkeypatch.setenv("COLUMNS", columns)
    assert "selva config edit\n" in selva("doctor", "--only", "settings")[1]

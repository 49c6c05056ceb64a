"""Settings, disks, permissions and the clock."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from selva_cli.doctor.finding import ProgramOutput
from selva_cli.doctor.storage import (
    check_clock,
    check_disks,
    check_permissions,
    check_settings,
    describe_room,
    find_open_access,
)
from tests.selva_cli.doctor.systems import build_system, levels

GIB = 1 << 30


def test_wrong_settings_are_a_fault_with_their_line_and_the_editor(tmp_path: Path) -> None:
    system = build_system(tmp_path)
    system.paths.config.mkdir(mode=0o700)
    system.paths.settings_file.write_text("prot = 1\n")
    (line,) = check_settings(system)
    assert line.level == "fault"
    assert "selva.toml line 1" in line.text
    assert line.remedy.endswith("config edit")
    system.paths.settings_file.write_text("port = 2000\n")
    assert levels(check_settings(system)) == {"Settings": "ok"}


def test_settings_with_which_no_daemon_starts_are_a_fault(tmp_path: Path) -> None:
    """Each is right by itself: an address for others, without folders that these may write into."""
    system = build_system(tmp_path)
    system.paths.config.mkdir(mode=0o700)
    system.paths.settings_file.write_text('listen = "0.0.0.0"\n')
    (line,) = check_settings(system)
    assert line.level == "fault"
    assert "config unset listen" in line.text
    folders = json.dumps([str(tmp_path)])
    system.paths.settings_file.write_text(f'listen = "0.0.0.0"\noutput_folders = {folders}\n')
    assert levels(check_settings(system)) == {"Settings": "ok"}


def test_settings_of_an_earlier_version_are_moved_by_the_fix(tmp_path: Path) -> None:
    system = build_system(tmp_path)
    system.paths.config.mkdir(mode=0o700)
    earlier = system.paths.config / "daemon.json"
    earlier.write_text(json.dumps({"jobs_together": 2}))
    _, line = check_settings(system)
    assert line.level == "warning"
    assert line.fix is not None
    line.fix()
    assert levels(check_settings(system)) == {"Settings": "ok"}
    assert "max_batch_jobs = 2" in system.paths.settings_file.read_text()


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(6 * GIB, "ok"), (4 * GIB, "warning"), (GIB // 8, "fault")]
)
def test_a_disk_that_fills_up_is_a_line_before_it_is_full(
    free_bytes: int, level: str, tmp_path: Path
) -> None:
    line = describe_room("state", tmp_path, free_bytes)
    assert line.level == level
    assert bool(line.remedy) == (level != "ok")


def test_folders_that_are_not_there_yet_are_judged_by_where_they_will_be(tmp_path: Path) -> None:
    variables = {"SELVA_MODELS_DIR": str(tmp_path / "far" / "models")}
    found = list(check_disks(build_system(tmp_path, environment=variables)))
    assert {line.title for line in found} == {"Disk"}
    assert "state, caches, models" in found[0].text


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits are POSIX")
def test_keys_that_others_can_read_are_a_fault_that_the_fix_mends(tmp_path: Path) -> None:
    system = build_system(tmp_path)
    system.paths.state.mkdir(mode=0o700)
    system.paths.keys_file.write_text("{}")
    system.paths.keys_file.chmod(0o644)
    (line,) = check_permissions(system)
    assert line.level == "fault"
    assert line.remedy == f"chmod 600 {system.paths.keys_file}"
    assert line.fix is not None
    line.fix()
    assert levels(check_permissions(system)) == {"Permissions": "ok"}


@pytest.mark.parametrize(
    ("sddl", "problem"),
    [
        ("O:S-1-5-21-1G:DUD:PAI(A;OICI;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)(A;;FA;;;BA)", None),
        ("O:BAG:DUD:AI(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)", "BU"),
        ("O:BAG:DUD:(A;;FR;;;WD)", "WD"),
        ("O:BAG:DUD:(D;;FA;;;WD)(A;;FA;;;S-1-5-21-1-2-3-1001)", None),
        ("O:BAG:DUD:(A;;FA;;;S-1-5-21-1-2-3-1001)S:(AU;SAFA;FA;;;WD)", None),
        ("", None),
    ],
)
def test_an_access_list_of_windows_is_read_in_every_language(sddl: str, problem: str | None) -> None:
    found = find_open_access(sddl)
    assert (found is None) if problem is None else (found is not None and problem in found)


def test_on_windows_the_access_list_decides(tmp_path: Path) -> None:
    output = ProgramOutput(status=0, stdout="O:BAG:DUD:(A;;FR;;;WD)\n")
    system = build_system(tmp_path, platform="win32", output=output, environment={"USERNAME": "ana"})
    system.paths.state.mkdir(mode=0o700)
    (line,) = check_permissions(system)
    assert line.level == "fault"
    assert line.remedy == f'icacls "{system.paths.state}" /inheritance:r /grant:r "ana:(OI)(CI)F"'


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_clock_that_is_behind_is_a_warning(platform: str, tmp_path: Path) -> None:
    behind = build_system(tmp_path, platform=platform, clock=lambda: time.time() - 20 * 365 * 86_400)
    (line,) = check_clock(behind)
    assert line.level == "warning"
    assert line.remedy
    assert levels(check_clock(build_system(tmp_path, platform=platform))) == {"Clock": "ok"}

"""Hosts that are there, those that are not, and variables that mislead them."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_cli.doctor.hosts import check_reaper, check_resolve, check_script_languages
from selva_core.base.paths import AppPaths
from tests.selva_cli.doctor.systems import build_system, levels


@pytest.mark.parametrize(
    ("platform", "folder"),
    [
        ("linux", ".config/REAPER"),
        ("darwin", "Library/Application Support/REAPER"),
        ("win32", "AppData/Roaming/REAPER"),
    ],
)
def test_a_reaper_without_our_scripts_is_a_fault_that_installing_mends(
    platform: str, folder: str, tmp_path: Path, paths: AppPaths
) -> None:
    system = build_system(tmp_path, platform=platform, paths=paths)
    assert levels(check_reaper(system)) == {"REAPER": "ok"}
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "reaper.ini").write_text("")
    found = [line for line in check_reaper(system) if line.title.startswith("Scripts")]
    assert [(line.level, line.remedy.rpartition("selva ")[2]) for line in found] == [
        ("fault", "host install reaper")
    ]
    assert found[0].fix is not None


def test_a_resolve_that_is_not_there_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: AppPaths
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("selva_plugins.hosts.resolve.homes.find_homes", lambda _state: [])
    assert levels(check_resolve(build_system(tmp_path, paths=paths))) == {"DaVinci Resolve": "ok"}


def test_variables_that_mislead_resolve_are_named(tmp_path: Path) -> None:
    values = {
        "RESOLVE_SCRIPT_LIB": str(tmp_path / "gone"),
        "PYTHON3HOME": str(tmp_path),
        "PYTHONHOME": "/other",
    }
    found = levels(check_script_languages(build_system(tmp_path, environment=values)))
    assert found == {"RESOLVE_SCRIPT_LIB": "warning", "Python of Resolve": "warning"}
    fine = {"RESOLVE_SCRIPT_LIB": str(tmp_path)}
    assert levels(check_script_languages(build_system(tmp_path, environment=fine))) == {
        "Python and Lua of hosts": "ok"
    }

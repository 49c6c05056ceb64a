"""`selva host check resolve`: what is missing, old, of another installation or not running is named with the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import selva_core
from selva_core.base.file_lock import FileLock
from selva_plugins.bridge import answer_request
from selva_plugins.hosts.resolve import install as resolve_install
from selva_plugins.hosts.resolve.agent.bridge_log import find_log_file
from selva_plugins.hosts.resolve.agent.watch import WATCH_LOCK
from selva_plugins.hosts.resolve.check import check_setup
from selva_plugins.hosts.resolve.homes import ResolveHome, choose_homes
from selva_plugins.hosts.resolve.install import ENTRIES
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.request_folder import PROTOCOL, REQUEST_SCHEMA, read_json, write_json
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.external import ExternalDoor
from tests.selva_plugins.resolve.scenes import build_scene

Results = dict[str, tuple[str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResolveHome:
    """A Resolve that has run for this user, with nothing of ours in it."""
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"SELVA_{name}_DIR", str(tmp_path / name.lower()))
    fusion = tmp_path / "Fusion"
    (fusion / "Profiles" / "Default").mkdir(parents=True)
    (fusion / "Profiles" / "Default" / "Fusion.prefs").touch()
    return choose_homes(fusion)[0]


@pytest.fixture
def no_studio(tmp_path: Path) -> Iterator[StudioBridge]:
    """No scripting library on this machine."""
    with StudioBridge(
        environment={**os.environ, "RESOLVE_SCRIPT_LIB": str(tmp_path / "nowhere.so")}
    ) as bridge:
        yield bridge


def look(home: ResolveHome, studio: StudioBridge) -> Results:
    results = check_setup(home.fusion_folder, studio=studio)
    return {result["title"]: (result["level"], result["text"]) for result in results}


def test_a_complete_installation_is_ok(home: ResolveHome, no_studio: StudioBridge) -> None:
    resolve_install.install(home.fusion_folder)
    results = look(home, no_studio)
    level, text = results["Menu of DaVinci Resolve"]
    assert level == "ok"
    assert f"version {selva_core.__version__}" in text
    assert results["Messages"][0] == "ok"
    assert "1 Fusion.prefs" in results["Messages"][1]
    assert "selva host resolve --watch" in results["Bridge"][1]
    assert results["Models"][0] == "ok"


def test_libraries_of_models_that_do_not_load_are_a_fault(
    home: ResolveHome, no_studio: StudioBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Installation" not in look(home, no_studio)
    monkeypatch.setattr("selva_plugins.checks.find_broken_library", lambda paths: "no torch. Install: pip")
    assert look(home, no_studio)["Installation"] == ("fault", "No torch. Install: pip")


@pytest.mark.parametrize("missing", [1, len(ENTRIES)])
def test_entries_that_are_not_there_are_a_fault_with_the_command_that_puts_them_there(
    missing: int, home: ResolveHome, no_studio: StudioBridge
) -> None:
    resolve_install.install(home.fusion_folder)
    for title in list(ENTRIES.values())[-missing:]:
        (home.menu_folder / f"{title}.lua").unlink()
    level, text = look(home, no_studio)["Menu of DaVinci Resolve"]
    assert (level, "selva host install resolve" in text) == ("fault", True)
    assert "Remove stems" in text


@pytest.mark.parametrize(
    ("change", "level", "phrase"),
    [
        ((f'["version"]="{selva_core.__version__}"', '["version"]="0.0.1"'), "warning", "Version 0.0.1"),
        (("selva_daemon host resolve", "selva_old host resolve"), "fault", "another installation"),
        (('/resolve",', '/other",'), "fault", "write elsewhere"),
    ],
    ids=["version", "program", "folder"],
)
def test_entries_of_another_installation_are_named(
    change: tuple[str, str], level: str, phrase: str, home: ResolveHome, no_studio: StudioBridge
) -> None:
    resolve_install.install(home.fusion_folder)
    for title in ENTRIES.values():
        entry = home.menu_folder / f"{title}.lua"
        text = entry.read_text(encoding="utf-8")
        assert change[0] in text
        entry.write_text(text.replace(*change), encoding="utf-8")
    found = look(home, no_studio)["Menu of DaVinci Resolve"]
    assert (found[0], phrase in found[1]) == (level, True)


def test_what_was_never_installed_is_called_missing(home: ResolveHome, no_studio: StudioBridge) -> None:
    results = look(home, no_studio)
    assert results["Menu of DaVinci Resolve"][1].startswith(f"Missing in {home.menu_folder}: Generate stems")
    level, text = results["Messages"]
    assert level == "warning"
    assert text.startswith(f"Missing: {home.exchange.folder}. Run: ")
    assert text.endswith("host install resolve")
    resolve_install.install(home.fusion_folder)
    assert look(home, no_studio)["Messages"][0] == "ok"
    (home.profiles_folder / "Default" / "Fusion.prefs").unlink()
    level, text = look(home, no_studio)["Messages"]
    assert (level, "Missing: a Fusion.prefs below" in text) == ("warning", True)


def test_the_bridge_is_started_as_resolve_starts_it(
    home: ResolveHome, no_studio: StudioBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_install.install(home.fusion_folder)
    level, text = look(home, no_studio)["Start of the bridge"]
    assert (level, f"log: {find_log_file()}" in text) == ("ok", True)
    find_log_file().unlink()
    find_log_file().mkdir()
    level, text = look(home, no_studio)["Start of the bridge"]
    assert (level, "ends at once" in text) == ("fault", True)
    monkeypatch.setattr(
        "selva_plugins.hosts.resolve.check.build_bridge_command", lambda _host: ["/nowhere/python"]
    )
    assert look(home, no_studio)["Start of the bridge"][0] == "fault"


def test_a_bridge_at_work_is_seen(home: ResolveHome, no_studio: StudioBridge) -> None:
    resolve_install.install(home.fusion_folder)
    lock = FileLock(home.exchange.folder / WATCH_LOCK)
    lock.acquire()
    try:
        assert look(home, no_studio)["Bridge"] == ("ok", "Running; it answers Generate stems")
    finally:
        lock.release()
    assert look(home, no_studio)["Bridge"][1].startswith("Not running")


def test_studio_that_answers_is_named_and_one_that_does_not_is_no_fault(
    home: ResolveHome, no_studio: StudioBridge, open_host: OpenHost
) -> None:
    level, text = look(home, no_studio)["Studio from outside"]
    assert (level, "nowhere.so" in text) == ("warning", True)
    assert text.startswith("Missing: ")
    with (
        ExternalDoor(open_host(build("21.1.0"), build_scene())) as door,
        StudioBridge(environment={**os.environ, **door.environment}) as studio,
    ):
        assert look(home, studio)["Studio from outside"] == ("ok", "DaVinci Resolve Studio 21.1.0.17")


def test_studio_that_hangs_is_a_warning(home: ResolveHome, open_host: OpenHost) -> None:
    host = open_host(build("21.1.0"), build_scene())
    host.hangs_on.add("GetProductName")
    with (
        ExternalDoor(host) as door,
        StudioBridge(silence_limit_s=2.0, environment={**os.environ, **door.environment}) as studio,
    ):
        level, text = look(home, studio)["Studio from outside"]
    assert (level, "close any dialog" in text) == ("warning", True)


@pytest.mark.parametrize(
    ("version", "level"), [(selva_core.__version__, "ok"), ("0.0.1", "warning")], ids=["same", "old"]
)
def test_an_agent_that_asks_for_a_check_gets_the_product_and_both_versions(
    version: str, level: str, open_host: OpenHost, tmp_path: Path
) -> None:
    snapshot = StudioAccess(open_host(build("21.1.0"), build_scene())).snapshot()
    request = {"schema": REQUEST_SCHEMA, "protocol": PROTOCOL, "host": "resolve", "action": "check"}
    (tmp_path / "snapshot.json").write_text(json.dumps(snapshot), encoding="utf-8")
    write_json(tmp_path / "request.json", {**request, "script_version": version})
    answer_request(tmp_path)
    resolve, agent = read_json(tmp_path / "status.json")["checks"]
    assert resolve["text"] == "DaVinci Resolve Studio 21.1.0.17, messages through files"
    assert (agent["level"], "selva host install resolve" in agent["text"]) == (level, level == "warning")


def test_the_command_reports_and_its_status_says_whether_something_is_wrong(home: ResolveHome) -> None:
    def check() -> tuple[int, list[dict[str, str]]]:
        arguments = ["host", "check", "resolve", "--resource-path", str(home.fusion_folder), "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "selva_daemon", *arguments], capture_output=True, timeout=60, check=False
        )
        return done.returncode, json.loads(done.stdout)

    status, results = check()
    assert (status, results[0]["level"]) == (1, "fault")
    resolve_install.install(home.fusion_folder)
    assert check()[0] == 0

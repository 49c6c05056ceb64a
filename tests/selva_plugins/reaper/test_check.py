"""Settings and check: what the user sees of versions, daemon and models, and the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selva_daemon.client import Client
from selva_daemon.errors import DaemonUnavailableError
from selva_plugins.hosts import reaper_check
from selva_plugins.request_folder import HostRequest

import selva_core

from .double import Item, World
from .scenes import BIKES, CHECK, GENERATE, FakeBridge, project_with, run_action, type_in

FACTS = [
    {"title": "Bridge 0.1.0", "text": "Protocol 1", "level": "ok"},
    {"title": "Daemon 0.0.9", "text": "The bridge is 0.1.0. Run: selva daemon stop", "level": "warning"},
    {"title": "Models", "text": "Installed: none.", "level": "fault"},
]


def test_facts_are_shown_with_their_colours(world: World) -> None:
    project_with(world)
    bridge = FakeBridge(world)
    run_action(world, CHECK)
    world.tick(3)
    assert world.canvas.says("asking the bridge")
    assert (bridge.request["action"], bridge.request["script_version"]) == ("check", selva_core.__version__)
    bridge.folder.say_ready("checked", [], checks=FACTS)
    world.tick(3)
    for fact in FACTS:
        assert world.canvas.says(fact["title"])
        assert world.canvas.says(fact["text"])
    colours = {stroke.text: stroke.colour for stroke in world.canvas.strokes if stroke.kind == "text"}
    assert len({colours[fact["text"]] for fact in FACTS}) == 3
    world.canvas.close()
    world.tick(3)
    assert world.is_idle


def test_missing_bridge_is_told_in_the_window(world: World) -> None:
    project_with(world)
    run_action(world, CHECK)
    world.tick(3)
    assert world.canvas.says("selva host install reaper")
    assert world.canvas.says(f"REAPER scripts {selva_core.__version__}")
    world.canvas.press_escape()
    world.tick()


def test_silent_bridge_is_told_after_a_minute(world: World) -> None:
    project_with(world)
    FakeBridge(world)
    run_action(world, CHECK)
    world.tick(30 * 62)
    assert world.canvas.says("The bridge does not answer")
    world.canvas.click("Check again")
    world.tick(3)
    assert world.canvas.says("asking the bridge")


def test_defaults_are_what_new_requests_start_from(world: World) -> None:
    project_with(world, Item.showing(BIKES, position_s=0, length_s=1))
    bridge = FakeBridge(world)
    run_action(world, CHECK)
    world.tick(3)
    world.input_answers.append(type_in({"Takes": "4", "Not to be": 'music, "speech"'}))
    world.canvas.click("Defaults...")
    world.tick(3)
    world.quit()
    world.input_answers.append(lambda dialog: ["Dog: bark", *dialog.values[1:]])
    run_action(world, GENERATE)
    wishes = bridge.request["wishes"]
    assert (wishes["takes"], wishes["avoid"], wishes["seed"]) == ("4", 'music, "speech"', "")


def request_from(folder: Path, version: str = selva_core.__version__) -> HostRequest:
    return HostRequest(
        id="x",
        host="reaper",
        action="check",
        label="Check",
        script_version=version,
        script_folder=str(folder),
        wishes={},
        stems_folder=None,
        project_name="",
        snapshot="",
    )


@pytest.fixture
def _no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> Client:
        raise DaemonUnavailableError("no daemon is running")

    monkeypatch.setattr(Client, "connect", refuse)


@pytest.mark.usefixtures("_no_daemon")
def test_version_mismatch_is_said_plainly(tmp_path: Path) -> None:
    (bridge, *_) = reaper_check.check_installation(request_from(tmp_path, version="0.0.1"))
    assert bridge["level"] == "warning"
    assert bridge["text"].startswith(
        f"The scripts are version 0.0.1, the bridge is {selva_core.__version__}."
    )
    (same, *_) = reaper_check.check_installation(request_from(tmp_path))
    assert same["level"] == "ok"


@pytest.mark.usefixtures("_no_daemon")
def test_daemon_that_does_not_run_is_no_fault(tmp_path: Path) -> None:
    facts = {fact["title"]: fact for fact in reaper_check.check_installation(request_from(tmp_path))}
    assert facts["Daemon"]["level"] == "ok"
    assert "starts with the first request" in facts["Daemon"]["text"]


@pytest.mark.usefixtures("_no_daemon")
def test_second_copy_of_the_scripts_is_a_warning(tmp_path: Path) -> None:
    scripts = tmp_path / "Scripts"
    for place in ("Selva", "ReaPack/Selva"):
        (scripts / place / "lib").mkdir(parents=True)
        (scripts / place / GENERATE).write_text("-- @version 0.1.0\n")
    facts = reaper_check.check_installation(request_from(scripts / "Selva" / "lib"))
    assert [fact["level"] for fact in facts if fact["title"].startswith("More than one copy")] == ["warning"]
    (scripts / "ReaPack/Selva" / GENERATE).unlink()
    facts = reaper_check.check_installation(request_from(scripts / "Selva" / "lib"))
    assert not any(fact["title"].startswith("More than one copy") for fact in facts)

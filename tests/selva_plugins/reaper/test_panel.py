"""The panel opened by REAPER's action: its items as a cut, placing into the project, removing again, and closing."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.selva_panel.server.panel_process import Panel
from tests.selva_plugins.reaper.double import Item, Marker, Project, Source, World
from tests.selva_plugins.reaper.test_end_to_end import (
    LENGTH_S,
    assert_within_a_sample,
    clicks_s,
    lua,
    movie,
    open_project,
    places,
    run_installed,
    seen_s,
    studio,
)

__all__ = ["lua", "movie", "places", "studio"]

OPEN_PANEL = "Selva - Open the panel.lua"
T = TypeVar("T")


@pytest.fixture
def link_file(studio: World, tmp_path: Path) -> Path:
    """Where the panel's link appears: the browser of this user is a program that writes it down."""
    file = tmp_path / "link.txt"
    browser = tmp_path / "browser.py"
    part = f"{file}.part"
    browser.write_text(
        f"import os, sys\nopen({part!r}, 'w').write(sys.argv[1])\nos.replace({part!r}, {str(file)!r})\n"
    )
    studio.environment["BROWSER"] = f"{sys.executable} {browser} %s"
    return file


def open_panel(world: World, link_file: Path) -> Panel:
    run_installed(world, OPEN_PANEL)
    world.tick_until(link_file.exists, limit_s=60.0, seconds=0.05)
    url = link_file.read_text()
    panel = Panel(port=int(url.split(":")[2].partition("/")[0]), url=url)
    panel.open_link()
    return panel


def while_reaper_runs(world: World, work: Callable[[], T]) -> T:
    """What a page asks for while REAPER's scripts get their turns, as both are programs of their own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    world.tick_until(lambda: not thread.is_alive(), limit_s=90.0, seconds=0.05)
    thread.join()
    result: T = results[0]
    return result


def request_folder_of(world: World) -> Path:
    requests = world.resource_folder / "Selva" / "requests"
    return next(
        folder
        for folder in requests.iterdir()
        if json.loads((folder / "request.json").read_text())["action"] == "panel"
    )


def render_dog(panel: Panel) -> None:
    """Two takes of each clip; the second is the one that is heard on the first clip."""
    panel.request("PUT", "/api/model", {"name": "selva-echo"})
    panel.put_rows({"id": "dog", "name": "Dog", "prompt": "small dog barking", "takes": 2, "gain_db": -6.0})
    panel.post("/api/render")
    state = panel.wait_for(lambda state: len(state["stems"]) == 4, "four stems")
    second = next(
        stem for stem in state["stems"] if stem["take"] == 2 and stem["clip_id"] == state["clips"][0]["id"]
    )
    panel.request("PUT", f"/api/stems/{second['id']}", {"active": True})


def place_from(panel: Panel, world: World) -> list[dict[str, Any]]:
    plan = panel.post("/api/place/plan", {"target": "reaper"})
    reply = while_reaper_runs(world, lambda: panel.post("/api/place", {"plan_id": plan["plan_id"]}))
    report: list[dict[str, Any]] = reply["report"]
    return report


def test_stems_go_from_the_panel_onto_the_items_and_come_off_again(
    studio: World,
    movie: Path,
    link_file: Path,
) -> None:
    video = Source.video(movie, LENGTH_S)
    first = Item.showing(video, position_s=7 * 1001 / 24_000, length_s=2.0)
    odd = Item.showing(video, position_s=10.123456789, length_s=2.345, start_offset_s=0.7654321)
    other = Item.showing(video, position_s=20.0, length_s=1.0, is_selected=False)
    project = open_project(studio, movie.parent, first, odd, other)
    project.content.markers.append(Marker("Bell: church bell", 0.0, 2.0))
    panel = open_panel(studio, link_file)
    before = project.copy_content()
    state = panel.state()
    assert (state["cut"]["source"], state["cut"]["scope"], len(state["clips"])) == ("reaper", "selection", 2)
    assert [row["name"] for row in state["rows"]] == ["Bell"]
    assert state["can_place"][0] == {"target": "reaper", "label": "REAPER"}
    render_dog(panel)
    assert {line["text"] for line in place_from(panel, studio)} == {"placed on Dog"}
    assert_dog_is_placed(project, first, odd)
    project.track_named("Dog").items[1].values["D_POSITION"] += 0.5
    lines = while_reaper_runs(studio, lambda: panel.post("/api/place/remove"))["report"]
    assert [line["text"] for line in lines] == [
        "1 stems were removed; Undo in REAPER brings them back",
        "one stays: it was moved or trimmed since",
    ]
    assert len(project.track_named("Dog").items) == 1
    project.undo()
    project.undo()
    assert project.content == before
    close_panel(studio)


def assert_dog_is_placed(project: Project, first: Item, odd: Item) -> None:
    """Where the pictures are, with the gain of the row and the take that was chosen, on the right samples."""
    dog = project.track_named("Dog")
    assert [(item.position_s, item.length_s, len(item.takes)) for item in dog.items] == [
        (first.position_s, first.length_s, 2),
        (odd.position_s, odd.length_s, 2),
    ]
    assert [item.values["D_VOL"] for item in dog.items] == pytest.approx([10 ** (-6 / 20)] * 2)
    active = [item.active_take.source.file for item in dog.items if item.active_take.source]
    assert [Path(file).name.split("_")[2] for file in active] == ["t02", "t01"]
    expected = [
        *seen_s(first, first_media_s=0.0, until_media_s=2.0, speed=1),
        *seen_s(odd, first_media_s=0.7654321, until_media_s=0.7654321 + 2.345, speed=1),
    ]
    assert_within_a_sample(clicks_s(dog), expected)


def close_panel(world: World) -> None:
    """As Cancel in Selva's window does."""
    folder = request_folder_of(world)
    (folder / "cancel").write_text("")
    world.tick_until(
        lambda: json.loads((folder / "status.json").read_text())["state"] == "cancelled",
        limit_s=30.0,
        seconds=0.05,
    )


@pytest.mark.parametrize(
    ("selection_s", "is_selected", "expected"),
    [
        ((0.0, 0.0), False, ("timeline", 2)),
        ((9.0, 11.0), False, ("marks", 1)),
        ((9.0, 11.0), True, ("selection", 1)),
    ],
)
def test_the_panel_says_what_it_was_opened_for(
    studio: World,
    movie: Path,
    selection_s: tuple[float, float],
    is_selected: bool,
    expected: tuple[str, int],
) -> None:
    video = Source.video(movie, LENGTH_S)
    first = Item.showing(video, position_s=0.0, length_s=1.0, is_selected=is_selected)
    second = Item.showing(video, position_s=10.0, length_s=1.0, is_selected=False)
    project = open_project(studio, movie.parent, first, second)
    project.time_selection_s = selection_s
    studio.environment["PATH"] = ""
    studio.on_command = lambda command: True
    run_installed(studio, OPEN_PANEL)
    folder = request_folder_of(studio)
    request = json.loads((folder / "request.json").read_text())["wishes"]
    items = json.loads((folder / "snapshot.json").read_text())["items"]
    assert (request["scope"], len(items)) == expected


def test_a_project_without_video_is_explained(studio: World, movie: Path) -> None:
    open_project(studio, movie.parent)
    run_installed(studio, OPEN_PANEL)
    assert studio.messages == ["There are no video items in this project, or none in the time selection."]

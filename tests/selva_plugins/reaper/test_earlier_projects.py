"""Projects, requests and installations of version 0.1.0 still work: what its scripts wrote is read here, character by
character as they wrote it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from selva_plugins.hosts.reaper.adapter import prepare
from selva_plugins.hosts.reaper.install import find_script_source, install, remove
from selva_plugins.hosts.reaper.recipes import parse_recipe
from selva_plugins.hosts.reaper.snapshot import parse_snapshot
from selva_plugins.hosts.script_install import Machine
from tests.selva_plugins.reaper.double import Item, Project, Track, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    GENERATE,
    MOVE_TO_PICTURE,
    NEW_TAKES,
    FakeBridge,
    plan_for,
    project_with,
    request_stems,
    run_action,
    type_in,
)
from tests.selva_plugins.reaper.snapshots import item_of, request_of, snapshot_text

SNAPSHOT_FILE = Path(__file__).parents[2] / "data" / "reaper" / "snapshot-0.1.0.json"
PICTURE_GUID = "{E22F3C77-7C7F-48B4-8FAE-0EE3A7FE20DE}"
STEM_ITEM = (
    '{"cue":"cue-1","label":"Dog: bikes.mp4","origin_s":10.0,"picture":{"item_guid":'
    '"{E22F3C77-7C7F-48B4-8FAE-0EE3A7FE20DE}","picture_key":"/media/bikes.mp4","play_rate":1.0,"source_s":1.0},'
    '"stem_track":"Dog"}'
)
RECIPE = (
    '{"clip":{"duration_s":[4,1],"handle_after_s":[0,1],"handle_before_s":[0,1],"media_start_s":[1,1],'
    '"name":"bikes.mp4","path":"/media/bikes.mp4","record_start_s":[10,1],"source_end_timecode":"00:00:05:00",'
    '"source_timecode":"00:00:01:00","speed":[1,1]},"guidance":4.5,"model":"selva-echo","negative_prompt":"music",'
    '"num_steps":25,"prompt":"small dog barking","sample_rate_hz":48000,"schema":"selva.recipe/1","seed":42,"take":1,'
    '"track":"Dog"}'
)
FORM = (
    '{"avoid":"music","handles_s":"0","model":"","seed":"","sounds":["Dog: small dog barking"],"takes":"3"}'
)
SCRIPTS = (
    "Selva - Generate stems for selected items.lua",
    "Selva - Generate stems from regions and markers.lua",
    "Selva - Move stems to their picture.lua",
    "Selva - New takes for selected stem items.lua",
    "Selva - Open job list.lua",
    "Selva - Settings and check.lua",
    *(
        f"lib/{name}.lua"
        for name in [
            "actions",
            "bond",
            "bridge",
            "check",
            "files",
            "follow",
            "form",
            "imgui_form",
            "json",
            "paint",
            "peaks",
            "placement",
            "project",
            "selva",
            "snapshot",
            "speech",
            "startup",
            "tracks",
            "watcher",
            "window",
            "wishes",
        ]
    ),
)


def open_earlier_project(world: World) -> tuple[Project, Item, Item]:
    """A project with a picture item and its stem, and the two."""
    picture = Item.showing(BIKES, position_s=10.0, length_s=4.0, start_offset_s=1.0)
    picture.guid = PICTURE_GUID
    stem = Item.showing(BIKES, position_s=10.0, length_s=4.0, is_selected=False, name="Dog - bikes.mp4")
    stem.ext["selva"] = STEM_ITEM
    stem.active_take.ext["selva"] = RECIPE
    folder = Track(name="Selva", ext={"selva_folder": "Selva"})
    folder.values["I_FOLDERDEPTH"] = 1.0
    track = Track(name="Hounds", items=[stem], ext={"selva_track": "Dog"})
    track.values["I_FOLDERDEPTH"] = -1.0
    project = project_with(world, picture)
    project.tracks.extend([folder, track])
    project.content.ext_state["SELVA"] = {
        "WISHES": FORM,
        "PROJECT_ID": "{1D390004-E1EB-4354-926E-8D52FED671B6}",
    }
    return project, picture, stem


def test_stem_moves_to_its_picture(world: World) -> None:
    _, picture, stem = open_earlier_project(world)
    picture.values["D_POSITION"] = 31.25
    picture.is_selected = False
    run_action(world, MOVE_TO_PICTURE)
    assert world.messages == ["1 stem moved to the picture, 0 in place already."]
    assert stem.position_s == 31.25
    before, after = json.loads(STEM_ITEM), json.loads(stem.ext["selva"])
    assert after == {**before, "origin_s": 31.25}


def test_form_shows_what_was_typed(world: World) -> None:
    open_earlier_project(world)
    FakeBridge(world)
    world.input_answers.append(lambda dialog: None)
    run_action(world, GENERATE)
    dialog = world.input_dialogs[0]
    shown = {caption.split()[0]: value for caption, value in zip(dialog.captions, dialog.values, strict=True)}
    assert (dialog.values[0], shown["Takes"], shown["Not"]) == ("Dog: small dog barking", "3", "music")


def test_renamed_stem_track_is_used_again(world: World) -> None:
    project, picture, _ = open_earlier_project(world)
    bridge = FakeBridge(world)
    request_stems(world, "Dog: small dog barking")
    picture.values["D_POSITION"] = 50.0
    bridge.finish([plan_for(world, picture)])
    world.tick(30)
    assert [track.name for track in project.tracks] == ["Video", "Selva", "Hounds"]
    assert [item.position_s for item in project.tracks[2].items] == [10.0, 50.0]


def test_new_takes_are_made_from_the_recipe(world: World, tmp_path: Path) -> None:
    _, picture, stem = open_earlier_project(world)
    picture.is_selected, stem.is_selected = False, True
    bridge = FakeBridge(world)
    world.input_answers.append(type_in({}))
    run_action(world, NEW_TAKES)
    assert world.input_dialogs[0].values[0] == "small dog barking"
    request = replace(bridge.folder.read_request(), stems_folder=tmp_path)
    (task,) = prepare(request).tasks
    (cue,) = task.sheet.cues
    assert (cue.track, cue.prompt, cue.negative_prompt) == ("Dog", "small dog barking", "music")
    assert (cue.clip.media_path, cue.clip.media_start_s, cue.clip.duration_s) == (
        Path("/media/bikes.mp4"),
        Fraction(1),
        Fraction(4),
    )
    assert (task.options.model, task.options.seed) == ("selva-echo", 43)


def test_snapshot_reads_as_it_was_written() -> None:
    """The file name holds a byte that is not UTF-8, which Lua writes as Python's surrogateescape does."""
    snapshot = parse_snapshot(SNAPSHOT_FILE.read_text(encoding="utf-8"))
    project, (item,), (region, marker) = snapshot.project, snapshot.items, snapshot.markers
    assert (project.name, project.frame_rate_hz, project.start_offset_s) == ("film.rpp", 23.976, 3600.0)
    assert (item.label, item.position_s, item.track.name) == ("caf\udce9 日本", 10.1, "Video")
    assert item.take is not None
    assert (item.take.play_rate, item.take.start_offset_s) == (0.5, 0.3)
    assert [(source.kind, source.is_reversed, source.file) for source in item.take.sources] == [
        ("SECTION", True, ""),
        ("VIDEO", False, "/media/bikes.mp4"),
    ]
    assert (region.name, region.is_region, region.end_s) == ("Dog: bark", True, 2.0)
    assert (marker.name, marker.is_region, marker.start_s) == ("Here", False, 3.0)


def test_recipe_reads_as_it_was_written() -> None:
    recipe = parse_recipe(RECIPE)
    assert (recipe.sound.name, recipe.model, recipe.seed, recipe.take) == ("Dog", "selva-echo", 42, 1)
    assert (recipe.sampling.num_steps, recipe.sampling.guidance, recipe.sample_rate_hz) == (25, 4.5, 48_000)


def test_request_of_its_scripts_is_prepared(tmp_path: Path) -> None:
    """The form fields came under the name `wishes`, and still do."""
    request = request_of(
        "items", snapshot_text(item_of()), tmp_path, **{**json.loads(FORM), "model": "selva-echo"}
    )
    (task,) = prepare(request).tasks
    assert [(cue.track, cue.negative_prompt) for cue in task.sheet.cues] == [("Dog", "music")]


# Installations --------------------------------------------------------------------------------------------------------


@pytest.fixture
def resource_path(tmp_path: Path) -> Path:
    """A REAPER with the scripts of 0.1.0 and a file of the user's among them."""
    resource_path = tmp_path / "REAPER"
    target = resource_path / "Scripts" / "Selva"
    (target / "lib").mkdir(parents=True)
    (resource_path / "Selva").mkdir()
    (resource_path / "reaper.ini").touch()
    for name in SCRIPTS:
        (target / name).write_text("-- @version 0.1.0\n")
    (target / "lib" / "mine.lua").write_text("-- the user's\n")
    record = {"version": "0.1.0", "scripts": list(SCRIPTS)}
    (resource_path / "Selva" / "installed.json").write_text(json.dumps(record, indent=1))
    return resource_path


def scripts_below(resource_path: Path) -> set[str]:
    folder = resource_path / "Scripts" / "Selva"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.lua")}


def test_scripts_that_are_shipped_no_more_are_removed(resource_path: Path) -> None:
    source = find_script_source()
    shipped = {path.relative_to(source).as_posix() for path in source.rglob("*.lua")}
    assert {"lib/bond.lua", "lib/follow.lua", "lib/wishes.lua", "lib/imgui_form.lua"} <= set(
        SCRIPTS
    ) - shipped
    install(resource_path, Machine(is_running=lambda names: False))
    assert scripts_below(resource_path) == shipped | {"lib/mine.lua"}


def test_its_scripts_can_be_removed(resource_path: Path) -> None:
    remove(resource_path, Machine(is_running=lambda names: False))
    assert scripts_below(resource_path) == {"lib/mine.lua"}
    assert not (resource_path / "Selva").exists()

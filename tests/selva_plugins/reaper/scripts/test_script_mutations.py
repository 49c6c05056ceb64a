"""Mutations of the real scripts, one mistake each: the double, or what the tests look at, notices every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_plugins.reaper.double import Item, Marker, Profile, Track, World
from tests.selva_plugins.reaper.scenes import (
    BIKES,
    REGIONS,
    SCRIPTS,
    FakeBridge,
    plan_for,
    project_with,
    request_stems,
    run_action,
    type_in,
)

# Mutation: (file, right, wrong).
MUTATIONS = {
    "counted from 1": (
        "snapshot",
        "reaper.GetMediaItem(proj, index)\n      if is_wanted",
        "reaper.GetMediaItem(proj, index + 1)\n      if is_wanted",
    ),
    "track number taken for an index": ("tracks", '"IP_TRACKNUMBER")) - 1', '"IP_TRACKNUMBER"))'),
    "undo block not ended": ("placement", "reaper.Undo_EndBlock2(", "tostring("),
    "undo block not begun": ("placement", "reaper.Undo_BeginBlock2(proj)", ""),
    "undo flags that cover items only": ("placement", 'nothing changed", -1)', 'nothing changed", 4)'),
    "undo step without a name": ("placement", "undo_label(targets)", "(#targets > 0 and '' or nil)"),
    "refresh prevented for ever": ("placement", "reaper.PreventUIRefresh(-1)", ""),
    "argument of another type": ("placement", "B_LOOPSRC = 0", "[1] = 0"),
    "view left as it was": ("placement", "reaper.UpdateArrange()", ""),
    "too few arguments": (
        "snapshot",
        "reaper.GetProjectTimeOffset(proj, false)",
        "reaper.GetProjectTimeOffset(proj)",
    ),
    "too many arguments": ("placement", "reaper.UpdateArrange()", "reaper.UpdateArrange(0)"),
    "unknown function": ("placement", "reaper.AddMediaItemToTrack(", "reaper.AddMediaItem("),
    "unknown parameter": ("placement", "D_FADEINLEN = 0", "D_FADEIN = 0"),
    "handle of another kind": ("placement", "reaper.SetActiveTake(first)", "reaper.SetActiveTake(item)"),
    "half of the work in another cycle": (
        "placement",
        "reaper.PreventUIRefresh(1)",
        "reaper.PreventUIRefresh(1) reaper.defer(function() reaper.InsertTrackAtIndex(0, true) end)",
    ),
    "loop queued twice": ("watcher", "is_running = true", "reaper.defer(tick) is_running = true"),
    "start that waits": ("bridge", '"), -2)', '"), 0)'),
    "loop switch left on": ("placement", "B_LOOPSRC = 0,", ""),
    "fade left in": ("placement", "D_FADEINLEN = 0,", ""),
    "moved picture ignored": (
        "placement",
        "local start = stem.start_s + shift",
        "local start = stem.start_s",
    ),
    "hidden marker read": ("snapshot", 'value("B_HIDDEN") == 0', "true"),
    "sample rate of no project": (
        "snapshot",
        "uses_rate and reaper.GetSetProjectInfo",
        "reaper.GetSetProjectInfo",
    ),
    "section taken for the file": (
        "snapshot",
        "source = reaper.GetMediaSourceParent(source)",
        "source = nil",
    ),
    "looped item taken for a plain one": ("snapshot", 'B_LOOPSRC") ~= 0', 'B_LOOPSRC") == 2'),
}


def mutate(world: World, name: str, right: str, wrong: str) -> None:
    """Put the scripts where this REAPER sees them, one line of one file changed."""
    text = (SCRIPTS / "lib" / f"{name}.lua").read_text(encoding="utf-8")
    assert right in text, f"{name}.lua has no {right!r} any more"
    place = world.resource_folder / "Scripts" / "Selva" / "lib" / f"{name}.lua"
    place.parent.mkdir(parents=True)
    place.write_text(text.replace(right, wrong, 1), encoding="utf-8")


def run_through(world: World) -> None:
    """Ask for stems of two items, move one meanwhile, place, undo, and ask for regions; checks what a user would see."""
    item = Item.showing(
        BIKES.section(1.0, 6.0), position_s=10.1, length_s=4.0, start_offset_s=0.3, loops=True
    )
    other = Item.showing(BIKES, position_s=30.0, length_s=2.0)
    unwanted = Item.showing(BIKES, position_s=50.0, length_s=1.0, is_selected=False)
    project = project_with(world, item, other, unwanted)
    project.tracks.append(Track(name="Music"))
    bridge = FakeBridge(world)
    request_stems(world)
    snapshot = bridge.snapshot
    assert [row["position_s"] for row in snapshot["items"]] == [10.1, 30.0]
    assert [row["loops"] for row in snapshot["items"]] == [True, False]
    assert [len(row["active_take"][0]["sources"]) for row in snapshot["items"]] == [2, 1]
    assert snapshot["project"]["sample_rate_hz"] == 0
    plan = [plan_for(world, item, num_takes=2), plan_for(world, other, cue="cue-2", track="Steps")]
    other.values["D_POSITION"] = 31.5
    before = project.copy_content()
    bridge.finish(plan)
    world.tick(60)
    assert [track.name for track in project.tracks] == ["Video", "Selva", "Dog", "Steps", "Music"]
    stems = project.track_named("Dog").items + project.track_named("Steps").items
    assert [(stem.position_s, stem.length_s) for stem in stems] == [(10.1, 4.0), (31.5, 2.0)]
    for stem in stems:
        assert [stem.values[name] for name in ("B_LOOPSRC", "D_FADEINLEN", "D_FADEOUTLEN")] == [0.0] * 3
    assert [step.label for step in project.undo_steps] == ["Selva: place 2 stems"]
    project.undo()
    assert project.content == before
    world.quit()
    project.content.markers += [
        Marker("Dog: bark", 10.0, 12.0),
        Marker("Owl: hoot", 1.0, 2.0, is_hidden=True),
    ]
    world.input_answers.append(type_in({}))
    run_action(world, REGIONS)
    world.tick(3)
    assert [row["name"] for row in bridge.snapshot["regions"]] == ["Dog: bark"]
    world.quit()
    world.assert_clean()


def test_scripts_without_mutation_pass(tmp_path: Path) -> None:
    run_through(World(Profile(), tmp_path))


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    world = World(Profile(), tmp_path)
    mutate(world, *MUTATIONS[name])
    is_noticed = False
    try:
        run_through(world)
    except (AssertionError, LookupError, StopIteration):
        is_noticed = True
    assert is_noticed

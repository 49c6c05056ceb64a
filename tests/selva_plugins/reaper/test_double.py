"""The double refuses what REAPER refuses, and what would do harm later only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selva_plugins.reaper.double import Item, Profile, Source, Track, World

VIDEO = Source.video("/media/bikes.mp4", 10.0)


@pytest.fixture
def strict(profile: Profile, tmp_path: Path) -> Iterator[World]:
    """A world whose violations the test reads itself."""
    world = World(profile, tmp_path)
    yield world
    world.stop_processes()


def run(world: World, text: str) -> None:
    path = world.home / "script.lua"
    path.write_text(text, encoding="utf-8")
    world.run_script(path)


def with_item(world: World) -> Item:
    item = Item.showing(VIDEO, position_s=1.0, length_s=2.0)
    world.add_project().tracks.append(Track(name="V1", items=[item]))
    return item


@pytest.mark.parametrize(
    ("text", "violation"),
    [
        ("reaper.CountTrack(0)", "nil value (field 'CountTrack')"),
        ("reaper.CountTracks()", "takes 1 arguments; got 0"),
        ("reaper.GetTrack(0, 0, 0)", "takes 2 arguments; got 3"),
        ("reaper.GetTrack(0, '0')", "bad argument #2 (integer expected, got bytes)"),
        ("reaper.GetTrack(0, 0.5)", "bad argument #2 (integer expected, got float)"),
        (
            "reaper.GetActiveTake(reaper.GetTrack(0, 0))",
            "bad argument #1 (MediaItem expected, got MediaTrack)",
        ),
        (
            "reaper.GetActiveTake(reaper.GetMediaItem(0, 1))",
            "bad argument #1 (MediaItem expected, got NoneType)",
        ),
        ("reaper.GetMediaItemInfo_Value(reaper.GetMediaItem(0, 0), 'D_POS')", "no parameter 'D_POS'"),
        ("reaper.InsertTrackAtIndex(0, true)", "outside an undo block"),
        ("reaper.Undo_BeginBlock2(0)", "left open at the end of a defer cycle"),
        ("reaper.Undo_EndBlock2(0, 'x', -1)", "no undo block is open"),
        ("reaper.Undo_BeginBlock2(0) reaper.Undo_EndBlock2(0, '', -1)", "an undo step needs a text"),
        ("reaper.Undo_BeginBlock2(0) reaper.Undo_EndBlock2(0, 'x', 0)", "ReaScript: Run"),
        ("reaper.PreventUIRefresh(1)", "PreventUIRefresh was left at 1"),
        (
            "reaper.Undo_BeginBlock2(0) reaper.InsertTrackAtIndex(0, true) reaper.UpdateArrange() "
            "reaper.Undo_EndBlock2(0, 'x', -1)",
            "the track list was not updated",
        ),
        ("reaper.PreventUIRefresh(-1)", "more ends than beginnings"),
        ("local function f() end reaper.defer(f) reaper.defer(f)", "queued twice"),
        ("os.execute('ls')", "flashes a console window"),
        ("io.popen('ls')", "flashes a console window"),
        ("reaper.ExecProcess('python3 -V', -1)", "a full path to the program is needed"),
        ("reaper.ExecProcess('/bin/true', 0)", "blocks REAPER"),
        ("reaper.MB('Really?', 'Title', 4)", "no answer was prepared for the question"),
        ("reaper.GetUserInputs('T', 2, 'one', '')", "2 fields and 1 captions"),
        ("reaper.SetExtState('S', 'k', 'a\\nb', true)", "cannot hold a line break"),
        ("gfx.rect(0, 0, 1, 1)", "there is no window"),
        ("gfx.init('w') gfx.colour = 1", "gfx.colour cannot be set"),
        ("while true do end", "ran for too long"),
        ("require('socket')", "module 'socket' not found"),
    ],
)
def test_mistake_fails_the_script(strict: World, text: str, violation: str) -> None:
    with_item(strict)
    run(strict, text)
    with pytest.raises(AssertionError, match=re.escape(violation)):
        strict.assert_clean()


def test_mistake_inside_pcall_is_still_a_violation(strict: World) -> None:
    strict.add_project()
    run(strict, "pcall(reaper.GetTrack, 0, 'first')")
    assert strict.violations


def test_correct_script_has_no_violation(world: World) -> None:
    item = with_item(world)
    run(
        world,
        """
        local item = reaper.GetMediaItem(0, 0)
        assert(math.type(reaper.GetMediaItemInfo_Value(item, "D_POSITION")) == "float")
        assert(type(item) == "userdata" and item == reaper.GetMediaItem(0, 0))
        assert(reaper.GetMediaItem(0, 1) == nil)
        local function later()
          reaper.Undo_BeginBlock2(0)
          reaper.SetMediaItemInfo_Value(item, "D_POSITION", 4)
          reaper.UpdateArrange()
          reaper.Undo_EndBlock2(0, "Move", -1)
        end
        reaper.defer(later)
        """,
    )
    before = world.project.copy_content()
    world.tick()
    assert item.position_s == 4.0
    assert world.project.undo_steps[0].label == "Move"
    world.project.undo()
    assert world.project.content == before


def test_handles_stay_the_same_while_the_script_runs(world: World) -> None:
    items = [Item.showing(VIDEO, position_s=float(number), length_s=1.0) for number in range(8)]
    world.add_project().tracks.append(Track(name="V1", items=items))
    run(
        world,
        """
        for _ = 1, 1500 do
          for index = 0, 7 do
            local item = reaper.GetMediaItem(0, index)
            reaper.GetMediaItemTakeInfo_Value(reaper.GetActiveTake(item), "D_PLAYRATE")
            reaper.GetMediaItem_Track(item)
            local garbage = {}
            for number = 1, 10 do garbage[number] = {} end
          end
        end
        """,
    )


def test_undo_restores_only_what_the_flags_cover(world: World) -> None:
    with_item(world)
    run(
        world,
        """
        reaper.Undo_BeginBlock2(0)
        reaper.InsertTrackAtIndex(0, true)
        reaper.Undo_EndBlock2(0, "Items only", 4)
        reaper.TrackList_AdjustWindows(false)
        reaper.UpdateArrange()
        """,
    )
    world.project.undo()
    assert len(world.project.tracks) == 2


def test_pointer_to_a_deleted_item_is_refused(strict: World) -> None:
    item = with_item(strict)
    run(
        strict,
        """
        local item = reaper.GetMediaItem(0, 0)
        local function later()
          assert(not reaper.ValidatePtr2(0, item, "MediaItem*"))
          reaper.GetActiveTake(item)
        end
        reaper.defer(later)
        """,
    )
    strict.project.track_of(item).items.clear()
    strict.tick()
    assert "a MediaItem that was deleted" in strict.violations[0]


def test_older_reaper_lacks_newer_functions(tmp_path: Path) -> None:
    world = World(Profile(version="7.08", lua="5.4"), tmp_path)
    world.add_project()
    run(
        world,
        "assert(reaper.GetNumRegionsOrMarkers == nil and not reaper.APIExists('GetNumRegionsOrMarkers'))",
    )
    world.assert_clean()


def test_windows_refuses_renaming_onto_a_file_and_garbles_umlauts(tmp_path: Path) -> None:
    world = World(Profile(system="Win64"), tmp_path)
    world.add_project()
    run(
        world,
        r"""
        local function write(path) local f = assert(io.open(path, "wb")) f:write("x") f:close() end
        write("C:\\a.txt") write("C:\\b.txt")
        assert(not os.rename("C:\\a.txt", "C:\\b.txt"))
        assert(os.rename("C:\\a.txt", "C:\\c.txt"))
        assert(not io.open("C:\\\u{FC}.txt", "wb"))
        assert(package.config:sub(1, 1) == "\\")
        """,
    )
    world.assert_clean()
    assert (tmp_path / "c.txt").is_file()


def test_second_start_asks_unless_the_script_restarts_itself(tmp_path: Path) -> None:
    world = World(Profile(), tmp_path)
    world.add_project()
    loop = "local function f() reaper.defer(f) end f()"
    run(world, loop)
    run(world, loop)
    assert world.messages == ["ReaScript task control"]
    world.quit()
    run(world, "reaper.set_action_options(3) " + loop)
    run(world, loop)
    assert world.messages == ["ReaScript task control"]


@pytest.mark.parametrize("default", ["the dog's bowl", "bowl (small", 'a 6" pipe'])
def test_default_with_a_lone_quote_swallows_the_next_field(world: World, default: str) -> None:
    world.add_project()
    world.input_answers.append(lambda dialog: None)
    quoted = default.replace('"', '\\"')
    run(world, f'reaper.GetUserInputs("T", 2, "one,two", "{quoted},second")')
    assert world.input_dialogs[0].values == [f"{default},second", ""]

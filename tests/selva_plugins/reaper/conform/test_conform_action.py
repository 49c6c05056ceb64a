"""The action "Conform stems to this cut", from the script through the bridge and back: what each edit does to the stems."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import pytest

from selva_plugins.hosts.reaper.adapter import prepare
from tests.selva_plugins.reaper.conform.rendered_projects import (
    CANCEL,
    NO,
    RenderedProject,
    conform,
    place_plan,
    plan_stem,
    shot,
    split,
)
from tests.selva_plugins.reaper.double import Item, Profile, World
from tests.selva_plugins.reaper.double.state import Envelope
from tests.selva_plugins.reaper.scenes import CONFORM, FakeBridge, project_with, run_action
from tests.selva_plugins.reaper.snapshots import request_of

LABEL = "Selva: conform stems to this cut"
OLD_PLACES = [(0.0, 4.0, 0.0), (4.0, 6.0, 0.0)]


@pytest.fixture
def lua() -> str:
    """Both Luas run in the test of every version."""
    return "5.4"


def rendered(world: World, **options: Any) -> RenderedProject:
    first, second = shot(at_s=0.0, first_s=20.0, length_s=4.0), shot(at_s=4.0, first_s=60.0, length_s=6.0)
    return RenderedProject.build(world, first, second, **options)


def move(item: Item, at_s: float) -> None:
    item.values["D_POSITION"] = at_s


def trim(item: Item, *, head_s: float = 0.0, tail_s: float = 0.0) -> None:
    """An edge that is dragged: the other one and the picture stay where they are."""
    item.values["D_POSITION"] += head_s
    item.values["D_LENGTH"] -= head_s + tail_s
    item.active_take.values["D_STARTOFFS"] += head_s * item.active_take.values["D_PLAYRATE"]


def test_a_cut_that_did_not_change_changes_nothing(world: World) -> None:
    film = rendered(world)
    steps = len(film.project.undo_steps)
    result = conform(world)
    assert "there is nothing to do" in result.message
    assert len(film.project.undo_steps) == steps


def test_stems_go_with_shots_that_change_places_in_one_undo_step(world: World) -> None:
    film = rendered(world)
    move(film.pictures[0], 6.0)
    move(film.pictures[1], 0.0)
    steps = len(film.project.undo_steps)
    assert conform(world).answer["num_cues"] == 0
    assert film.places("Dog") == [(0.0, 6.0, 0.0), (6.0, 4.0, 0.0)]
    assert film.track("Dog")[1] is film.stems["Dog"][0]
    assert [step.label for step in film.project.undo_steps[steps:]] == [LABEL]
    film.project.undo()
    assert film.places("Dog") == OLD_PLACES


def test_a_shot_that_was_split_and_opened_has_its_stem_in_both_parts(world: World) -> None:
    film = rendered(world)
    move(split(film.project, film.pictures[1], 6.0), 20.0)
    film.stems["Dog"][1].values.update(D_FADEINLEN=0.3, D_FADEOUTLEN=0.4)
    conform(world)
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (4.0, 2.0, 0.0), (20.0, 4.0, 2.0)]
    assert len({item.guid for item in film.track("Dog")}) == 3
    fades = [(item.values["D_FADEINLEN"], item.values["D_FADEOUTLEN"]) for item in film.track("Dog")[1:]]
    assert fades == [(0.3, 0), (0, 0.4)]


def test_what_an_editor_set_stays_on_a_stem_that_is_moved_and_trimmed(world: World) -> None:
    film = rendered(world)
    stem = film.stems["Dog"][1]
    take = stem.active_take
    take.effects, take.envelopes = (
        ["a reverb"],
        [Envelope("Volume", [(1.5, 0.5, 0, 0.0, False), (3.0, 1.0, 0, 0.0, False)])],
    )
    take.values["D_VOL"] = 0.7
    stem.values.update(D_VOL=0.5, D_FADEOUTLEN=0.25, D_SNAPOFFSET=2.5)
    stem.takes.append(copy.deepcopy(take))
    stem.active = 0
    trim(film.pictures[1], head_s=2.0, tail_s=1.0)
    move(film.pictures[1], 30.0)
    conform(world)
    [_, moved] = film.track("Dog")
    assert moved is stem
    assert (moved.position_s, moved.length_s) == pytest.approx((30.0, 3.0))
    assert moved.values["D_SNAPOFFSET"] == pytest.approx(0.5)
    assert (moved.values["D_VOL"], moved.values["D_FADEOUTLEN"]) == (0.5, 0.25)
    for each in moved.takes:
        assert each is not None
        assert (each.effects, each.values["D_VOL"]) == (["a reverb"], 0.7)
        assert each.values["D_STARTOFFS"] == pytest.approx(2.0)
        assert [point[0] for point in each.envelopes[0].points] == pytest.approx([-0.5, 1.0])


def test_copies_of_a_stem_have_its_effects_and_identities_of_their_own(world: World) -> None:
    film = rendered(world)
    film.stems["Dog"][1].active_take.effects = ["a reverb"]
    move(split(film.project, film.pictures[1], 6.0), 20.0)
    conform(world)
    left, right = film.track("Dog")[1:]
    assert left.active_take.effects == right.active_take.effects == ["a reverb"]
    assert left.active_take.guid != right.active_take.guid


def test_a_shot_that_was_extended_uses_the_handles_and_renders_the_rest(world: World) -> None:
    film = rendered(world, handle_s=Fraction(1))
    trim(film.pictures[1], tail_s=-3.0)
    film.stems["Dog"][1].values["D_VOL"] = 0.5
    result = conform(world)
    assert film.places("Dog") == [(0.0, 4.0, 1.0), (4.0, 7.0, 1.0)]
    assert result.answer["num_cues"] == 1
    request = result.bridge.request
    assert request["action"] == "conform_render"
    prepared = prepare(request_of("conform_render", result.snapshot, world.home))
    [cue] = prepared.tasks[0].sheet.cues
    assert (cue.track, cue.prompt) == ("Dog", "small dog barking")
    assert tuple(map(float, (cue.clip.record_start_s, cue.clip.duration_s, cue.clip.media_start_s))) == (
        11,
        2,
        67,
    )
    assert cue.gain_db == pytest.approx(-6.02, abs=0.01)
    assert prepared.tasks[0].options.model == "selva-nano"


def test_a_stem_whose_shot_is_gone_is_removed_and_undo_brings_it_back(world: World) -> None:
    film = rendered(world)
    film.project.tracks[0].items.remove(film.pictures[0])
    result = conform(world)
    assert film.places("Dog") == [(4.0, 6.0, 0.0)]
    assert "1 removed" in result.message
    film.project.undo()
    assert film.places("Dog") == OLD_PLACES


def test_a_stem_whose_picture_is_offline_stays_and_is_named(world: World) -> None:
    film = rendered(world)
    take = film.pictures[0].active_take
    assert take.source is not None
    take.source.kind = ""
    result = conform(world)
    assert film.places("Dog") == OLD_PLACES
    assert "its picture item shows nothing that can be read" in result.message


@pytest.mark.parametrize(
    ("offset_s", "is_reversed", "places"),
    [(0.0, False, [(9.0, 4.0, 0.0)]), (0.0, True, []), (5.0, False, [])],
    ids=["the same section", "reversed", "another section"],
)
def test_a_picture_that_runs_on_another_clock_is_another_picture(
    world: World, offset_s: float, is_reversed: bool, places: list[tuple[float, float, float]]
) -> None:
    """A section of the same file at the same offset shows other frames; one that begins where the file does shows the same."""
    film = rendered(world, only=(0,))
    take = film.pictures[0].active_take
    assert take.source is not None
    take.source = take.source.section(offset_s, 300.0, is_reversed=is_reversed)
    move(film.pictures[0], 9.0)
    conform(world)
    assert film.places("Dog") == places


def test_stems_that_were_rippled_along_are_in_place(world: World) -> None:
    film = rendered(world)
    for item in (film.pictures[1], film.stems["Dog"][1]):
        move(item, 9.0)
    assert conform(world).answer["moves"] == []
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (9.0, 6.0, 0.0)]


def test_a_stem_that_was_copied_with_its_picture_is_not_copied_again(world: World) -> None:
    film = rendered(world)
    for item in (film.pictures[0], film.stems["Dog"][0]):
        copied = copy.deepcopy(item)
        copied.guid = "{" + "7" * 8 + item.guid[9:]
        move(copied, 50.0)
        film.project.track_of(item).items.append(copied)
    conform(world)
    assert film.places("Dog") == [*OLD_PLACES, (50.0, 4.0, 0.0)]


def test_a_shot_that_is_used_twice_has_its_stem_twice(world: World) -> None:
    film = rendered(world)
    film.project.tracks[0].items.append(shot(at_s=50.0, first_s=21.0, length_s=2.0))
    conform(world)
    assert film.places("Dog") == [*OLD_PLACES, (50.0, 2.0, 1.0)]


def test_a_slip_of_an_editor_goes_along_and_stays_on_the_next_conform(world: World) -> None:
    film = rendered(world)
    film.stems["Dog"][1].values["D_POSITION"] += 0.08
    for at_s in (30.0, 40.0):
        move(film.pictures[1], at_s)
        conform(world)
        assert film.places("Dog")[1][0] == pytest.approx(at_s + 0.08)
    assert film.track("Dog")[1].active_take.values["D_STARTOFFS"] == 0.0


def test_a_stem_that_was_put_elsewhere_by_hand_stays_there(world: World) -> None:
    film = rendered(world)
    move(film.stems["Dog"][0], 100.0)
    move(film.pictures[1], 30.0)
    result = conform(world)
    assert film.places("Dog") == [(30.0, 6.0, 0.0), (100.0, 4.0, 0.0)]
    assert "it was moved by hand" in result.message


def test_a_new_shot_gets_the_prompt_that_was_on_every_shot(world: World) -> None:
    film = rendered(world, tracks=("Dog", "Rain"))
    film.project.tracks[0].items.append(shot("/media/b.mov", at_s=10.0, first_s=5.0, length_s=3.0))
    prepared = prepare(request_of("conform_render", conform(world).snapshot, world.home))
    cues = [cue for task in prepared.tasks for cue in task.sheet.cues]
    assert sorted(
        (cue.track, float(cue.clip.record_start_s), float(cue.clip.duration_s)) for cue in cues
    ) == [
        ("Dog", 10, 3),
        ("Rain", 10, 3),
    ]


def test_a_shot_that_had_no_stem_gets_none(world: World) -> None:
    film = rendered(world, only=(1,))
    move(film.pictures[0], 40.0)
    film.project.tracks[0].items.append(shot("/media/b.mov", at_s=60.0, first_s=5.0, length_s=3.0))
    assert conform(world).answer["num_cues"] == 0


def test_stems_of_different_renders_each_know_their_own_cut(world: World) -> None:
    """Rain was rendered after the shot had been split, Dog before: each is trimmed to what the cut shows now."""
    film = rendered(world)
    right = split(film.project, film.pictures[1], 6.0)

    place_plan(world, [plan_stem(world, right, "Rain", "Rain-right")])
    move(right, 20.0)
    assert conform(world).answer["num_cues"] == 0
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (4.0, 2.0, 0.0), (20.0, 4.0, 2.0)]
    assert film.places("Rain") == [(20.0, 4.0, 0.0)]


def test_a_muted_stem_is_moved_and_not_extended(world: World) -> None:
    film = rendered(world)
    film.stems["Dog"][1].values["B_MUTE"] = 1.0
    trim(film.pictures[1], tail_s=-3.0)
    move(film.pictures[1], 30.0)
    assert conform(world).answer["num_cues"] == 0
    assert film.places("Dog")[1] == (30.0, 6.0, 0.0)
    assert film.track("Dog")[1].values["B_MUTE"] == 1.0


def test_stems_that_come_to_lie_over_one_another_go_to_another_track(world: World) -> None:
    film = rendered(world)
    upper = copy.deepcopy(film.project.tracks[0])
    upper.guid, upper.name, upper.items = "{UPPER}", "B-roll", [film.pictures[1]]
    film.project.tracks[0].items.remove(film.pictures[1])
    film.project.tracks.insert(0, upper)
    move(film.pictures[1], 2.0)
    conform(world)
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (2.0, 6.0, 0.0)]
    assert film.project.track_of(film.track("Dog")[0]) is not film.project.track_of(film.track("Dog")[1])


def test_cancel_changes_nothing_and_requests_nothing(world: World) -> None:
    film = rendered(world, handle_s=Fraction(1))
    trim(film.pictures[1], tail_s=-3.0)
    result = conform(world, answer=CANCEL)
    assert film.places("Dog") == [(0.0, 4.0, 1.0), (4.0, 6.0, 1.0)]
    assert result.bridge.request["action"] == "conform"


@pytest.mark.parametrize(("answer", "names"), [(NO, []), (6, ["Conform - moved"])])
def test_markers_are_set_when_they_are_asked_for(world: World, answer: int, names: list[str]) -> None:
    film = rendered(world)
    move(film.pictures[1], 30.0)
    conform(world, answer=answer)
    assert [marker.name for marker in film.project.content.markers] == names


def test_the_list_of_changes_is_in_the_console(world: World) -> None:
    film = rendered(world)
    move(film.pictures[1], 30.0)
    conform(world)
    assert "CHANGE" in world.console
    assert "moved   a.mov  00:00:04:00  00:00:30:00  00:00:36:00  Dog: moved" in world.console


def test_a_project_that_was_edited_meanwhile_is_left_as_it_is(world: World) -> None:
    film = rendered(world)
    move(film.pictures[1], 30.0)
    result = conform(world, meanwhile=lambda: move(film.pictures[1], 31.0))
    assert film.places("Dog") == OLD_PLACES
    assert "Run the action again" in result.message
    conform(world)
    assert film.places("Dog")[1] == (31.0, 6.0, 0.0)


def test_a_stem_that_reaper_refuses_to_copy_leaves_everything_as_it_was(world: World) -> None:
    film = rendered(world)
    move(film.pictures[0], 40.0)
    move(split(film.project, film.pictures[1], 6.0), 20.0)
    world.fail("SetItemStateChunk")
    result = conform(world)
    assert "Nothing was changed" in result.message
    assert film.places("Dog") == OLD_PLACES


def test_without_a_render_the_next_step_is_named(world: World) -> None:
    project_with(world, shot(at_s=0.0, first_s=0.0, length_s=4.0))
    bridge = FakeBridge(world)
    run_action(world, CONFORM)
    assert bridge.started == []
    assert '"Selva: Generate stems for selected items" first' in world.messages[-1]


@pytest.mark.parametrize("version", ["6.00", "6.36", "6.83", "7.08"])
def test_every_version_of_reaper_conforms(version: str, tmp_path: Any) -> None:
    world = World(Profile(version=version, lua="5.4" if version.startswith("7") else "5.3"), tmp_path)
    film = rendered(world)
    move(split(film.project, film.pictures[1], 6.0), 20.0)
    conform(world)
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (4.0, 2.0, 0.0), (20.0, 4.0, 2.0)]
    world.quit()
    world.assert_clean()


def test_a_project_that_was_closed_while_cuts_were_compared_is_named(world: World) -> None:
    film = RenderedProject.build(world, shot(at_s=0.0, first_s=20.0, length_s=4.0))
    film.pictures[0].values["D_POSITION"] = 30.0
    result = conform(world, meanwhile=lambda: world.close_project(film.project))
    assert result.message == "The project was closed meanwhile."
    assert film.places("Dog") == [(0.0, 4.0, 0.0)]

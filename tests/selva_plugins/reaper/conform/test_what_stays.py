"""What lies on the tracks of stems that a conform moves: envelopes, locked items, groups, cross-fades, items of the user's."""

from __future__ import annotations

import pytest

from tests.selva_plugins.reaper.conform.rendered_projects import (
    RATE_HZ,
    RenderedProject,
    conform,
    shot,
    split,
)
from tests.selva_plugins.reaper.double import Item, World
from tests.selva_plugins.reaper.double.state import Envelope

MOVE_ENVELOPES_WITH_ITEMS = 40070
POINTS = [
    (time_s, value, 0, 0.0, False) for time_s, value in ((1.0, 0.2), (5.0, 0.5), (9.0, 0.6), (21.0, 0.9))
]


@pytest.fixture
def lua() -> str:
    """Both Luas run in the test of every version."""
    return "5.4"


def rendered(world: World) -> RenderedProject:
    return RenderedProject.build(
        world, shot(at_s=0.0, first_s=20.0, length_s=4.0), shot(at_s=4.0, first_s=60.0, length_s=6.0)
    )


def times_of(envelope: Envelope) -> list[tuple[float, float]]:
    return [(round(point[0], 9), point[1]) for point in envelope.points]


def test_track_envelopes_go_along_where_reaper_is_set_so(world: World) -> None:
    film = rendered(world)
    world.toggles[MOVE_ENVELOPES_WITH_ITEMS] = 1
    volume = Envelope("Volume", list(POINTS))
    film.project.track_named("Dog").envelopes = [volume]
    right = split(film.project, film.pictures[1], 7.0)
    right.values["D_POSITION"] = 20.0
    result = conform(world)
    assert film.places("Dog") == [(0.0, 4.0, 0.0), (4.0, 3.0, 0.0), (20.0, 3.0, 3.0)]
    # 5 s stays with the left part, 9 s goes with the right one to 22 s, and what was there gives way.
    assert times_of(volume) == [(1.0, 0.2), (5.0, 0.5), (22.0, 0.6)]
    assert "Envelopes of the stem tracks stay" not in result.message
    film.project.undo()
    assert times_of(film.project.track_named("Dog").envelopes[0]) == times_of(Envelope("", list(POINTS)))


def test_track_envelopes_and_automation_items_that_stay_are_named_before_anything_is_done(
    world: World,
) -> None:
    film = rendered(world)
    volume = Envelope("Volume", list(POINTS), num_automation_items=1)
    film.project.track_named("Dog").envelopes = [volume]
    film.pictures[1].values["D_POSITION"] = 30.0
    result = conform(world)
    assert film.places("Dog")[1] == (30.0, 6.0, 0.0)
    assert times_of(volume) == times_of(Envelope("", list(POINTS)))
    assert '"Move envelope points with items" is off' in result.message
    assert "Automation items stay where they are." in result.message


def test_an_envelope_without_points_under_what_moves_is_not_named(world: World) -> None:
    film = rendered(world)
    film.project.track_named("Dog").envelopes = [Envelope("Volume", POINTS[:1])]
    film.pictures[1].values["D_POSITION"] = 30.0
    assert "Envelopes" not in conform(world).message


def test_a_failed_conform_leaves_envelopes_as_they_were(world: World) -> None:
    film = rendered(world)
    world.toggles[MOVE_ENVELOPES_WITH_ITEMS] = 1
    volume = Envelope("Volume", list(POINTS))
    film.project.track_named("Dog").envelopes = [volume]
    split(film.project, film.pictures[1], 7.0).values["D_POSITION"] = 20.0
    world.fail("SetItemStateChunk")
    assert "Nothing was changed" in conform(world).message
    assert times_of(volume) == times_of(Envelope("", list(POINTS)))


def test_a_locked_stem_stays_and_an_unlocked_one_goes(world: World) -> None:
    film = rendered(world)
    film.stems["Dog"][1].values["C_LOCK"] = 1.0
    film.pictures[0].values["D_POSITION"] = 50.0
    film.pictures[1].values["D_POSITION"] = 30.0
    assert "its item is locked" in conform(world).message
    assert film.places("Dog") == [(4.0, 6.0, 0.0), (50.0, 4.0, 0.0)]


def test_parts_of_a_stem_are_grouped_with_their_own_pictures(world: World) -> None:
    film = rendered(world)
    stem, picture = film.stems["Dog"][1], film.pictures[1]
    stem.values["I_GROUPID"] = picture.values["I_GROUPID"] = 3.0
    right = split(film.project, picture, 6.0)
    right.values.update(D_POSITION=20.0, I_GROUPID=4.0)
    conform(world)
    assert [item.values["I_GROUPID"] for item in film.track("Dog")[1:]] == [3.0, 4.0]


def test_a_copy_is_not_in_the_group_that_a_stem_has_with_other_sounds(world: World) -> None:
    film = rendered(world)
    film.stems["Dog"][1].values["I_GROUPID"] = 7.0
    split(film.project, film.pictures[1], 6.0).values["D_POSITION"] = 20.0
    conform(world)
    assert [item.values["I_GROUPID"] for item in film.track("Dog")[1:]] == [7.0, 0.0]


def test_an_automatic_cross_fade_ends_where_stems_meet_no_more(world: World) -> None:
    film = rendered(world)
    first, second = film.stems["Dog"]
    first.values["D_FADEOUTLEN_AUTO"] = second.values["D_FADEINLEN_AUTO"] = 0.25
    second.values["D_FADEINLEN"] = 0.1
    film.pictures[1].values["D_POSITION"] = 30.0
    conform(world)
    assert (second.values["D_FADEINLEN_AUTO"], second.values["D_FADEINLEN"]) == (-1.0, 0.1)


def test_items_of_the_user_on_a_stem_track_stay_and_are_named(world: World) -> None:
    film = rendered(world)
    own = Item()
    own.values.update(D_POSITION=12.0, D_LENGTH=2.0)
    film.project.track_named("Dog").items.append(own)
    film.pictures[1].values["D_POSITION"] = 30.0
    result = conform(world)
    assert own.position_s == 12.0
    assert "1 item on the stem tracks that Selva did not make stays where it is." in result.message


def test_stems_whose_file_is_cut_off_are_named_and_whole_ones_are_not(world: World) -> None:
    film = rendered(world)
    film.pictures[1].values["D_POSITION"] = 30.0
    file = world.home / "stems" / "Dog-1.wav"
    with file.open("r+b") as stem:
        stem.truncate(file.stat().st_size - RATE_HZ)  # 8 bits: a second
    message = conform(world).message
    assert "Dog-1.wav is cut off: its last 1.00 s are missing" in message
    assert "Dog-0.wav" not in message

"""Stems that are panned get take envelopes: in the item's own time, with REAPER's sign, and gone after one undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from selva_core.base.pan import Curve
from tests.selva_plugins.reaper.double import Item, Take, World
from tests.selva_plugins.reaper.double.item_chunks import build_chunk, parse_chunk
from tests.selva_plugins.reaper.scenes import (
    bikes_item,
    place,
    plan_for,
    project_with,
)

POINTS = [[0.04, -1.0], [1.0, 0.5], [3.0, 0.0]]


def panned(plan: dict[str, Any], *points_of_takes: Sequence[Sequence[float]]) -> dict[str, Any]:
    for take, points in zip(plan["takes"], points_of_takes, strict=True):
        take["pan"] = [list(point) for point in points]
    return plan


def stem_of(world: World, **changed: Any) -> Item:
    item = bikes_item(length_s=2.0)
    project = project_with(world, item)
    place(world, lambda: [panned(plan_for(world, item, **changed), POINTS)])
    [stem] = project.track_named("Dog").items
    return stem


def envelope(take: Take | None) -> list[tuple[float, float]]:
    assert take is not None
    return [(round(time_s, 6), round(value, 6)) for time_s, value in take.pan_points]


def test_envelope_is_cut_to_the_item_and_left_is_plus_one(world: World) -> None:
    assert envelope(stem_of(world).active_take) == [(0.0, 1.0), (0.04, 1.0), (1.0, -0.5), (2.0, -0.25)]


def test_envelope_begins_where_the_item_begins_in_its_file(world: World) -> None:
    stem = stem_of(world, source_offset_s=0.52)
    assert envelope(stem.active_take) == [(0.0, 0.25), (0.48, -0.5), (2.0, -0.12)]


@pytest.mark.parametrize("offset_s", [0.0, 0.3, 2.9, 5.0])
def test_envelope_is_the_part_that_projects_get(world: World, offset_s: float) -> None:
    stem = stem_of(world, source_offset_s=offset_s)
    expected = Curve(tuple((time_s, pan) for time_s, pan in POINTS)).span(offset_s, 2.0)
    assert envelope(stem.active_take) == [(round(time_s, 6), round(-pan, 6)) for time_s, pan in expected]


def test_a_stem_that_is_not_panned_has_no_envelope_and_its_chunk_is_not_touched(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    world.fail("SetItemStateChunk")
    place(world, lambda: [panned(plan_for(world, item), [])])
    [stem] = project.track_named("Dog").items
    assert envelope(stem.active_take) == []


def test_plans_of_earlier_bridges_have_no_pan(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    place(world, lambda: [plan_for(world, item)])
    assert envelope(project.track_named("Dog").items[0].active_take) == []


def test_each_take_has_its_own_envelope_and_the_first_stays_active(world: World) -> None:
    item = bikes_item(length_s=2.0)
    project = project_with(world, item)
    left, right = [[0.5, -1.0]], [[0.5, 1.0]]
    place(world, lambda: [panned(plan_for(world, item, num_takes=3), left, [], right)])
    [stem] = project.track_named("Dog").items
    assert [envelope(take) for take in stem.takes] == [
        [(0.0, 1.0), (0.5, 1.0), (2.0, 1.0)],
        [],
        [(0.0, -1.0), (0.5, -1.0), (2.0, -1.0)],
    ]
    assert stem.active == 0
    assert [take.name for take in stem.takes if take] == ["Dog take 1", "Dog take 2", "Dog take 3"]


def test_undo_takes_the_envelope_away_with_the_stem(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    before = []
    place(
        world,
        lambda: [panned(plan_for(world, item), POINTS)],
        meanwhile=lambda: before.append(project.copy_content()),
    )
    assert project.content != before[0]
    project.undo()
    assert project.content == before[0]


def test_peaks_are_built_of_the_sources_that_the_takes_have_afterwards(world: World) -> None:
    stem_of(world)
    world.tick(40)
    assert world.num_peaks_built == 1


def test_nothing_is_placed_where_reaper_refuses_the_envelope(world: World) -> None:
    item = bikes_item()
    project = project_with(world, item)
    before = []
    world.fail("SetItemStateChunk")
    place(
        world,
        lambda: [panned(plan_for(world, item), POINTS)],
        meanwhile=lambda: before.append(project.copy_content()),
    )
    assert project.content == before[0]
    assert project.content.tracks


def test_the_double_refuses_a_chunk_that_lost_something(world: World) -> None:
    stem = stem_of(world)
    text = build_chunk(stem)
    assert parse_chunk(text) == stem
    with pytest.raises(ValueError, match="other than an envelope"):
        parse_chunk(text.replace("NAME", "LABEL"))
    with pytest.raises(ValueError, match="out of range"):
        parse_chunk(text.replace("PT 0.04 1.0", "PT 0.04 1.5"))

"""Waveforms of placed stems are drawn in slices."""

from __future__ import annotations

from tests.selva_plugins.reaper.double import World
from tests.selva_plugins.reaper.scenes import (
    open_scene,
    plan_for,
    request_stems,
)


def test_peaks_of_placed_stems_are_built_in_slices(world: World) -> None:
    _, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick(60)
    assert world.num_peaks_built == 2


def test_building_peaks_stops_when_the_stem_is_deleted(world: World) -> None:
    project, item, bridge = open_scene(world)
    request_stems(world)
    bridge.finish([plan_for(world, item, num_takes=2)])
    world.tick_until(lambda: bool(world.peaks_left), limit_s=5)
    project.track_named("Dog").items.clear()
    world.tick(60)
    assert world.num_peaks_built == 0

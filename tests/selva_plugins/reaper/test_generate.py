"""From the selected items to a request that the bridge can read."""

from __future__ import annotations

from selva_plugins.hosts.reaper.snapshot import parse_snapshot

from .double import Item, World
from .scenes import BIKES, GENERATE, FakeBridge, project_with, run_action, type_sounds


def test_request_holds_what_was_typed_and_selected(world: World) -> None:
    item = Item.showing(BIKES, position_s=1.5, length_s=4.0, start_offset_s=2.0, play_rate=0.5)
    project_with(world, item, Item.showing(BIKES, position_s=8, length_s=1, is_selected=False))
    bridge = FakeBridge(world)
    world.input_answers.append(type_sounds("Dog: small dog, barking", "Steps: boots", Takes="3", Seed="7"))
    run_action(world, GENERATE)
    assert bridge.request["wishes"]["sounds"] == ["Dog: small dog, barking", "Steps: boots"]
    assert (bridge.request["wishes"]["takes"], bridge.request["wishes"]["seed"]) == ("3", "7")
    snapshot = parse_snapshot(bridge.folder.read_request().snapshot)
    assert [found.guid for found in snapshot.items] == [item.guid]
    assert (snapshot.items[0].position_s, snapshot.items[0].take.start_offset_s) == (1.5, 2.0)
    assert bridge.started == [
        ["/opt/selva/python", "-m", "selva_daemon", "host", "reaper", str(bridge.folders[0])]
    ]

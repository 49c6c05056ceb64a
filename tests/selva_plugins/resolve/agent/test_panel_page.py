"""Placing into Resolve by clicking in the panel's page, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.selva_panel.page.conftest import RunScript, run_browser, run_node, web
from tests.selva_panel.server.panel_process import THERE_ALREADY, choose_echo, running_panel
from tests.selva_plugins.resolve.agent.test_panel_entry import scene
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import Scene

__all__ = ["run_browser", "run_node", "scene", "web"]


def test_stems_are_placed_into_resolve_by_clicking_while_its_agent_waits(
    run_browser: RunScript, scene: Scene, start_conversation: StartConversation, tmp_path: Path
) -> None:
    results: list[dict[str, Any]] = []

    def answer(path: Path) -> None:
        with running_panel("--request", path, folder=tmp_path / "selva") as panel:
            results.append(run_browser("hosts.mjs", choose_echo(panel), "DaVinci Resolve", False))

    conversation = start_conversation(build("21.1.0", "free"), scene)
    conversation.watch.answer = answer
    conversation.max_wait_s = 0.2  # as the agent really does: it gives up after two minutes by its own clock
    conversation.choose("Open the panel")
    (seen,) = results
    assert (seen["outside"], seen["scope"]) == ([], "Whole timeline")
    assert [line for line in seen["report"] if line.endswith("placed on Small dog barking")] == [
        "Small dog barking · 01:00:00:10 · placed on Small dog barking",
        "Small dog barking · 01:00:01:16 · placed on Small dog barking",
    ]
    assert {row[3] for row in seen["plannedAgain"]} == {THERE_ALREADY}
    assert "Remove stems in Resolve" in seen["removed"]
    track = next(each for each in scene.timeline.tracks["audio"] if each.name == "Small dog barking")
    assert [(item.start - 86400, item.duration) for item in track.items] == [(10, 24), (40, 20)]

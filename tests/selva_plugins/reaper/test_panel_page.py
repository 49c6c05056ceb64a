"""Placing into REAPER by clicking in the panel's page, in Chromium."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from tests.selva_panel.page.conftest import RunScript, run_browser, run_node, web
from tests.selva_panel.server.panel_process import THERE_ALREADY, choose_echo
from tests.selva_plugins.reaper.double import Item, Source, World
from tests.selva_plugins.reaper.test_end_to_end import LENGTH_S, lua, movie, open_project, places, studio
from tests.selva_plugins.reaper.test_panel import close_panel, link_file, open_panel, while_reaper_runs

__all__ = ["link_file", "lua", "movie", "places", "run_browser", "run_node", "studio", "web"]

NOTHING_THERE = "\u2013"


def test_stems_are_placed_into_reaper_by_clicking_and_saved_at_the_same_times(
    run_browser: RunScript, studio: World, movie: Path, link_file: Path
) -> None:
    video = Source.video(movie, LENGTH_S)
    first = Item.showing(video, position_s=7 * 1001 / 24_000, length_s=2.0)
    second = Item.showing(video, position_s=20.0, length_s=1.0, start_offset_s=1.0)
    project = open_project(studio, movie.parent, first, second)
    panel = open_panel(studio, link_file)
    link = choose_echo(panel)
    seen = while_reaper_runs(studio, lambda: run_browser("hosts.mjs", link, "REAPER", True))
    assert (seen["problems"], seen["outside"], seen["scope"]) == ([], [], "Selected items")
    assert [row[0] for row in seen["planned"]] == ["Small dog barking"] * 2
    assert [row[3] for row in seen["planned"]] == [NOTHING_THERE] * 2
    assert seen["afterCancel"] is None
    assert all(line.endswith("placed on Small dog barking") for line in seen["report"])
    dog = project.track_named("Small dog barking")
    assert [(item.position_s, item.length_s) for item in dog.items] == [
        (item.position_s, item.length_s) for item in (first, second)
    ]
    assert [row[3] for row in seen["plannedAgain"]] == [THERE_ALREADY] * 2
    timeline = otio.adapters.read_from_file(seen["saved"])
    track = next(each for each in timeline.audio_tracks() if each.name == "Small dog barking")
    saved_s = [clip.range_in_parent().start_time.to_seconds() for clip in track.find_clips()]
    assert saved_s == pytest.approx([item.position_s for item in dog.items], abs=1 / 48_000)
    close_panel(studio)

"""The time selection of stem items made anew, through the installed script, the bridge and a real daemon."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from tests.selva_plugins.reaper.double import Item, Source, World
from tests.selva_plugins.reaper.scenes import GENERATE, REDO, type_in, type_sounds
from tests.selva_plugins.reaper.test_end_to_end import (
    LENGTH_S,
    movie,
    open_project,
    run_installed,
    studio,
    wait_for_report,
)

__all__ = ["movie", "studio"]


def test_the_time_selection_of_a_stem_is_made_anew_as_another_take(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=2.0)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    studio.tick(20)
    (stem,) = project.track_named("Dog").items
    first = stem.active_take.source
    item.is_selected, stem.is_selected = False, True
    project.time_selection_s = (3.5, 4.25)
    studio.input_answers.append(type_in({"Prompt": "wolf howling", "How many": "2"}))
    run_installed(studio, REDO)
    wait_for_report(studio)
    recipes = [json.loads(take.ext["selva"]) for take in stem.takes if take]
    assert [(recipe["take"], recipe["seed"], recipe["prompt"]) for recipe in recipes] == [
        (1, 42, "bark"),
        (2, 43, "wolf howling"),
        (3, 44, "wolf howling"),
    ]
    assert first is not None
    assert stem.active_take.source is not None
    before, after = (
        soundfile.read(source.file, dtype="int32")[0] for source in (first, stem.active_take.source)
    )
    where = np.flatnonzero(before != after)
    assert where.size
    assert where[0] >= 0.4 * 48_000
    assert where[-1] < 1.35 * 48_000


def test_without_a_time_selection_nothing_is_sent(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=2.0)
    project = open_project(studio, movie.parent, item)
    item.is_selected = True
    run_installed(studio, REDO)
    assert "time to make anew" in studio.messages[-1]
    assert project.time_selection_s == (0.0, 0.0)

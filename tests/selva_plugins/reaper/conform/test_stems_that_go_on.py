"""Stems that go on where their shot was drawn out beyond their files: installed scripts, the bridge, and a real daemon."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.selva_plugins.reaper.conform.rendered_projects import YES
from tests.selva_plugins.reaper.double import Item, Source, World
from tests.selva_plugins.reaper.double.state import Envelope, Take
from tests.selva_plugins.reaper.scenes import CONFORM, EXTEND, GENERATE, MOVE_TO_PICTURE, type_sounds
from tests.selva_plugins.reaper.test_end_to_end import (
    LENGTH_S,
    assert_within_a_sample,
    clicks_s,
    movie,
    open_project,
    run_installed,
    seen_s,
    studio,
    wait_for_report,
)

__all__ = ["movie", "studio"]


@pytest.fixture
def lua() -> str:
    """One Lua is enough here."""
    return "5.4"


def samples_of(take: Take) -> np.ndarray:
    assert take.source is not None
    samples: np.ndarray = soundfile.read(take.source.file, dtype="int32")[0]
    return samples


def assert_longer(before: list[np.ndarray], after: list[np.ndarray]) -> None:
    """Half a second before and a second after what was there, which stays but for the cross-overs."""
    for one, other in zip(before, after, strict=True):
        inside = slice(4_800, len(one) - 4_800)
        assert 3.5 * 48_000 <= len(other) <= 3.6 * 48_000
        assert np.array_equal(one[inside], other[24_000 : 24_000 + len(one)][inside])


def draw_out(item: Item, *, head_s: float, tail_s: float) -> None:
    item.values["D_POSITION"] -= head_s
    item.values["D_LENGTH"] += head_s + tail_s
    item.active_take.values["D_STARTOFFS"] -= head_s * item.active_take.values["D_PLAYRATE"]


def test_both_takes_of_a_stem_go_on_with_their_shot_and_one_undo_takes_it_back(
    studio: World, movie: Path
) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=2.0, start_offset_s=1.5)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo", Takes="2"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    studio.tick(20)
    track = project.track_named("Dog")
    [stem] = track.items
    before = [samples_of(take) for take in stem.takes if take]
    stem.active_take.envelopes = [Envelope("Volume", [(0.5, 0.7, 0, 0.0, False)])]
    stem.active_take.markers = [(0.25, "hit")]
    stem.active_take.effects = ["a reverb"]
    draw_out(item, head_s=0.5, tail_s=1.0)
    studio.message_answers.append(YES)
    steps = len(project.undo_steps)
    run_installed(studio, CONFORM)
    studio.tick_until(lambda: len(project.undo_steps) > steps, seconds=0.05)
    assert "2 stretches to render, 2 of them as the rest of a stem (1.5 s)" in "\n".join(studio.messages)
    assert "Dog: extended; Dog: extend" in studio.console
    report = wait_for_report(studio)
    assert (len(report["placed"]), report["held"]) == (1, [])
    assert [step.label for step in project.undo_steps[steps:]] == [
        "Selva: conform stems to this cut",
        "Selva: extend 1 stem",
    ]
    assert track.items == [stem]
    assert (stem.position_s, stem.length_s) == pytest.approx((2.5, 3.5), abs=1e-9)
    assert_longer(before, [samples_of(take) for take in stem.takes if take])
    take = stem.active_take
    assert take.values["D_STARTOFFS"] == pytest.approx(0.0, abs=1e-9)
    assert take.envelopes[0].points[0][0] == pytest.approx(1.0)
    assert take.markers == [(0.75, "hit")]
    assert take.effects == ["a reverb"]
    assert_within_a_sample(clicks_s(track), seen_s(item, first_media_s=1.0, until_media_s=4.5, speed=1.0))
    recipe = json.loads(take.ext["selva"])
    assert [recipe["clip"][name] for name in ("record_start_s", "duration_s")] == [[5, 2], [7, 2]]
    project.undo()
    [back] = project.track_named("Dog").items
    assert (back.position_s, back.active_take.values["D_STARTOFFS"]) == pytest.approx((3.0, 0.0))
    assert np.array_equal(samples_of(back.active_take), before[0])


def test_a_stem_is_extended_to_the_time_selection_by_a_take_of_its_item(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.1234, length_s=1.5, start_offset_s=1.5)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    studio.tick(20)
    track = project.track_named("Dog")
    [stem] = track.items
    [old] = [samples_of(take) for take in stem.takes if take]
    item.is_selected, stem.is_selected = False, True
    project.time_selection_s = (2.5, 5.25)
    steps = len(project.undo_steps)
    run_installed(studio, EXTEND)
    report = wait_for_report(studio)
    assert (len(report["placed"]), report["held"]) == (1, [])
    assert [step.label for step in project.undo_steps[steps:]] == ["Selva: extend 1 stem"]
    assert track.items == [stem]
    assert (stem.position_s, stem.length_s) == pytest.approx((2.5, 2.75), abs=1e-9)
    first, second = (take for take in stem.takes if take)
    assert stem.active_take is second
    origins = [stem.position_s - take.values["D_STARTOFFS"] for take in (first, second)]
    head = round((origins[0] - origins[1]) * 48_000)
    assert (origins[0] - origins[1]) * 48_000 == pytest.approx(head, abs=1e-3)
    new = samples_of(second)
    assert np.array_equal(new[head + 4_800 : head + 66_000], old[4_800:66_000])
    assert_within_a_sample(
        clicks_s(track),
        seen_s(item, first_media_s=1.5 - 0.6234, until_media_s=1.5 + 2.1266, speed=1.0, at_s=-0.6234),
    )
    # The longer take has another origin than the first: both lie where their picture is, whichever is heard.
    for active in (1, 0):
        stem.active = active
        run_installed(studio, MOVE_TO_PICTURE)
        assert "0 stems moved to the picture, 1 in place already" in studio.messages[-1]

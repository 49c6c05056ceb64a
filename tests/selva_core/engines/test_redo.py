"""A stretch of a stem made anew, with dummy weights at nano size: what stays, what changes, and what it depends on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import ModelError, RequestError
from selva_core.engine import REDO_MARGIN_S, RedoneStretch, StemRequest, Waveform
from selva_core.engines.stem_sampling import find_windows, iter_passes
from selva_core.inference.known_latents import latents_in
from selva_core.inference.windows import plan_windows
from tests.selva_core.engines.test_network import (
    BELL,
    DOG,
    SHORT_WINDOWS_SPEC,
    TWO_WINDOWS_S,
    build_engine,
    render,
)

START_S, END_S = Fraction(2), Fraction(5, 2)
SPEC = SHORT_WINDOWS_SPEC
NUM_LATENTS = plan_windows(SPEC, TWO_WINDOWS_S).num_latents
STRETCH = latents_in(SPEC, START_S, END_S, num_latents=NUM_LATENTS)


def redone(base: Waveform | None, *, prompt: str = "dog barking", of: StemRequest = DOG) -> StemRequest:
    """The stretch of `of` again with another seed; `base` is where its latents were kept."""
    stored = None if base is None else base.latents
    return StemRequest(
        prompt=prompt,
        seed=9,
        redo=RedoneStretch(base=of, start_s=START_S, end_s=END_S, base_latents=stored),
    )


def latents_of(waveform: Waveform) -> np.ndarray:
    assert waveform.latents is not None
    return waveform.latents


@pytest.fixture(scope="module")
def stems(footage_folder: Path) -> dict[str, Waveform]:
    """A stem, its stretch made anew from kept latents and from its recipe, and the stretch with another prompt and base."""
    engine, path = build_engine(SPEC), footage_folder / "bikes.mp4"
    [dog, bell] = render(engine, path, TWO_WINDOWS_S, DOG, BELL)
    names = ("kept", "recipe", "other prompt", "other base")
    requests = (redone(dog), redone(None), redone(dog, prompt="bell"), redone(bell, of=BELL))
    rendered = [render(engine, path, TWO_WINDOWS_S, request)[0] for request in requests]
    again = StemRequest(
        prompt="bell", seed=3, redo=RedoneStretch(base=redone(None), start_s=START_S, end_s=END_S)
    )
    [twice] = render(engine, path, TWO_WINDOWS_S, again)
    return {"dog": dog, "twice": twice, **dict(zip(names, rendered, strict=True))}


def test_latents_outside_the_stretch_stay_and_all_inside_change(stems: dict[str, Waveform]) -> None:
    changed = (latents_of(stems["kept"]) != latents_of(stems["dog"])).all(axis=1)
    assert np.flatnonzero(changed).tolist() == list(range(STRETCH.start, STRETCH.stop))
    outside = np.delete(latents_of(stems["kept"]), range(STRETCH.start, STRETCH.stop), axis=0)
    assert np.array_equal(
        outside, np.delete(latents_of(stems["dog"]), range(STRETCH.start, STRETCH.stop), axis=0)
    )


def test_stretch_is_the_same_whether_latents_were_kept_or_are_made_again(stems: dict[str, Waveform]) -> None:
    assert np.array_equal(stems["kept"].samples, stems["recipe"].samples)
    assert np.array_equal(latents_of(stems["kept"]), latents_of(stems["recipe"]))


def test_stretch_depends_on_its_prompt_and_on_what_is_beside_it(stems: dict[str, Waveform]) -> None:
    for other in ("other prompt", "other base"):
        assert not np.array_equal(latents_of(stems["kept"])[STRETCH], latents_of(stems[other])[STRETCH])


def test_stretch_of_a_stem_with_a_stretch_is_made_from_the_whole_recipe(stems: dict[str, Waveform]) -> None:
    changed = (latents_of(stems["twice"]) != latents_of(stems["dog"])).any(axis=1)
    assert np.flatnonzero(changed).tolist() == list(range(STRETCH.start, STRETCH.stop))
    assert not np.array_equal(latents_of(stems["twice"]), latents_of(stems["kept"]))


def test_only_the_stretch_and_its_margins_have_samples(stems: dict[str, Waveform]) -> None:
    samples = stems["kept"].samples
    assert len(samples) == len(stems["dog"].samples)
    heard = np.flatnonzero(samples) / stems["kept"].sample_rate_hz
    slack_s = 2 * SPEC.latent_hop_samples / SPEC.sample_rate_hz
    assert START_S - REDO_MARGIN_S - slack_s <= heard.min() <= START_S - REDO_MARGIN_S + slack_s
    assert END_S + REDO_MARGIN_S - slack_s <= heard.max() <= END_S + REDO_MARGIN_S + slack_s


def test_latents_of_another_picture_are_refused(footage_folder: Path) -> None:
    engine, path = build_engine(SPEC), footage_folder / "bikes.mp4"
    [shorter] = render(engine, path, Fraction(3), DOG)
    with pytest.raises(ModelError, match="render the whole stem again"):
        render(engine, path, TWO_WINDOWS_S, redone(shorter))


@pytest.mark.parametrize(("start_s", "end_s"), [(-1, 1), (1, 1), (2, 1)])
def test_stretch_that_is_none_is_refused(start_s: int, end_s: int) -> None:
    with pytest.raises(RequestError, match="before it ends"):
        RedoneStretch(base=DOG, start_s=Fraction(start_s), end_s=Fraction(end_s))


def test_a_short_stretch_of_a_long_clip_runs_only_the_windows_that_it_is_in() -> None:
    plan = plan_windows(SPEC, Fraction(60))
    stretch = latents_in(SPEC, Fraction(30), Fraction(31), num_latents=plan.num_latents)
    needed = find_windows((stretch,), plan)
    assert len(plan.windows) > 20
    assert 1 <= len(needed) <= 3
    assert all(
        index in needed
        for index, window in enumerate(plan.windows)
        if set(range(*window.latents.indices(plan.num_latents)))
        & set(range(*stretch.indices(plan.num_latents)))
    )


def test_what_a_stretch_lies_in_is_sampled_before_it_unless_it_was_kept(stems: dict[str, Waveform]) -> None:
    first, second = redone(None), redone(stems["dog"])
    again = replace(first, seed=11, redo=RedoneStretch(base=first, start_s=START_S, end_s=END_S))
    assert list(iter_passes([again, BELL, DOG])) == [(DOG, BELL), (first,), (again,)]
    assert list(iter_passes([second, BELL])) == [(second, BELL)]

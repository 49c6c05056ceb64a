"""selva-nano makes the sound that the prompt names, in time: each source of the example cut by its own prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from selva_core.audio.take_agreement import f1, match_onsets
from selva_core.base.media import PictureRange
from selva_core.engine import Engine, SamplingSettings, StemRequest, Waveform
from selva_core.engines.registry import load_engine
from selva_core.training.evaluation.measures import find_onsets

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    engine = load_engine("selva-nano", device="cpu")
    yield engine
    engine.close()
    torch.set_num_threads(num_threads)


def _render(engine: Engine, name: str, *prompts: str, seconds: int = 8) -> list[Waveform]:
    return engine.render(
        PictureRange(path=EXAMPLES / f"{name}.mp4", start_s=Fraction(0), duration_s=Fraction(seconds)),
        [StemRequest(prompt=prompt, seed=3) for prompt in prompts],
        settings=SamplingSettings(),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )


def _onsets_of(name: str, kind: str) -> list[float]:
    events = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return next(thing["onsets_s"] for thing in events["sounding"] if thing["kind"] == kind)


def _timing(wave: Waveform, onsets_s: list[float]) -> float:
    return f1(*match_onsets(find_onsets(wave.samples), onsets_s))


def _brightness_hz(samples: npt.NDArray[np.float32]) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((np.fft.rfftfreq(samples.size, 1 / 16_000) * power).sum() / power.sum())


def test_two_prompts_over_one_clip_give_two_sounds_each_in_time_with_its_own_source(engine: Engine) -> None:
    dog, ball = _render(engine, "yard", "a dog barking", "a rubber ball bouncing")
    barks, bounces = _onsets_of("yard", "dog"), _onsets_of("yard", "ball")
    assert _timing(dog, barks) > max(0.5, _timing(dog, bounces))
    assert _timing(ball, bounces) > max(0.5, _timing(ball, barks))
    assert _brightness_hz(dog.samples) > 1.5 * _brightness_hz(ball.samples)


@pytest.mark.parametrize(("start_s", "duration_s"), [(1, 6), (3, Fraction(19, 10))])
def test_a_trimmed_clip_of_any_length_stays_in_time(
    engine: Engine, start_s: int, duration_s: Fraction
) -> None:
    picture = PictureRange(
        path=EXAMPLES / "yard.mp4", start_s=Fraction(start_s), duration_s=Fraction(duration_s)
    )
    (dog,) = engine.render(
        picture,
        [StemRequest(prompt="a dog barking", seed=3)],
        settings=SamplingSettings(),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    barks = [at_s - start_s for at_s in _onsets_of("yard", "dog") if 0 <= at_s - start_s < duration_s]
    assert _timing(dog, barks) > 0.7


def test_a_clip_does_not_begin_with_the_end_of_an_earlier_sound(engine: Engine) -> None:
    dog, siren = _render(engine, "hall", "a dog barking", "a siren wailing", seconds=2)
    for wave in (dog, siren):
        assert np.abs(wave.samples[:1024]).max() < 0.01
    (knock,) = _render(engine, "hall", "knocking on a door")
    assert np.abs(knock.samples).max() > 0.1


def test_same_request_gives_the_same_samples(engine: Engine) -> None:
    one, other = (_render(engine, "yard", "a dog barking", seconds=2)[0] for _ in range(2))
    assert np.array_equal(one.samples, other.samples)


def test_a_prompt_outside_its_training_carries_a_warning(engine: Engine) -> None:
    violin, dog = _render(engine, "yard", "a violin concerto", "a dog barking", seconds=2)
    assert any("not trained" in warning for warning in violin.warnings)
    assert dog.warnings == ()


def test_no_result_says_that_the_weights_are_untrained(engine: Engine) -> None:
    assert engine.notices == ()
    assert len(engine.weights_sha256) == 64

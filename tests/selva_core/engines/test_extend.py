"""A stem that goes on before its start and after its end, with dummy weights at nano size: what stays, and what is made."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import ModelError, RequestError
from selva_core.base.media import PictureRange
from selva_core.engine import (
    REDO_MARGIN_S,
    Extension,
    RedoneStretch,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.network import NetworkEngine
from selva_core.engines.stem_sampling import find_delay, locate_extension
from selva_core.inference.known_latents import locate_earlier
from selva_core.inference.windows import plan_windows
from selva_core.models.nano_spec import NANO_SPEC
from tests.selva_core.engines.test_network import DOG, SHORT_WINDOWS_SPEC, build_engine

HELD = 2
SPEC = replace(SHORT_WINDOWS_SPEC, num_start_latents_held=HELD)
HEAD_S, EARLIER_S, TAIL_S = Fraction(7, 10), Fraction(2), Fraction(1, 2)
WHOLE_S = HEAD_S + EARLIER_S + TAIL_S
PER_SECOND = Fraction(SPEC.sample_rate_hz, SPEC.latent_hop_samples)


def render(engine: NetworkEngine, picture: PictureRange, request: StemRequest) -> Waveform:
    [waveform] = engine.render(
        picture,
        [request],
        settings=SamplingSettings(num_steps=2),
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )
    return waveform


def latents_of(waveform: Waveform) -> np.ndarray:
    assert waveform.latents is not None
    return waveform.latents


@pytest.fixture(scope="module")
def stems(footage_folder: Path) -> dict[str, Waveform]:
    """A stem, and the same with sound before and after it."""
    engine = build_engine(SPEC)
    whole = PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(1), duration_s=WHOLE_S)
    earlier = render(engine, whole.part(HEAD_S, EARLIER_S), DOG)
    extends = Extension(base=DOG, head_s=HEAD_S, tail_s=TAIL_S, base_latents=earlier.latents)
    request = StemRequest(prompt="dog barking", seed=9, extends=extends)
    with pytest.raises(ModelError, match="latents of the earlier stem are needed"):
        render(engine, whole, replace(request, extends=replace(extends, base_latents=None)))
    with pytest.raises(ModelError, match="render the whole stem again"):
        render(engine, whole.part(Fraction(0), WHOLE_S - 1), request)
    return {"earlier": earlier, "longer": render(engine, whole, request)}


def test_latents_of_the_earlier_stem_stay_and_others_are_made_beside_them(stems: dict[str, Waveform]) -> None:
    longer, earlier = latents_of(stems["longer"]), latents_of(stems["earlier"])
    first, num_old = round(HEAD_S * PER_SECOND), int(EARLIER_S * PER_SECOND)
    assert np.array_equal(longer[first + HELD : first + num_old], earlier[HELD:num_old])
    beside = np.concatenate([longer[: first + HELD], longer[first + num_old :]])
    assert beside.shape == (len(longer) - num_old + HELD, SPEC.generator.latent_channels)
    assert np.isfinite(beside).all()
    assert np.abs(beside).min(axis=1).all()


def test_what_is_decoded_near_the_joins_lies_on_the_samples_of_the_earlier_stem(
    stems: dict[str, Waveform],
) -> None:
    """700 ms are no whole number of latents: without the shift the sides would be apart by up to half a latent."""
    longer, earlier = stems["longer"], stems["earlier"]
    rate_hz, head = longer.sample_rate_hz, round(HEAD_S * longer.sample_rate_hz)
    assert HEAD_S * PER_SECOND % 1
    assert len(longer.samples) == round(WHOLE_S * rate_hz)
    inside = slice(
        round(EARLIER_S * rate_hz) - round(rate_hz * 0.2), round(EARLIER_S * rate_hz) - round(rate_hz * 0.1)
    )
    old, new = earlier.samples[inside], longer.samples[head + inside.start : head + inside.stop]
    assert np.corrcoef(old, new)[0, 1] > 0.9


@pytest.mark.parametrize("again", ["longer tail", "longer head", "stretch"])
def test_a_stem_whose_head_was_extended_before_fits_to_its_samples_again(
    stems: dict[str, Waveform], footage_folder: Path, again: str
) -> None:
    """Its samples are later than its latents by a part of a latent, and what is made next has to be as late."""
    engine, longer, rate_hz = build_engine(SPEC), stems["longer"], SPEC.sample_rate_hz
    file = longer.samples.copy()
    first = round(HEAD_S * rate_hz)
    file[first : first + len(stems["earlier"].samples)] = stems["earlier"].samples
    head_s, tail_s = (Fraction(3, 10) * (again == f"longer {side}") for side in ("head", "tail"))
    picture = PictureRange(
        path=footage_folder / "bikes.mp4", start_s=1 - head_s, duration_s=WHOLE_S + head_s + tail_s
    )
    extends = Extension(base=DOG, head_s=HEAD_S, tail_s=TAIL_S, base_latents=stems["earlier"].latents)
    base = StemRequest(prompt="dog barking", seed=9, extends=extends)
    request = StemRequest(prompt="dog barking", seed=10)
    if again == "stretch":
        redo = RedoneStretch(
            base=base, start_s=HEAD_S + 1, end_s=HEAD_S + EARLIER_S, base_latents=longer.latents
        )
        request = replace(request, redo=redo)
    else:
        more = Extension(base=base, head_s=head_s, tail_s=tail_s, base_latents=longer.latents)
        request = replace(request, extends=more)
    made = render(engine, picture, request).samples[round(head_s * rate_hz) :]
    near_join_s = {"longer head": Fraction(1, 5), "stretch": HEAD_S + Fraction(4, 5)}
    start = round(near_join_s.get(again, WHOLE_S - Fraction(1, 5)) * rate_hz)
    compared = slice(start, start + rate_hz // 10)
    likeness = np.corrcoef(file[compared], made[compared])[0, 1]
    assert likeness > 0.8
    delay_s = find_delay(request, SPEC, duration_s=picture.duration_s)
    assert abs(delay_s * PER_SECOND) <= Fraction(1, 2)


def test_only_what_is_new_and_its_margins_have_samples(stems: dict[str, Waveform]) -> None:
    longer = stems["longer"]
    heard_s = np.flatnonzero(longer.samples) / longer.sample_rate_hz
    silence_s = heard_s[1:][np.diff(heard_s) > 0.2], heard_s[:-1][np.diff(heard_s) > 0.2]
    slack_s = (2 + HELD) / float(PER_SECOND)
    assert [len(each) for each in silence_s] == [1, 1]
    assert float(HEAD_S + REDO_MARGIN_S) <= silence_s[1][0] <= float(HEAD_S + REDO_MARGIN_S) + slack_s
    end_s = float(HEAD_S + EARLIER_S - REDO_MARGIN_S)
    assert end_s - slack_s <= silence_s[0][0] <= end_s + slack_s


@pytest.mark.parametrize(("head_s", "tail_s"), [(0, 1), (1, 0), (1, 1)])
def test_every_latent_is_known_or_made(head_s: int, tail_s: int) -> None:
    for earlier_s in (Fraction(1, 50), Fraction(3), Fraction(1001, 240), Fraction(20)):
        num_latents = plan_windows(NANO_SPEC, earlier_s + head_s + tail_s).num_latents
        span = locate_earlier(
            NANO_SPEC,
            head_s=Fraction(head_s),
            earlier_s=earlier_s,
            tail_s=Fraction(tail_s),
            num_latents=num_latents,
        )
        made = [index for stretch in span.stretches for index in range(stretch.start, stretch.stop)]
        known = list(range(span.known.start, span.known.stop))
        assert sorted(made + known) == list(range(num_latents))
        assert (span.known.start == 0) == (head_s == 0)
        assert span.known.stop - span.first <= plan_windows(NANO_SPEC, earlier_s).num_latents


@pytest.mark.parametrize("num_held", [0, HELD])
@pytest.mark.parametrize("first_s", [Fraction(1, 240), Fraction(1, 25), Fraction(21, 10)])
def test_a_stem_that_goes_on_again_and_again_by_little_is_made_anew_on_each_side(
    num_held: int, first_s: Fraction
) -> None:
    """Less than half a latent was too little for a latent of its own: the new samples were silence, which faded into the old."""
    spec = replace(NANO_SPEC, num_start_latents_held=num_held)
    latent_s = Fraction(spec.latent_hop_samples, spec.sample_rate_hz)
    request, duration_s = DOG, first_s
    for head_s, tail_s in (
        (Fraction(1, 200), Fraction(0)),
        (Fraction(635, 1000), Fraction(1, 22050)),
        (Fraction(0), Fraction(813, 1000)),
        (Fraction(0), Fraction(1, 96000)),
        (Fraction(1, 96000), Fraction(535, 1000)),
    ):
        num_earlier = plan_windows(spec, duration_s).num_latents
        request = StemRequest(
            prompt="dog barking", seed=9, extends=Extension(base=request, head_s=head_s, tail_s=tail_s)
        )
        duration_s += head_s + tail_s
        num_latents = plan_windows(spec, duration_s).num_latents
        assert request.extends is not None
        span = locate_extension(request.extends, spec, duration_s=duration_s)
        made = [index for stretch in span.stretches for index in range(stretch.start, stretch.stop)]
        known = list(range(span.known.start, span.known.stop))
        assert sorted(made + known) == list(range(num_latents))
        assert not head_s or 0 in made
        assert not tail_s or num_latents - 1 in made
        assert not known or 0 <= span.known.start - span.first < span.known.stop - span.first <= num_earlier
        assert abs(span.delay_s) <= latent_s / 2


def test_a_head_shorter_than_half_a_latent_is_heard(footage_folder: Path) -> None:
    engine, head_s = build_engine(replace(SPEC, num_start_latents_held=0)), Fraction(1, 200)
    whole = PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(1), duration_s=1 + head_s)
    earlier = render(engine, whole.part(head_s, Fraction(1)), DOG)
    extends = Extension(base=DOG, head_s=head_s, tail_s=Fraction(0), base_latents=earlier.latents)
    longer = render(engine, whole, StemRequest(prompt="dog barking", seed=9, extends=extends))
    assert np.abs(latents_of(longer)[0] - latents_of(earlier)[0]).min() > 0
    assert np.array_equal(latents_of(longer)[1:32], latents_of(earlier)[1:32])
    head, rate_hz = round(head_s * longer.sample_rate_hz), longer.sample_rate_hz
    near = slice(rate_hz // 20, rate_hz // 10)
    old, new = earlier.samples[near], longer.samples[head + near.start : head + near.stop]
    assert np.corrcoef(old, new)[0, 1] > 0.5


def test_an_extension_of_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="not by 0 s altogether"):
        Extension(base=DOG, head_s=Fraction(0), tail_s=Fraction(0))
    with pytest.raises(RequestError, match="0 s or more"):
        Extension(base=DOG, head_s=Fraction(-1), tail_s=Fraction(2))

"""The sizes of selva-nano have the properties that its training relies on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.specs import GENERATOR_SMALL_16K, build_published_spec


def test_eight_seconds_have_ten_latents_per_segment() -> None:
    lengths = NANO_SPEC.lengths(Fraction(8))
    assert lengths.num_segments == 25
    assert lengths.num_latents == 250


def test_usual_guidance_is_converted_to_the_models_own() -> None:
    spec = replace(NANO_SPEC, usual_guidance=1.5)
    assert spec.own_guidance(4.5) == pytest.approx(1.5)
    assert spec.own_guidance(1.0) == pytest.approx(1.0)


def test_guidance_of_published_models_is_not_converted() -> None:
    spec = build_published_spec(GENERATOR_SMALL_16K)
    assert [spec.own_guidance(guidance) for guidance in (0.0, 1.0, 3.7, 4.5)] == [0.0, 1.0, 3.7, 4.5]


@pytest.mark.parametrize("noise_scale", [1.0, 0.5])
def test_noise_and_guidance_of_its_own_mark_the_samples_of_the_same_weights(noise_scale: float) -> None:
    guidances = (1.5, 2.0, 2.0000001)
    marks = {
        replace(NANO_SPEC, noise_scale=noise_scale, usual_guidance=guidance).sampling_mark
        for guidance in guidances
    }
    assert len({*marks, replace(NANO_SPEC, noise_scale=0.6).sampling_mark, ""}) == len(guidances) + 2


def test_published_models_have_no_mark_and_that_of_nano_stays() -> None:
    """The names of stems that exist, and what may be redone in them, hang on it."""
    assert build_published_spec(GENERATOR_SMALL_16K).sampling_mark == ""
    assert NANO_SPEC.sampling_mark == "noise 0.8 guidance 1.5 bridges"
    plain = replace(NANO_SPEC, video_encoder=replace(NANO_SPEC.video_encoder, bridges_segments=False))
    assert plain.sampling_mark == "noise 0.8 guidance 1.5"


def test_noise_of_no_scale_is_refused() -> None:
    assert replace(NANO_SPEC, noise_scale=0.1).noise_scale == 0.1
    with pytest.raises(ValueError, match="noise_scale is a positive number"):
        replace(NANO_SPEC, noise_scale=0.0)


def test_usual_guidance_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="guidance"):
        replace(NANO_SPEC, usual_guidance=0.5)

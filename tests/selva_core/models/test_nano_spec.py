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


def test_usual_guidance_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="guidance"):
        replace(NANO_SPEC, usual_guidance=0.5)

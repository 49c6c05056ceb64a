"""Render options and sampling settings check themselves against the limits."""

from __future__ import annotations

from typing import Any

import pytest

from selva_core.base.errors import RequestError
from selva_core.base.limits import MAX_SEED, MAX_TAKES
from selva_core.base.render_options import QUALITIES, RenderOptions, SamplingOptions, SamplingSettings
from selva_core.models.catalog import MODELS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_steps": 0}, "steps is 1 to 1000; got 0"),
        ({"num_steps": 1001}, "steps is 1 to 1000; got 1001"),
        ({"guidance": -0.1}, "guidance is 0 to 100; got -0.1"),
        ({"separate": -0.1}, "stems are separated by 0 to 4; got -0.1"),
        ({"separate": 4.1}, "stems are separated by 0 to 4; got 4.1"),
        ({"separate": float("nan")}, "stems are separated by 0 to 4; got nan"),
        ({"guidance": 100.5}, "guidance is 0 to 100; got 100.5"),
        ({"guidance": float("nan")}, "guidance is 0 to 100; got nan"),
        ({"quality": "best"}, "a quality is one of final, draft; got 'best'"),
    ],
)
@pytest.mark.parametrize("kind", [SamplingSettings, SamplingOptions])
def test_sampling_outside_the_limits_is_refused(
    kind: type[SamplingSettings | SamplingOptions], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        kind(**values)


def test_steps_that_are_not_asked_for_are_those_that_are_usual_for_model_and_quality() -> None:
    usual = {"final": 25, "draft": 8}
    assert SamplingOptions().settle(usual) == SamplingSettings(num_steps=25)
    assert SamplingOptions(quality="draft", guidance=3.0).settle(usual) == SamplingSettings(
        num_steps=8, guidance=3.0, quality="draft"
    )
    assert SamplingOptions(num_steps=3, quality="draft").settle(usual).num_steps == 3


def test_every_model_has_its_usual_steps_for_every_quality() -> None:
    for model in MODELS.values():
        assert set(model.usual_steps) == set(QUALITIES)
        assert SamplingOptions(quality="draft").settle(model.usual_steps).num_steps <= (
            SamplingOptions().settle(model.usual_steps).num_steps
        )
    assert MODELS["selva-small-16k"].usual_steps["final"] == 25  # the published recipe


@pytest.mark.parametrize(
    "values", [{"num_steps": 1, "guidance": 0.0}, {"num_steps": 1000, "guidance": 100.0}]
)
def test_sampling_at_the_limits_is_allowed(values: dict[str, Any]) -> None:
    settings = SamplingSettings(**values)
    assert {"num_steps": settings.num_steps, "guidance": settings.guidance} == values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_takes": 0}, "takes are 1 to 64; got 0"),
        ({"num_takes": MAX_TAKES + 1}, "takes are 1 to 64; got 65"),
        ({"seed": -1}, "a seed is an integer from 0"),
        ({"seed": MAX_SEED, "num_takes": 2}, "a seed is an integer from 0"),
        ({"sample_rate_hz": 7_999}, "8000 to 192000 Hz; got 7999"),
        ({"precision": "half"}, "one of auto, float32, bfloat16; got 'half'"),
        ({"priority": "urgent"}, "one of interactive, batch; got 'urgent'"),
    ],
)
def test_options_outside_the_limits_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        RenderOptions(**values)


def test_options_at_the_limits_are_allowed() -> None:
    last_seed_of_takes = MAX_SEED - MAX_TAKES + 1
    options = RenderOptions(
        num_takes=MAX_TAKES, seed=last_seed_of_takes, sample_rate_hz=192_000, priority="batch"
    )
    assert options.seed + options.num_takes - 1 == MAX_SEED

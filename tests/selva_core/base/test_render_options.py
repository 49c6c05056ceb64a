"""Render options and sampling settings check themselves against the limits."""

from __future__ import annotations

from typing import Any

import pytest

from selva_core.base.errors import RequestError
from selva_core.base.limits import MAX_SEED, MAX_TAKES
from selva_core.base.render_options import RenderOptions, SamplingSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_steps": 0}, "steps is 1 to 1000; got 0"),
        ({"num_steps": 1001}, "steps is 1 to 1000; got 1001"),
        ({"guidance": -0.1}, "guidance is 0 to 100; got -0.1"),
        ({"guidance": 100.5}, "guidance is 0 to 100; got 100.5"),
        ({"guidance": float("nan")}, "guidance is 0 to 100; got nan"),
    ],
)
def test_sampling_outside_the_limits_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        SamplingSettings(**values)


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

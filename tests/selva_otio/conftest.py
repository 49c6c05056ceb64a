"""Cuts of one rate, or of every rate there is."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder


@pytest.fixture
def cut_at_24() -> CutBuilder:
    return CutBuilder(rate_hz=24.0)


@pytest.fixture(params=list(RATES))
def rate_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def exact_rate_of() -> dict[str, Fraction]:
    return RATES


@pytest.fixture
def cut_with_hour_start(rate_name: str) -> CutBuilder:
    """Source offsets on media that starts at 10:00:00:00, a timeline that starts at 01:00:00:00."""
    rate = RATES[rate_name]
    return CutBuilder(
        rate_hz=float(rate), start_frame=ONE_HOUR_LABELS[rate_name], media_start_frame=36000 * round(rate)
    )

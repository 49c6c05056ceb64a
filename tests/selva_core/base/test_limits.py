"""Limits of a request: the published recipe is the default, and every default is allowed."""

from __future__ import annotations

from selva_core.base import limits


def test_the_defaults_are_the_published_recipe() -> None:
    assert (limits.DEFAULT_STEPS, limits.DEFAULT_GUIDANCE) == (25, 4.5)


def test_every_default_lies_within_its_own_limits() -> None:
    assert limits.MIN_STEPS <= limits.DEFAULT_STEPS <= limits.MAX_STEPS
    assert limits.MIN_GUIDANCE <= limits.DEFAULT_GUIDANCE <= limits.MAX_GUIDANCE
    assert 0 <= limits.DEFAULT_SEED <= limits.MAX_SEED
    assert limits.MIN_SAMPLE_RATE_HZ <= limits.DEFAULT_SAMPLE_RATE_HZ <= limits.MAX_SAMPLE_RATE_HZ


def test_the_largest_seed_fits_a_signed_64_bit_integer() -> None:
    assert limits.MAX_SEED == 2**63 - 1  # SQLite and MessagePack's int64 hold no more

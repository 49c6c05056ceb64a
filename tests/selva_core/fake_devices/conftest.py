"""One card for all tests of a module: torch learns the shapes of each operation once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_cuda import FakeCard, fake_card


@pytest.fixture(scope="module")
def card() -> Iterator[FakeCard]:
    with fake_card() as card:
        yield card

"""A hub on loopback for the tests of models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hub_server import HubServer
from tests.support.weights_files import CONTENT, PATH, REPOSITORY


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HubServer({(REPOSITORY, PATH): CONTENT}).running() as server:
        yield server

"""What the tests of all hosts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.settings import DaemonSettings
from tests.support.daemons import serving


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppPaths]:
    """Where the one daemon of a test file is found."""
    folder = tmp_path_factory.mktemp("selva")
    paths = AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")
    with serving(paths, DaemonSettings(drain_timeout_s=0.2)):
        yield paths

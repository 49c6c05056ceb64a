"""What the tests of all hosts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.settings import DaemonSettings
from tests.selva_plugins.tasks import write_movie
from tests.support.daemons import serving


@pytest.fixture(autouse=True)
def _libraries_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of the real libraries takes seconds, and is the subject of tests/selva_daemon/client/test_installation.py."""
    monkeypatch.setattr("selva_plugins.checks.find_broken_library", lambda paths: None)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppPaths]:
    """Where the one daemon of a test file is found."""
    folder = tmp_path_factory.mktemp("selva")
    paths = AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")
    with serving(paths, DaemonSettings(drain_timeout_s=0.2)):
        yield paths


@pytest.fixture
def own_paths(tmp_path: Path) -> AppPaths:
    """Folders of one test alone; no daemon runs there until the test starts one."""
    return AppPaths(state=tmp_path / "state", cache=tmp_path / "cache", config=tmp_path / "config")


@pytest.fixture
def daemon(own_paths: AppPaths) -> Iterator[AppPaths]:
    """Where a daemon for one test alone is found, whose jobs can be counted."""
    with serving(own_paths, DaemonSettings(drain_timeout_s=0.2)):
        yield own_paths


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_movie(tmp_path)

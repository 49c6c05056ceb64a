"""Tests of rendering through daemons of their own; see tests/support/daemon_fixtures.py."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from tests.selva_render.requested_cuts import make_cut
from tests.support.daemon_fixtures import (
    _no_leaks,
    _own_folders,
    client,
    clip,
    make_job,
    paths,
    start_daemon_process,
    start_server,
)
from tests.support.entry_points import declared_entry_points

__all__ = [
    "_no_leaks",
    "_own_folders",
    "client",
    "clip",
    "make_job",
    "paths",
    "start_daemon_process",
    "start_server",
]


@pytest.fixture
def bundle_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender of bundles is found as pyproject.toml declares it, whatever is installed."""
    monkeypatch.setattr("selva_otio.formats.request_bundle.sender.entry_points", declared_entry_points)


@pytest.fixture
def cut(tmp_path: Path) -> otio.schema.Timeline:
    return make_cut(tmp_path)

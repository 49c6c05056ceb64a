"""A daemon of each test's own; see tests/support/daemon_fixtures.py."""

from __future__ import annotations

from tests.support.daemon_fixtures import _no_leaks, _own_folders, client, paths, start_server

__all__ = ["_no_leaks", "_own_folders", "client", "paths", "start_server"]

"""Tests of rendering through daemons of their own; see tests/support/daemon_fixtures.py."""

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

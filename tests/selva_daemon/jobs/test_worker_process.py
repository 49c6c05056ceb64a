"""How a worker process is started."""

from __future__ import annotations

import pytest

from selva_daemon.jobs.worker_process import worker_environment


def test_a_worker_keeps_large_blocks_with_glibc_and_what_the_user_has_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    chosen = worker_environment({"PATH": "/bin", "MALLOC_TRIM_THRESHOLD_": "7"})
    assert chosen == {"PATH": "/bin", "MALLOC_TRIM_THRESHOLD_": "7", "MALLOC_MMAP_THRESHOLD_": "33554432"}
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert worker_environment({"PATH": "/bin"}) == {"PATH": "/bin"}

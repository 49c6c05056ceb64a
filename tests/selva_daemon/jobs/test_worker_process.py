"""How a worker process is started, and how its end is described."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import zmq

from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import AppPaths
from selva_daemon.jobs.worker_process import (
    WorkerProcess,
    open_inbox,
    worker_arguments,
    worker_environment,
    worker_program,
)
from selva_daemon.settings import DaemonSettings


def test_a_worker_keeps_large_blocks_with_glibc_and_what_the_user_has_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    chosen = worker_environment({"PATH": "/bin", "MALLOC_TRIM_THRESHOLD_": "7"})
    assert chosen == {"PATH": "/bin", "MALLOC_TRIM_THRESHOLD_": "7", "MALLOC_MMAP_THRESHOLD_": "33554432"}
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert worker_environment({"PATH": "/bin"}) == {"PATH": "/bin"}


def test_a_cluster_needs_ray_and_the_devices_of_this_machine_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert worker_program(DaemonSettings())[-1] == "selva_daemon.worker.worker"
    with pytest.raises(ConfigurationError, match=r"executor ray needs Ray.*selva-bridge\[ray\]"):
        worker_program(DaemonSettings(executor="ray"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert worker_program(DaemonSettings(executor="ray"))[-1] == "selva_daemon.worker.cluster.worker"


def test_only_the_worker_of_a_cluster_is_given_its_address_and_limits(tmp_path: Path) -> None:
    paths = AppPaths(state=tmp_path, cache=tmp_path, config=tmp_path)
    there = worker_arguments(paths, DaemonSettings(executor="head:6379", stall_timeout_s=9), device="auto")
    here = worker_arguments(paths, DaemonSettings(stall_timeout_s=9), device="auto")
    assert set(there) - set(here) == {"--executor=head:6379", "--stall-timeout=9", "--cancel-grace=30"}
    assert set(here) <= set(there)


def run_until_it_ends(folder: Path, program: str) -> str:
    """How a worker ended, whose whole program is `program`."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    inbox = open_inbox(context)
    worker = WorkerProcess(
        context,
        [sys.executable, "-c", program],
        generation=b"1",
        folder=folder,
        output_file=folder / "output.log",
    )
    try:
        assert worker.wait(30)
        return worker.describe_end()
    finally:
        worker.close()
        inbox.close()
        context.term()


def test_the_end_of_a_worker_is_described_with_what_it_printed_last(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_text("of an earlier worker\n", encoding="utf-8")
    end = run_until_it_ends(
        tmp_path, "import sys; sys.exit('libtorch_cpu.so: cannot open\\x07 shared object file')"
    )
    assert end == (
        "it ended with exit code 1; it printed last: libtorch_cpu.so: cannot open shared object file "
        f"(more in {tmp_path / 'output.log'})"
    )


def test_a_worker_that_printed_nothing_is_not_described_by_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "output.log").write_text("of an earlier worker\n", encoding="utf-8")
    assert run_until_it_ends(tmp_path, "import sys; sys.exit(3)") == "it ended with exit code 3"

"""What `import selva_daemon` offers, and the ways in which earlier versions started its programs."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import selva_core
import selva_daemon
from selva_core.base.paths import AppPaths
from selva_daemon import AsyncClient, Client
from selva_daemon.client import async_client, client
from tests.support.daemons import end_process_tree, wait_until


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_clients_are_found_at_the_top() -> None:
    assert Client is client.Client
    assert AsyncClient is async_client.AsyncClient


@pytest.mark.parametrize("name", selva_daemon.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(selva_daemon, name).__name__ == name


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Server'"):
        _ = selva_daemon.Server


def test_importing_the_package_opens_nothing() -> None:
    done = run("-c", "import sys, selva_daemon; print(*sys.modules)")
    assert not {"zmq", "msgspec", "sqlite3"} & set(done.stdout.split())


def test_the_module_is_the_command_line() -> None:
    """Scripts that hosts installed until version 0.1.0 call `python -m selva_daemon`."""
    done = run("-m", "selva_daemon", "--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"selva {selva_core.__version__}"), done.stderr
    refused = run("-m", "selva_daemon", "jobs", "show")
    assert refused.returncode == 2
    assert "jobs show" in refused.stderr


def test_without_an_installed_command_line_the_module_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from selva_daemon import __main__ as module  # noqa: PLC0415 - a program, not a library

    monkeypatch.setattr(module, "entry_points", lambda **_: metadata.EntryPoints())
    assert module.main() == 1
    assert "pip install" in capsys.readouterr().err


def test_a_daemon_of_an_earlier_version_can_start_workers() -> None:
    done = run("-m", "selva_daemon.worker", "--help")
    assert (done.returncode, "--stem-cache" in done.stdout) == (0, True)


def test_the_daemon_is_started_by_the_earlier_name_of_its_module(paths: AppPaths) -> None:
    daemon = subprocess.Popen([sys.executable, "-m", "selva_daemon.service"], stdout=subprocess.PIPE)
    try:
        wait_until(paths.connection_file.exists, "the daemon to listen")
        with Client.connect(paths=paths) as connected:
            assert connected.status().processes[0].pid == daemon.pid
            connected.shutdown()
        assert daemon.wait(30) == 0
    finally:
        end_process_tree(daemon.pid)
        daemon.communicate()

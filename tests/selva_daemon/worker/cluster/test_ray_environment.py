"""What is set for Ray before it is loaded, and where a Ray of our own has its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selva_daemon.worker.cluster import ray_environment
from selva_daemon.worker.cluster.ray_environment import make_own_folder, prepare


def test_folder_is_closed_to_others_and_those_of_ended_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stale = tmp_path / f"selva-ray-{ended.pid}-abc123"
    (stale / "session" / "logs").mkdir(parents=True)
    others = [tmp_path / f"selva-ray-{os.getpid()}-abc123", tmp_path / "selva-ray-mine"]
    for other in others:
        other.mkdir()
    made = make_own_folder(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([made, *others])
    if os.name == "posix":
        assert made.stat().st_mode & 0o077 == 0


def test_sockets_in_it_have_paths_that_every_system_takes() -> None:
    made = make_own_folder()
    made.rmdir()
    assert (
        os.name != "posix"
        or len(str(made)) + len("/r/session_2026-12-01_04-02-31_416522_4194304/sockets/plasma_store") <= 103
    )


def test_only_a_ray_of_our_own_without_a_folder_of_the_users_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_environment, "make_own_folder", lambda: tmp_path)
    monkeypatch.setattr(os, "environ", {})
    assert prepare("10.0.0.5:6379") is None
    assert "RAY_AUTH_MODE" not in os.environ
    assert prepare("ray") == tmp_path
    assert (os.environ["RAY_AUTH_MODE"], len(os.environ["RAY_AUTH_TOKEN"])) == ("token", 64)
    os.environ["RAY_TMPDIR"] = str(tmp_path)
    assert prepare("ray") is None

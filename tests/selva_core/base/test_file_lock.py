"""One holder among all processes; the system releases the lock of a holder that dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from selva_core.base.errors import LockHeldError
from selva_core.base.file_lock import FileLock

HOLD_LOCK = """
import sys
from pathlib import Path
from selva_core.base.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its standard input ends or it is killed."""
    command = [sys.executable, "-c", HOLD_LOCK, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_lock_that_another_process_holds_is_refused_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "daemon.lock"
    with another_holder(file), pytest.raises(LockHeldError) as refusal:
        FileLock(file).acquire()
    assert str(file) in str(refusal.value)
    assert refusal.value.facts == {"path": str(file)}
    assert refusal.value.retryable


def test_a_holder_that_is_killed_leaves_the_lock_free(tmp_path: Path) -> None:
    file = tmp_path / "daemon.lock"
    with another_holder(file) as process:
        process.kill()
        process.wait()
        lock = FileLock(file)
        lock.acquire()
        lock.release()


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    file = tmp_path / "watch.lock"
    first, second = FileLock(file), FileLock(file)
    first.acquire()
    with pytest.raises(LockHeldError):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_released_lock_is_taken_again_and_released_twice_without_harm(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "watch.lock")
    lock.acquire()
    lock.release()
    lock.release()
    lock.acquire()
    lock.release()


def test_a_lock_file_in_a_folder_that_is_a_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):  # noqa: PT011 - which one, the system decides
        FileLock(tmp_path / "file" / "daemon.lock").acquire()

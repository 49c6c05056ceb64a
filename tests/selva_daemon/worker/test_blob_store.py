"""Content-addressed files: whole or not there, limited in size, shared between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selva_daemon.worker.blob_store import BlobStore

KEY, OTHER_KEY = "a" * 64, "b" * 64
LONG_AGO_S = 1_500_000_000


def store_at(folder: Path, *, max_bytes: int = 1 << 20) -> BlobStore:
    return BlobStore(folder, max_bytes=max_bytes)


def test_stored_bytes_are_returned_and_missing_ones_are_none(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    assert store.get(KEY) is None
    store.put(KEY, b"sound")
    assert store.get(KEY) == b"sound"
    assert store_at(tmp_path).get(KEY) == b"sound"
    assert store.get(OTHER_KEY) is None


def test_a_damaged_entry_is_dropped_and_can_be_stored_again(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.put(KEY, b"sound")
    (file,) = tmp_path.glob("??/*")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert store.get(KEY) is None
    assert not file.exists()
    store.put(KEY, b"sound")
    assert store.get(KEY) == b"sound"


def test_the_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    store = store_at(tmp_path, max_bytes=5_000)
    keys = [f"{index:064x}" for index in range(5)]
    for age, key in enumerate(keys[:4]):
        store.put(key, b"x" * 1_000)
        os.utime(tmp_path / key[:2] / key, (LONG_AGO_S + age, LONG_AGO_S + age))
    assert store.get(keys[0]) is not None  # used: now the youngest
    store.put(keys[4], b"x" * 1_000)
    assert store.get(keys[0]) is not None
    assert store.get(keys[1]) is None
    assert store.info().size_bytes <= 5_000


def test_entries_of_another_process_count_towards_the_limit(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from selva_daemon.worker.blob_store import BlobStore\n"
        "store = BlobStore(Path(sys.argv[1]), max_bytes=10_000)\n"
        "for index in range(40): store.put(f'{int(sys.argv[2]) + index:064x}', bytes(1_000))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(start)]) for start in (0, 1_000)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    store = store_at(tmp_path, max_bytes=10_000)
    store.put(KEY, bytes(1_000))
    assert store.info().size_bytes <= 10_000
    assert store.get(KEY) is not None


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_what_is_larger_than_the_store_is_not_stored(max_bytes: int, tmp_path: Path) -> None:
    store = store_at(tmp_path, max_bytes=max_bytes)
    store.put(KEY, bytes(1_000))
    assert store.info().num_entries == 0


def test_a_store_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_bytes(b"a file where the folder should be")
    store = store_at(in_the_way)
    store.put(KEY, b"sound")
    assert store.get(KEY) is None


def test_clear_removes_all_entries_and_returns_what_there_was(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.put(KEY, b"sound")
    store.put(OTHER_KEY, b"more sound")
    assert store.clear().num_entries == 2
    assert store.info().num_entries == 0


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_a_key_that_is_no_hash_never_becomes_a_path(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        store_at(tmp_path).get(key)

"""A folder of content-addressed files: size-limited, safe between processes.

An entry is written under a temporary name and renamed, so a reader sees all of it or nothing; it carries
its own hash, so a damaged one is noticed and dropped. Using an entry touches its modification time, by which it is
decided which go when the folder is full (`selva_daemon.worker.eviction`).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.atomic_write import staged_file
from selva_daemon.worker.eviction import Entry, Eviction, least_recent_first

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{64}")
_HASH_BYTES = hashlib.sha256().digest_size
SPARE_AFTER_TRIM = 0.9
STALE_TEMPORARY_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    folder: Path
    num_entries: int
    size_bytes: int
    max_bytes: int


class BlobStore:
    """Bytes under 64-digit hex keys. max_bytes 0 stores nothing."""

    def __init__(self, folder: Path, *, max_bytes: int, eviction: Eviction = least_recent_first) -> None:
        self._folder = folder
        self._eviction = eviction
        self._max_bytes = max_bytes
        self._size_bytes: int | None = None

    def has(self, key: str) -> bool:
        """Whether there is an entry now."""
        return self._file(key).is_file()

    def get(self, key: str) -> bytes | None:
        """The bytes, or None when they are not there (or not whole: then the entry is dropped)."""
        file = self._file(key)
        try:
            content = file.read_bytes()
            os.utime(file)
        except FileNotFoundError:
            return None
        except OSError as exc:
            _log.warning("a cache entry cannot be read: %s", exc, extra={"path": str(file)})
            return None
        blob = content[_HASH_BYTES:]
        if hashlib.sha256(blob).digest() != content[:_HASH_BYTES]:
            _log.warning("a damaged cache entry was dropped", extra={"path": str(file)})
            _remove(file)
            return None
        return blob

    def drop(self, key: str) -> None:
        """Remove the entry, if there is one."""
        _remove(self._file(key))

    def put(self, key: str, blob: bytes) -> None:
        """Store the bytes; a full disk costs the entry, never the caller."""
        size_bytes = len(blob) + _HASH_BYTES
        if size_bytes > self._max_bytes:
            return
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not flushed, which takes longer than the write: the hash shows an entry that a power cut has left incomplete.
            with staged_file(file, flush=False) as temporary, temporary.open("wb") as stream:
                stream.write(hashlib.sha256(blob).digest())
                stream.write(blob)
        except OSError as exc:
            _log.warning("a cache entry was not stored: %s", exc, extra={"path": str(file)})
            return
        if self._size_bytes is not None:
            self._size_bytes += size_bytes
        self._trim()

    def info(self) -> StoreInfo:
        sizes = [size for _, size, _ in self._entries()]
        return StoreInfo(
            folder=self._folder, num_entries=len(sizes), size_bytes=sum(sizes), max_bytes=self._max_bytes
        )

    def clear(self) -> StoreInfo:
        """Remove every entry; returns what there was."""
        before = self.info()
        for _, _, file in self._entries():
            _remove(file)
        self._size_bytes = None
        return before

    def _trim(self) -> None:
        """Drop entries until a tenth of the limit is free; other processes' entries count too."""
        if self._size_bytes is not None and self._size_bytes <= self._max_bytes:
            return
        entries = self._entries()
        self._size_bytes = sum(size for _, size, _ in entries)
        if self._size_bytes <= self._max_bytes:
            return
        target_bytes = int(self._max_bytes * SPARE_AFTER_TRIM)
        for _, size, file in self._eviction(entries, target_bytes, time.time()):
            if self._size_bytes <= target_bytes:
                break
            if _remove(file):
                self._size_bytes -= size

    def _entries(self) -> list[Entry]:
        """Remains of crashes are swept up on the way."""
        entries = []
        for file in self._folder.glob("??/*"):
            try:
                status = file.stat()
            except OSError:
                continue  # another process removed it
            if _KEY.fullmatch(file.name):
                entries.append((status.st_mtime, status.st_size, file))
            elif file.suffix == ".part" and time.time() - status.st_mtime > STALE_TEMPORARY_S:
                _remove(file)
        return entries

    def _file(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"a key is 64 hex digits; got {key!r}")
        return self._folder / key[:2] / key


def _remove(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False  # gone already, or open in another process on Windows
    return True

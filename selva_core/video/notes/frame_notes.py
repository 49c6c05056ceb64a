"""Notes on single frames of files, made where they are read and asked for where results are written.

A register is process-wide, because frames are read far below the code that writes warnings. This module is light: it imports
neither av nor numpy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange

_MAX_FILES = 256
_MAX_TIMES = 4096


class FrameNotes:
    """Media times of frames of which one thing was noted, by file. Safe to use from several threads."""

    def __init__(self) -> None:
        self._noted: dict[str, dict[str, set[Fraction]]] = {}
        self._lock = threading.Lock()

    def note(self, path: Path, times_s: Iterable[Fraction]) -> None:
        """Note media times. Those of an earlier version of the file are forgotten."""
        noted = set(times_s)
        if not noted:
            return
        stamp = _stamp_of(path)
        with self._lock:
            while len(self._noted) >= _MAX_FILES and str(path) not in self._noted:
                self._noted.pop(next(iter(self._noted)))
            known = self._noted.setdefault(str(path), {}).get(stamp, set())
            self._noted[str(path)] = {stamp: set(sorted(known | noted)[:_MAX_TIMES])}

    def times_in(self, picture: PictureRange) -> Sequence[Fraction]:
        """The times that were noted inside a range, ascending; empty for a file that has changed since."""
        with self._lock:
            by_stamp = dict(self._noted.get(str(picture.path), {}))
        noted = by_stamp.get(_stamp_of(picture.path)) if by_stamp else None
        if not noted:
            return ()
        far_s = picture.start_s + picture.speed * picture.duration_s
        first_s, last_s = min(picture.start_s, far_s), max(picture.start_s, far_s)
        return sorted(at_s for at_s in noted if first_s <= at_s <= last_s)


def _stamp_of(path: Path) -> str:
    """A text that changes with the file, or, of an image sequence, with the files in its folder; empty where neither is there."""
    try:
        status = path.stat()
    except OSError:
        try:
            return f"{path.parent.stat().st_mtime_ns}"
        except OSError:
            return ""
    return f"{status.st_size} {status.st_mtime_ns}"

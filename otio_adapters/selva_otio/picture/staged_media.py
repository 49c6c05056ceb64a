"""Files that a timeline names by the path they will have: their folder is still filled under a temporary name.

Results appear whole: a folder is filled under a temporary name and renamed at the end. A timeline in it must name its stems by
their last path, and writers that look into stems (their WAV headers, the files that a bundle packs) must find them where they
are now. Within `staged_media` the functions that open such files ask `locate_staged`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_staged: ContextVar[tuple[tuple[Path, Path], ...]] = ContextVar("staged", default=())


@contextmanager
def staged_media(*moves: tuple[Path, Path]) -> Iterator[None]:
    """moves: pairs of the path that a folder or file will have and the one it has now. Holds in this thread."""
    token = _staged.set((*moves, *_staged.get()))
    try:
        yield
    finally:
        _staged.reset(token)


def locate_staged(path: Path) -> Path:
    """Where a file is now: `path` itself, unless it lies in a folder that is staged."""
    for last, now in _staged.get():
        if path == last:
            return now
        if path.is_relative_to(last):
            return now / path.relative_to(last)
    return path

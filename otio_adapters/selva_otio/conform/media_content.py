"""Whether two media files hold the same, for media that were renamed or moved between two cuts."""

from __future__ import annotations

import hashlib
from pathlib import Path

_SAMPLE_BYTES = 256 * 1024


class ContentComparison:
    """Compares media files by size and by what they begin and end with; each file is read once."""

    def __init__(self) -> None:
        self._marks: dict[str, tuple[int, str] | None] = {}

    def compare(self, old: str, new: str) -> bool | None:
        """None where one of them is no file that can be read."""
        marks = self._mark(old), self._mark(new)
        return None if None in marks else marks[0] == marks[1]

    def _mark(self, media: str) -> tuple[int, str] | None:
        if media not in self._marks:
            self._marks[media] = _read_mark(Path(media))
        return self._marks[media]


def _read_mark(path: Path) -> tuple[int, str] | None:
    """Size and a hash of the first, middle and last quarter megabyte; None for what is no readable file."""
    try:
        if not path.is_file():
            return None
        size_bytes = path.stat().st_size
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for start in (0, size_bytes // 2, max(0, size_bytes - _SAMPLE_BYTES)):
                file.seek(start)
                digest.update(file.read(_SAMPLE_BYTES))
    except (OSError, ValueError):
        return None
    return size_bytes, digest.hexdigest()

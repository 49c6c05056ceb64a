"""The identity of a media file, without reading all of it.

Size, modification time and the hash of its beginning, middle and end. Small files, and files changed a
moment ago (whose time stamp may not tell two versions apart), are hashed as a whole. Of an image sequence, sizes and
times of all images count, and the hash of the first, middle and last.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.media import PictureRange
from selva_core.video.regular_file import require_file
from selva_core.video.sequence_files import find_images

PART_BYTES = 1 << 20
WHOLE_BELOW_BYTES = 8 << 20
YOUNG_S = 5.0
SETTLED_S = 60.0
"""Longer than a clock's tick on any file system, and than Linux takes to write out pages that a program maps: until then it may
write to them without a new time of change.
"""
MAX_REMEMBERED_FILES = 4096
HAS_CHANGE_TIMES = sys.platform != "win32"
"""Whether files say when they were last changed in any way. Times of modification can be set back by any program."""


@dataclass(frozen=True, kw_only=True)
class MediaIdentity:
    """Equal identities mean the same bytes. `modified_ns` is 0 when the whole file was hashed: then time
    does not matter.
    """

    size_bytes: int
    modified_ns: int
    sha256: str


OnHashed: TypeAlias = Callable[[int, int], None]
"""Called while a file is hashed, with the bytes read so far and the size of all; may raise to stop."""


@dataclass(frozen=True, kw_only=True)
class MediaState:
    """The files of a picture as the file system tells of them: of each its size, time of modification and of change (on Windows
    of creation) in nanoseconds, and number. It differs when a file was written to or replaced in between.
    """

    files: tuple[tuple[int, int, int, int], ...]


def read_state(media: PictureRange) -> MediaState:
    """The state of the file or of all images of a sequence. Raises MediaNotFoundError, MediaUnreadableError."""
    if media.images is None:
        paths = [media.path]
    else:
        sequence = find_images(media.path, media.images)
        paths = [sequence.pattern.file(number) for number in sequence.present]
    try:
        found = [path.stat() for path in paths]
    except FileNotFoundError as exc:
        raise _not_found(media.path) from exc
    except OSError as exc:
        raise _unreadable(media.path, exc) from exc
    return MediaState(files=tuple((s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for s in found))


def require_unchanged(media: PictureRange, before: MediaState) -> None:
    """Raises MediaUnreadableError when the files differ from `before`, MediaNotFoundError."""
    if read_state(media) != before:
        raise MediaUnreadableError(
            f"{media.path} changed while it was read, so that its stems would mix two pictures; none were made. "
            "Wait until whatever writes it has finished, and render again",
            path=str(media.path),
        )


@dataclass(kw_only=True)
class _Seen:
    """A version of a file: when it was seen first, by the clock of RememberedHashes, and its hash where it is remembered."""

    first_s: float
    sha256: str | None = None


class RememberedHashes:
    """Hashes of files that have not changed since: many clips of a cut show the same few files.

    A file is the same while its device, number, size, time of modification and time of change are; the last is set by the
    system with every write and cannot be set back. A hash is remembered only when it was read SETTLED_S after the same times
    were seen first: a later write then has another time, however coarse, and wrong, the clock of the file's system is. In
    memory only, of the files used last; safe between threads.
    """

    def __init__(
        self, *, max_files: int = MAX_REMEMBERED_FILES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_files = max_files
        self._clock = clock
        self._seen: OrderedDict[tuple[int, ...], _Seen] = OrderedDict()
        self._lock = threading.Lock()

    def hash(self, file: BinaryIO, read: Callable[[], str]) -> str:
        """The hash of an open file: what was remembered, or what `read` gives."""
        if not HAS_CHANGE_TIMES:
            return read()
        begun_s, version = self._clock(), _version(file)
        with self._lock:
            seen = self._seen.setdefault(version, _Seen(first_s=begun_s))
            self._seen.move_to_end(version)
            while len(self._seen) > self._max_files:
                self._seen.popitem(last=False)
            if seen.sha256 is not None:
                return seen.sha256
        sha256 = read()
        if begun_s - seen.first_s >= SETTLED_S and _version(file) == version:
            seen.sha256 = sha256
        return sha256


def _version(file: BinaryIO) -> tuple[int, ...]:
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


_REMEMBERED = RememberedHashes()


def identify_media(
    path: Path,
    *,
    now_s: float | None = None,
    on_hashed: OnHashed = lambda done, total: None,
    remembered: RememberedHashes = _REMEMBERED,
) -> MediaIdentity:
    """Raises MediaNotFoundError, MediaUnreadableError, and what `on_hashed` raises."""
    if path.exists():
        require_file(path)  # opening a named pipe would wait for ever
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            whole = status.st_size <= WHOLE_BELOW_BYTES or _is_young(status, now_s)
            read = (
                partial(_hash_whole, file, partial(_report_share, on_hashed, status.st_size))
                if whole
                else partial(_hash_parts, file, status.st_size)
            )
            # The whole of a big young file is no hash of its parts.
            is_usual = status.st_size <= WHOLE_BELOW_BYTES or not whole
            digest = remembered.hash(file, read) if is_usual else read()
    except FileNotFoundError as exc:
        raise _not_found(path) from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    return MediaIdentity(
        size_bytes=status.st_size, modified_ns=0 if whole else status.st_mtime_ns, sha256=digest
    )


def identify_picture(
    media: PictureRange, *, now_s: float | None = None, on_hashed: OnHashed = lambda done, total: None
) -> MediaIdentity:
    """The identity of the file or image sequence of a job. Raises MediaError, and what `on_hashed` raises."""
    if media.images is None:
        return identify_media(media.path, now_s=now_s, on_hashed=on_hashed)
    sequence = find_images(media.path, media.images)
    try:
        found = {number: sequence.pattern.file(number).stat() for number in sequence.present}
        size_bytes = sum(status.st_size for status in found.values())
        whole = size_bytes <= WHOLE_BELOW_BYTES
        sampled = {sequence.present[0], sequence.present[len(sequence.present) // 2], sequence.present[-1]}
        for number, status in found.items():
            if not stat.S_ISREG(status.st_mode):
                require_file(sequence.pattern.file(number))  # says what it is
        digest = hashlib.sha256()
        done_bytes = 0
        for number, status in found.items():
            on_hashed(done_bytes, size_bytes)
            done_bytes += status.st_size
            digest.update(f"{number} {status.st_size} {0 if whole else status.st_mtime_ns}\n".encode())
            if whole or number in sampled or _is_young(status, now_s):
                with sequence.pattern.file(number).open("rb") as file:
                    digest.update(_hash_whole(file).encode())
    except OSError as exc:
        message = f"the images {media.path} cannot be read: {exc.strerror or exc}"
        raise MediaUnreadableError(message, path=str(media.path)) from exc
    newest_ns = max(status.st_mtime_ns for status in found.values())
    return MediaIdentity(
        size_bytes=size_bytes, modified_ns=0 if whole else newest_ns, sha256=digest.hexdigest()
    )


def _is_young(status: os.stat_result, now_s: float | None) -> bool:
    """Whether the file may have been changed twice within one tick of its time stamp.

    A time in the future, as from a file server whose clock is ahead, says nothing about that; if it counted, every job would
    hash the whole of every file there.
    """
    return abs((time.time() if now_s is None else now_s) - status.st_mtime) < YOUNG_S


def _not_found(path: Path) -> MediaNotFoundError:
    return MediaNotFoundError(
        f"there is no file {path}; was it moved or its drive unmounted?", path=str(path)
    )


def _unreadable(path: Path, error: OSError) -> MediaUnreadableError:
    return MediaUnreadableError(f"{path} cannot be read: {error.strerror or error}", path=str(path))


def _report_share(on_hashed: OnHashed, total_bytes: int, done_bytes: int) -> None:
    on_hashed(done_bytes, total_bytes)


def _hash_whole(file: BinaryIO, on_hashed: Callable[[int], None] = lambda done: None) -> str:
    digest = hashlib.sha256()
    done_bytes = 0
    while block := file.read(PART_BYTES):
        digest.update(block)
        done_bytes += len(block)
        on_hashed(done_bytes)
    return digest.hexdigest()


def _hash_parts(file: BinaryIO, size_bytes: int) -> str:
    digest = hashlib.sha256()
    for start in (0, (size_bytes - PART_BYTES) // 2, size_bytes - PART_BYTES):
        file.seek(start)
        digest.update(file.read(PART_BYTES))
    return digest.hexdigest()

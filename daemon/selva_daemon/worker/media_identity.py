"""Who a media file is, without reading all of it.

Size, modification time and the hash of its beginning, middle and end. Small files, and files changed a
moment ago (whose time stamp may not tell two versions apart), are hashed as a whole. Of an image sequence, sizes and
times of all images count, and the hash of the first, middle and last.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.media import PictureRange
from selva_core.video.regular_file import require_file
from selva_core.video.sequence_files import find_images

PART_BYTES = 1 << 20
WHOLE_BELOW_BYTES = 8 << 20
YOUNG_S = 5.0


@dataclass(frozen=True, kw_only=True)
class MediaIdentity:
    """Equal identities mean the same bytes. `modified_ns` is 0 when the whole file was hashed: then time
    does not matter.
    """

    size_bytes: int
    modified_ns: int
    sha256: str


def identify_media(path: Path, *, now_s: float | None = None) -> MediaIdentity:
    """Raises MediaNotFoundError, MediaUnreadableError."""
    if path.exists():
        require_file(path)  # opening a named pipe would wait for ever
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            age_s = (time.time() if now_s is None else now_s) - facts.st_mtime
            whole = facts.st_size <= WHOLE_BELOW_BYTES or age_s < YOUNG_S
            digest = _hash_whole(file) if whole else _hash_parts(file, facts.st_size)
    except FileNotFoundError as exc:
        raise MediaNotFoundError(
            f"there is no file {path}; was it moved or its drive unmounted?", path=str(path)
        ) from exc
    except OSError as exc:
        raise MediaUnreadableError(f"{path} cannot be read: {exc.strerror or exc}", path=str(path)) from exc
    return MediaIdentity(
        size_bytes=facts.st_size, modified_ns=0 if whole else facts.st_mtime_ns, sha256=digest
    )


def identify_picture(media: PictureRange, *, now_s: float | None = None) -> MediaIdentity:
    """Who the file or the image sequence of a job is. Raises MediaError."""
    if media.images is None:
        return identify_media(media.path, now_s=now_s)
    laid = find_images(media.path, media.images)
    now_s = time.time() if now_s is None else now_s
    try:
        found = {number: laid.pattern.file(number).stat() for number in laid.present}
        size_bytes = sum(status.st_size for status in found.values())
        whole = size_bytes <= WHOLE_BELOW_BYTES
        looked_into = {laid.present[0], laid.present[len(laid.present) // 2], laid.present[-1]}
        for number, status in found.items():
            if not stat.S_ISREG(status.st_mode):
                require_file(laid.pattern.file(number))  # says what it is
        digest = hashlib.sha256()
        for number, status in found.items():
            digest.update(f"{number} {status.st_size} {0 if whole else status.st_mtime_ns}\n".encode())
            if whole or number in looked_into or now_s - status.st_mtime < YOUNG_S:
                with laid.pattern.file(number).open("rb") as file:
                    digest.update(_hash_whole(file).encode())
    except OSError as exc:
        message = f"the images {media.path} cannot be read: {exc.strerror or exc}"
        raise MediaUnreadableError(message, path=str(media.path)) from exc
    newest_ns = max(status.st_mtime_ns for status in found.values())
    return MediaIdentity(
        size_bytes=size_bytes, modified_ns=0 if whole else newest_ns, sha256=digest.hexdigest()
    )


def _hash_whole(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(PART_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _hash_parts(file: BinaryIO, size_bytes: int) -> str:
    digest = hashlib.sha256()
    for start in (0, (size_bytes - PART_BYTES) // 2, size_bytes - PART_BYTES):
        file.seek(start)
        digest.update(file.read(PART_BYTES))
    return digest.hexdigest()

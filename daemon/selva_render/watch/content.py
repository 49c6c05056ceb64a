"""What makes two inputs the same: the bytes of their files, what is heard in them, and how it is rendered.

Files up to WHOLE_BELOW_BYTES are read whole. Of a larger one its beginning, middle and end are, and its size and time of change
count: an hour of picture is 100 GB, and reading it over a network takes as long as rendering it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from selva_core.base.regular_file import open_regular
from selva_render.watch.inbox import BUNDLE, IMAGES, TIMELINE, InboxItem

WHOLE_BELOW_BYTES = 64 << 20
PART_BYTES = 1 << 20


def compute_content_key(item: InboxItem, name: str, *, prompts: str, options: str) -> str:
    """A hash that is the same for the same input, also under another name where that changes nothing.

    name: the item's path in the watch folder. A timeline may name media relative to its own folder, so that its folder counts; a
    bundle holds its stems itself, so that its whole name counts. prompts, options: texts that change when these do. Raises
    OSError where a file cannot be opened or read, which is also how a file that Windows is still copying answers.
    """
    digest = hashlib.sha256()
    place = {BUNDLE: name, TIMELINE: name.rpartition("/")[0]}.get(item.kind, "")
    rivals = [rival.name for rival in item.rivals]
    digest.update(json.dumps([item.kind, place, prompts, options, rivals]).encode())
    if item.kind == IMAGES:  # they may be thousands of 50 MB: their sizes and times count
        digest.update(json.dumps(item.take_fingerprint()[-1]).encode())
        return digest.hexdigest()
    # The cue sheet counts by what is read from it, which is in `prompts`.
    for file in item.iter_files():
        if file != item.cues:
            is_inside = file != item.path
            digest.update(json.dumps([str(file.relative_to(item.path)) if is_inside else ""]).encode())
            digest.update(hash_file(file))
    return digest.hexdigest()


def hash_file(file: Path) -> bytes:
    """Raises OSError."""
    with open_regular(file) as stream:
        status = os.fstat(stream.fileno())
        digest = hashlib.sha256(b"%d" % status.st_size)
        if status.st_size <= WHOLE_BELOW_BYTES:
            for block in _iter_blocks(stream, status.st_size):
                digest.update(block)
            return digest.digest()
        digest.update(b"%d" % status.st_mtime_ns)
        for start in (0, (status.st_size - PART_BYTES) // 2, status.st_size - PART_BYTES):
            stream.seek(start)
            digest.update(stream.read(PART_BYTES))
        return digest.digest()


def _iter_blocks(stream: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """A file that grows meanwhile is read no further than it was."""
    left = size_bytes
    while left > 0 and (block := stream.read(min(left, PART_BYTES))):
        left -= len(block)
        yield block

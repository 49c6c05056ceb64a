"""Which frames of a file could not be decoded, so that every result that shows others in their place says so.

Depending on the codec, decoders report damage as an error for the packet, as a mark on the frame, by a frame that is missing,
or not at all. `MediaReader` notes all of it here, in media time. The register is process-wide, because frames are read far below
the code that writes warnings, and the tokens computed from them outlive the reader.

This module is light: it imports neither av nor numpy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange
from selva_core.video.containers.iso_boxes import append_extra, read_extra

_MAX_FILES = 256
_MAX_TIMES = 4096
_NOTE_ID = b"selva damaged v1"

_damaged_s: dict[str, dict[str, set[Fraction]]] = {}
_lock = threading.Lock()


def file_stamp(path: Path) -> str:
    """A text that changes with the file; empty where it cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def note_damage(path: Path, times_s: Iterable[Fraction]) -> None:
    """Note media times whose frames cannot be decoded. Times of an earlier version of the file are forgotten."""
    noted = set(times_s)
    if not noted:
        return
    stamp = file_stamp(path)
    with _lock:
        while len(_damaged_s) >= _MAX_FILES and str(path) not in _damaged_s:
            _damaged_s.pop(next(iter(_damaged_s)))
        known = _damaged_s.setdefault(str(path), {}).get(stamp, set())
        _damaged_s[str(path)] = {stamp: set(sorted(known | noted)[:_MAX_TIMES])}


def damaged_times_s(picture: PictureRange) -> Sequence[Fraction]:
    """The times that were noted inside a range, ascending; empty for a file that has changed since."""
    with _lock:
        by_stamp = dict(_damaged_s.get(str(picture.path), {}))
    noted = by_stamp.get(file_stamp(picture.path)) if by_stamp else None
    if not noted:
        return ()
    far_s = picture.start_s + picture.speed * picture.duration_s
    first_s, last_s = min(picture.start_s, far_s), max(picture.start_s, far_s)
    return sorted(at_s for at_s in noted if first_s <= at_s <= last_s)


def damage_warnings(picture: PictureRange) -> tuple[str, ...]:
    """Sentences for the user about the damaged frames of a range; empty where all were decoded."""
    times_s = damaged_times_s(picture)
    if not times_s:
        return ()
    frames = "1 frame" if len(times_s) == 1 else f"{len(times_s)} frames"
    where = f"at {float(times_s[0]):.3f} s"
    if len(times_s) > 1:
        where = f"between {float(times_s[0]):.3f} s and {float(times_s[-1]):.3f} s"
    return (
        f"{picture.path.name} is damaged: {frames} {where} of it cannot be decoded whole, and the nearest picture is "
        "shown instead; use another copy if this part of the picture matters",
    )


def keep_damage(picture: PictureRange, proxy: Path, *, frame_rate_hz: Fraction) -> None:
    """Note in a proxy, an MP4 file, which of its frames stand for damaged ones: stems made from it carry the warning too.

    Raises OSError.
    """
    times_s = damaged_times_s(picture)
    if not times_s or not picture.speed:
        return
    numbers = sorted({int((at_s - picture.start_s) / picture.speed * frame_rate_hz) for at_s in times_s})
    append_extra(proxy, _NOTE_ID, " ".join(str(number / frame_rate_hz) for number in numbers).encode("ascii"))


def kept_damage_s(proxy: Path) -> Sequence[Fraction]:
    """The times that `keep_damage` noted in a file; none for other files."""
    content = read_extra(proxy, _NOTE_ID) or b""
    try:
        return [Fraction(text) for text in content.decode("ascii").split()]
    except (ValueError, ZeroDivisionError):
        return ()

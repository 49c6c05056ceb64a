"""Which frames of a file could not be decoded, so that every result that shows others in their place says so.

Depending on the codec, decoders report damage as an error for the packet, as a mark on the frame, by a frame that is missing,
or not at all. `MediaReader` notes all of it here, in media time. The register is process-wide, because frames are read far below
the code that writes warnings, and the tokens computed from them outlive the reader.

This module is light: it imports neither av nor numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange
from selva_core.video.containers.iso_boxes import append_extra, read_extra
from selva_core.video.notes.frame_notes import FrameNotes

_NOTE_ID = b"selva damaged v1"

_damaged, _miscounted = FrameNotes(), FrameNotes()


def note_damage(path: Path, times_s: Iterable[Fraction]) -> None:
    """Note media times whose frames cannot be decoded. Times of an earlier version of the file are forgotten."""
    _damaged.note(path, times_s)


def note_miscount(path: Path, times_s: Collection[Fraction]) -> None:
    """Note where frames are damaged or missing in a file that states no times: what follows is shown early for each of them."""
    if times_s:
        _miscounted.note(path, [min(times_s)])


def damaged_times_s(picture: PictureRange) -> Sequence[Fraction]:
    """The times that were noted inside a range, ascending; empty for a file that has changed since."""
    return _damaged.times_in(picture)


def damage_warnings(picture: PictureRange) -> tuple[str, ...]:
    """Sentences for the user about the damaged frames of a range; empty where all were decoded."""
    times_s = damaged_times_s(picture)
    if not times_s:
        return tuple(_describe_miscount(picture))
    frames = "1 frame" if len(times_s) == 1 else f"{len(times_s)} frames"
    where = f"at {float(times_s[0]):.3f} s"
    if len(times_s) > 1:
        where = f"between {float(times_s[0]):.3f} s and {float(times_s[-1]):.3f} s"
    return (
        f"{picture.path.name} is damaged: {frames} {where} of it cannot be decoded whole, and the nearest picture is "
        "shown instead; use another copy if this part of the picture matters",
        *_describe_miscount(picture),
    )


def _describe_miscount(picture: PictureRange) -> Iterator[str]:
    whole = replace(
        picture, start_s=Fraction(0), duration_s=picture.start_s + picture.duration_s, speed=Fraction(1)
    )
    if at_s := _miscounted.times_in(whole):
        yield (
            f"{picture.path.name} states no times of frames, and some are damaged or missing at {float(at_s[0]):.3f} s: what "
            "follows may be shown early, and its sound lie early with it; use another copy, or a file with a container"
        )


def keep_damage(picture: PictureRange, proxy: Path, *, frame_rate_hz: Fraction) -> None:
    """Note in a proxy, an MP4 file, which of its frames stand for damaged ones: stems made from it carry the warning too.

    Raises OSError.
    """
    times_s = (*damaged_times_s(picture), *_miscounted.times_in(picture))
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

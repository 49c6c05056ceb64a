"""Which frames were seen to be transparent in places, so that every result that shows black there says so.

What lies below a clip on the timeline is not looked at. Whether a file has an alpha channel says little: that of most images and
of many movies is opaque everywhere. So the frames themselves count.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange
from selva_core.video.notes.frame_notes import FrameNotes

_transparent = FrameNotes()


def note_transparent(path: Path, at_s: Fraction) -> None:
    """Note the media time of a frame that is transparent in places."""
    _transparent.note(path, (at_s,))


def transparency_warnings(picture: PictureRange) -> tuple[str, ...]:
    """A sentence for the user about a range in which transparent frames were seen; empty where none was."""
    times_s = _transparent.times_in(picture)
    if not times_s:
        return ()
    return (
        f"{picture.path.name} is transparent in places, first at {float(times_s[0]):.3f} s: black is looked at there, and "
        "not what lies below it on the timeline; if that matters, render both into one file and use it",
    )

"""Whether the picture of a file ends where its container says: copies and recordings that were cut off seem to be whole."""

from __future__ import annotations

import re
from fractions import Fraction

import av

from selva_core.video.containers.file_end import is_cut_off
from selva_core.video.media_file import MAX_SHORT_S, MediaFile

_STATED_FORMATS = frozenset(("mxf", "mxf_opatom", "gxf", "ivf"))
_EXACT_SLACK = Fraction(3, 4)
"""Of a frame."""
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d\.\d+)")


def describe_short_end(media: MediaFile) -> str | None:
    """A sentence for the user about a file whose end is missing or that has fewer frames than it states; None for a whole one."""
    stated_s, is_exact = _stated_end_s(media)
    found_s = media.found_end_s
    slack_s = _EXACT_SLACK * media.frame_s if is_exact else MAX_SHORT_S
    is_short = stated_s is not None and stated_s > found_s + slack_s
    if is_cut_off(media.path, media.container.format.name):
        stated = f" of {float(stated_s):.3f} s" if stated_s is not None and is_short else ""
        return (
            f"{media.path.name} was cut off or is still being written: its picture ends after {float(found_s):.3f} s"
            f"{stated}; copy or render it again if the rest of it matters"
        )
    if stated_s is None or not is_short:
        return None
    return (
        f"{media.path.name} states {float(stated_s):.3f} s of picture and has {float(found_s):.3f} s: frames are missing or "
        "damaged, and what follows them may be shown early; copy or render it again"
    )


def _stated_end_s(media: MediaFile) -> tuple[Fraction | None, bool]:
    """Where the picture ends by what the container states of it alone, and not of its sound, and whether that is exact to the
    frame; None where it states nothing.
    """
    stream, container = media.stream, media.container
    name = container.format.name
    is_steady = media.frame_rate is not None and not media.frame_rate.is_variable
    if media.avi_index is not None and media.avi_index.last_number is not None:
        return (media.avi_index.last_number + 1) * media.frame_s, True
    if name in _STATED_FORMATS and stream.duration:
        return stream.duration * media.time_base_s, True
    if media.is_matroska and (tag := _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))):
        hours, minutes, seconds = tag.groups()
        end_s = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
        return end_s - media.origin_s, is_steady
    if (media.is_matroska or name == "flv") and not container.streams.audio and container.duration:
        return Fraction(container.duration, av.time_base) - media.origin_s, False
    return None, False

"""Whether the picture of a file ends where its container says: copies and recordings that were cut off seem to be whole."""

from __future__ import annotations

import re
from fractions import Fraction

import av

from selva_core.video.containers.file_end import is_cut_off
from selva_core.video.media_file import MAX_SHORT_S, MediaFile

_STATED_FORMATS = frozenset(("mxf", "mxf_opatom", "gxf", "ivf"))
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d\.\d+)")


def describe_short_end(media: MediaFile) -> str | None:
    """A sentence for the user about a file whose end is missing; None for a whole file."""
    stated_s = _stated_end_s(media)
    is_short = stated_s is not None and stated_s > media.found_end_s + MAX_SHORT_S
    if not is_short and not is_cut_off(media.path, media.container.format.name):
        return None
    stated = "" if stated_s is None or stated_s <= media.found_end_s else f" of {float(stated_s):.3f} s"
    return (
        f"{media.path.name} was cut off or is still being written: its picture ends after {float(media.found_end_s):.3f} s"
        f"{stated}; copy or render it again if the rest of it matters"
    )


def _stated_end_s(media: MediaFile) -> Fraction | None:
    """Where the picture ends by what the container states of it alone, and not of its sound; None where it states nothing."""
    stream, container = media.stream, media.container
    name = container.format.name
    if name == "avi" and stream.frames:
        return stream.frames * media.frame_s
    if name in _STATED_FORMATS and stream.duration:
        return stream.duration * media.time_base_s
    if media.is_matroska and (tag := _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))):
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds) - media.origin_s
    if (media.is_matroska or name == "flv") and not container.streams.audio and container.duration:
        return Fraction(container.duration, av.time_base) - media.origin_s
    return None

"""Whether two items of REAPER show the same picture on the same clock, by the keys that lib/snapshot.lua gives them.

A key is the file behind the sections around it: "|0.500000000+2.000000000r|/media/a.mov" is a section of a.mov that plays in
reverse. The times of a cut count on the clock of the outermost source, so that two sections of one file that begin at different
times of it are two media, whatever their file is called.
"""

from __future__ import annotations

import re

from selva_otio.conform.media_content import ContentComparison

_SECTION = re.compile(r"(?P<offset>-?[0-9.]+)\+(?P<length>[0-9.]+)(?P<reversed>r?)")


class PictureComparison:
    """Compares the media of two cuts by their clocks, and then by the content of their files."""

    def __init__(self) -> None:
        self._content = ContentComparison()

    def compare(self, old: str, new: str) -> bool | None:
        """Of media as `name_medium` names them: False where the same time shows something else; None where it is not known."""
        (old_clock, old_file), (new_clock, new_file) = (each.rpartition("|")[::2] for each in (old, new))
        if old_clock != new_clock:
            return False
        return self._content.compare(old_file, new_file)


def name_medium(picture_key: str) -> str:
    """The medium that a picture is of: the file, behind what moves or reverses its clock."""
    *parts, file = picture_key.split("|")
    moves = (_describe_clock(section) for section in map(_SECTION.fullmatch, parts) if section is not None)
    return "|".join([*filter(None, moves), file])


def _describe_clock(section: re.Match[str]) -> str:
    """Where its time zero lies in what it is a section of; "" where nothing is moved."""
    zero_s = float(section["offset"])
    if section["reversed"]:
        return f"{zero_s + float(section['length']):.6f}r"
    return f"{zero_s:.6f}" if round(zero_s * 1e6) else ""

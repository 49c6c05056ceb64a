"""Names of image sequences as hosts write them: frame.%04d.png, frame.####.png, frame.[0001-0100].png."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".bmp", ".dpx", ".exr", ".jpeg", ".jpg", ".png", ".tga", ".tif", ".tiff", ".webp",
))
# fmt: on

_NUMBERS = re.compile(r"%(?:0([0-9]{1,2}))?d|(#+)|\[([0-9]+)-([0-9]+)\]")
_LAST_PART = re.compile(r"[^/\\]*$")


@dataclass(frozen=True, kw_only=True)
class ImageName:
    """The name of an image sequence: what comes before and after a number of at least `min_digits` digits.

    first, last: numbers of its first and last image, where the name says them.
    """

    prefix: str
    min_digits: int
    suffix: str
    first: int | None = None
    last: int | None = None

    @property
    def title(self) -> str:
        """The name without number and suffix."""
        return self.prefix.rstrip("._- ") or self.suffix.partition(".")[0].strip("._- ") or "images"

    @property
    def pattern(self) -> str:
        """The name with the number as %04d; a percent sign elsewhere is written twice."""
        prefix, suffix = (part.replace("%", "%%") for part in (self.prefix, self.suffix))
        return f"{prefix}%0{self.min_digits}d{suffix}" if self.min_digits > 1 else f"{prefix}%d{suffix}"


@lru_cache(maxsize=4096)
def parse_image_name(name: str) -> ImageName | None:
    """From frame.%04d.png, frame.####.png or frame.[0001-0100].png; None for any other name."""
    if Path(name).suffix.lower() not in IMAGE_SUFFIXES:
        return None
    matches = list(_NUMBERS.finditer(name))
    if len(matches) != 1:
        return None
    [match] = matches
    digits, hashes, first, last = match.groups()
    return ImageName(
        prefix=name[: match.start()],
        suffix=name[match.end() :],
        min_digits=len(first or hashes or "") or int(digits or 1),
        first=None if first is None else int(first),
        last=None if last is None else int(last),
    )


def parse_image_pattern(name: str) -> ImageName | None:
    """From a pattern as `ImageName.pattern` writes it, in which "%%" is a percent sign; None for any other name."""
    found = parse_image_name(name)
    if found is None:
        return None
    prefix, suffix = (part.replace("%%", "%") for part in (found.prefix, found.suffix))
    return replace(found, prefix=prefix, suffix=suffix)


def image_name_in_url(url: str) -> ImageName | None:
    """The sequence that a media URL names; its %04d may be raw or percent-encoded (%2504d)."""
    last_part = _LAST_PART.search(url)
    raw = last_part[0] if last_part else ""
    return parse_image_name(raw) or parse_image_name(unquote(raw))

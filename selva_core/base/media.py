"""Values that say which part of which media is meant: shared by timelines, the wire and engines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import RequestError

MISSING_IMAGE_POLICIES = ("error", "hold", "black")
_NUMBER = re.compile(r"%(0?)([0-9]*)d")
_ESCAPED_PERCENT = "%%"


@dataclass(frozen=True, kw_only=True)
class ImageSequence:
    """Numbered image files that are played as one video at `rate_hz`.

    The path that comes with it is a pattern with the number in printf notation, `frame.%04d.png` ("%%" is a percent sign).
    Frame k, from 0, is the file with the number `first + k * step`. first, last: None for the lowest and the highest number
    on disk. missing: what a missing file means: "error"; "hold", which repeats the frame before it; or "black".
    """

    rate_hz: Fraction
    first: int | None = None
    last: int | None = None
    step: int = 1
    missing: str = "error"

    def __post_init__(self) -> None:
        if self.rate_hz <= 0:
            raise RequestError(f"an image sequence has a rate above 0; got {float(self.rate_hz):g}")
        if self.step < 1:
            raise RequestError(f"the numbers of an image sequence are 1 or more apart; got {self.step}")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise RequestError(f"an image sequence ends after it begins; got {self.first} to {self.last}")
        if self.missing not in MISSING_IMAGE_POLICIES:
            allowed = ", ".join(MISSING_IMAGE_POLICIES)
            raise RequestError(f"missing images are one of {allowed}; got {self.missing!r}")


@dataclass(frozen=True)
class ImagePattern:
    """A folder and the parts of a file name around a number of at least `min_digits` digits."""

    folder: Path
    prefix: str
    min_digits: int
    suffix: str

    @classmethod
    def of(cls, path: Path) -> ImagePattern:
        """Parse a path whose name has printf's "%04d" (or "%d") once; "%%" is a percent sign. Raises RequestError."""
        pieces = path.name.split(_ESCAPED_PERCENT)
        found = [(index, match) for index, piece in enumerate(pieces) for match in _NUMBER.finditer(piece)]
        if len(found) != 1:
            raise RequestError(
                f"an image sequence is named with its number once as %04d, as in frame.%04d.png; got {path.name!r}"
            )
        index, match = found[0]
        before = "%".join([*pieces[:index], pieces[index][: match.start()]])
        after = "%".join([pieces[index][match.end() :], *pieces[index + 1 :]])
        return cls(path.parent, before, int(match[2] or 1) if match[1] else 1, after)

    def file(self, number: int) -> Path:
        """The file of a number. Negative ones are written in two ways: -001 (printf counts the sign) and -0001."""
        path = self.folder / f"{self.prefix}{number:0{self.min_digits}}{self.suffix}"
        if number >= 0 or path.exists():
            return path
        padded = self.folder / f"{self.prefix}-{-number:0{self.min_digits}}{self.suffix}"
        return padded if padded.exists() else path

    def number_of(self, name: str) -> int | None:
        """The number of a file name that follows the pattern, or None."""
        if not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        digits = name[len(self.prefix) : len(name) - len(self.suffix)]
        unsigned = digits.removeprefix("-")
        if not (unsigned.isascii() and unsigned.isdigit()):
            return None
        number = int(digits)
        if digits.startswith("-"):
            forms = (f"{number:0{self.min_digits}}", f"-{-number:0{self.min_digits}}")
            return number if number < 0 and digits in forms else None
        return number if f"{number:0{self.min_digits}}" == digits else None


@dataclass(frozen=True, kw_only=True)
class PictureRange:
    """Which part of a media file is shown, and how fast.

    At t seconds after the range begins, the frame on screen is the last one that begins at or before media time
    `start_s + speed * t`. Times are exact seconds on the file's own clock, zero at its first frame (an embedded timecode is
    not added). speed: 1 for ordinary clips, 2 for twice as fast, 0 for a freeze frame. Negative is reverse: `start_s` is
    then the start of the first frame shown, and at t the frame on screen is the first one that begins at or after that
    media time, so that every frame is shown as long as it is forwards. images: set where `path` is the pattern of an image
    sequence.
    """

    path: Path
    start_s: Fraction
    duration_s: Fraction
    speed: Fraction = Fraction(1)
    images: ImageSequence | None = None

    def __post_init__(self) -> None:
        if self.duration_s <= 0:
            raise RequestError(f"a picture range lasts longer than 0 s; got {float(self.duration_s):g} s")
        if self.start_s < 0:
            raise RequestError(f"a picture range starts at 0 s or later; got {float(self.start_s):g} s")

    def part(self, after_s: Fraction, duration_s: Fraction) -> PictureRange:
        """What is seen from `after_s` after the range begins; below 0 it is what would have been seen before. Raises
        RequestError for what is before the media's first frame, or lasts no time.
        """
        return replace(self, start_s=self.start_s + self.speed * after_s, duration_s=duration_s)


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a video file says about itself.

    duration_s: from its first frame to the end of its last. frame_rate_hz: snapped to a standard rate, and of a variable rate
    the one its timecode is counted in; None where the file states none. timecode: label of the first frame, such as
    01:00:00:00; None where none is embedded. warnings: sentences for the user. All other values are None where they were not
    read: width_px, height_px as stored; pixel_aspect and rotation_deg (anticlockwise) as it is to be shown; start_offset_s:
    the first frame's time as the file states it.
    """

    path: Path
    duration_s: Fraction
    frame_rate_hz: Fraction | None
    timecode: str | None
    width_px: int | None = None
    height_px: int | None = None
    pixel_aspect: Fraction | None = None
    rotation_deg: int | None = None
    start_offset_s: Fraction | None = None
    codec: str | None = None
    has_sound: bool | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Label:
    """A named point in a stem, or a span of it where `num_samples` is above 0."""

    start_sample: int
    text: str
    num_samples: int = 0

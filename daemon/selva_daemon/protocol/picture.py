"""How a picture range is written on the wire: the `media` of a job."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from selva_core.base.errors import RequestError
from selva_core.base.media import MISSING_IMAGE_POLICIES, ImagePattern, ImageSequence, PictureRange
from selva_core.base.schema import absolute_path, decode_hook, encode_hook, one_of, rational
from selva_daemon.protocol.body import parse_body

MIN_DURATION_S, MAX_DURATION_S = Fraction(1, 1000), Fraction(4 * 3600)
MAX_START_S = Fraction(1_000_000)
MAX_SPEED = Fraction(100)
MAX_IMAGE_NUMBER = 2**31 - 1
MAX_IMAGES = 10_000_000
MAX_IMAGE_STEP = 1000
MIN_IMAGE_RATE_HZ, MAX_IMAGE_RATE_HZ = Fraction(1, 1000), Fraction(1000)

ImageNumber = Annotated[int, Meta(ge=-MAX_IMAGE_NUMBER, le=MAX_IMAGE_NUMBER)]


class ImageFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an ImageSequence is written."""

    rate_hz: Annotated[Fraction, rational(MIN_IMAGE_RATE_HZ, MAX_IMAGE_RATE_HZ, "images per second")]
    first: (
        Annotated[
            ImageNumber, Meta(description="number of the first image; without it, the lowest that is there")
        ]
        | UnsetType
    ) = UNSET
    last: (
        Annotated[int, Meta(description="number of the last image; without it, the highest that is there")]
        | UnsetType
    ) = UNSET
    step: Annotated[int, Meta(ge=1, le=MAX_IMAGE_STEP, description="every n-th image is played")] = 1
    missing: Annotated[
        str,
        one_of(
            MISSING_IMAGE_POLICIES,
            "what is seen in place of an image that is not there: nothing, which fails the job, the image before it, "
            "or black",
        ),
    ] = "error"

    @classmethod
    def of(cls, images: ImageSequence) -> ImageFields:
        return cls(
            rate_hz=images.rate_hz,
            first=UNSET if images.first is None else images.first,
            last=UNSET if images.last is None else images.last,
            step=images.step,
            missing=images.missing,
        )

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        lowest = -MAX_IMAGE_NUMBER if self.first is UNSET else self.first
        highest = (0 if self.first is UNSET else self.first) + MAX_IMAGES
        if self.last is not UNSET and not lowest <= self.last <= highest:
            yield "last", f"{lowest} to {highest} is allowed; got {self.last}"


class PictureFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a PictureRange is written."""

    path: Annotated[
        Path,
        absolute_path("of an image sequence, with the number as `%04d` (`%%` is a percent sign)"),
    ]
    start_s: Annotated[
        Fraction, rational(Fraction(0), MAX_START_S, "on the file's own clock, zero at its first frame")
    ]
    duration_s: Annotated[Fraction, rational(MIN_DURATION_S, MAX_DURATION_S, "seconds on the timeline")]
    speed: Annotated[
        Fraction,
        rational(
            -MAX_SPEED,
            MAX_SPEED,
            "media seconds per timeline second; 0 is a freeze frame; negative is reverse: `start_s` is then the start of "
            "the frame seen first, and each instant shows the first frame that begins at or after its media time",
        ),
    ] = Fraction(1)
    images: Annotated[ImageFields, Meta(description="for an image sequence")] | UnsetType = UNSET

    @classmethod
    def of(cls, picture: PictureRange) -> PictureFields:
        return cls(
            path=picture.path,
            start_s=picture.start_s,
            duration_s=picture.duration_s,
            speed=picture.speed,
            images=UNSET if picture.images is None else ImageFields.of(picture.images),
        )

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if self.images is not UNSET:
            try:
                ImagePattern.of(self.path)
            except RequestError as error:
                yield "path", error.message


def picture_to_wire(picture: PictureRange) -> dict[str, Any]:
    """The map that `media` is on the wire."""
    wire: dict[str, Any] = msgspec.to_builtins(PictureFields.of(picture), enc_hook=encode_hook)
    return wire


def parse_media_range(body: object) -> PictureRange:
    """The inverse of `picture_to_wire`. Raises InvalidRequestError."""
    parse_body(body, PictureFields)
    return msgspec.convert(body, PictureRange, dec_hook=decode_hook)

"""How a stem was made, as its file tells (`provenance` in docs/formats/wav.md): enough to make a stretch of it anew.

A stem of which stretches were made anew, or that was extended, is its first take, then each of these in the order in which
they were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from selva_core.base.errors import RequestError
from selva_core.base.limits import DEFAULT_GUIDANCE, DEFAULT_STEPS, MAX_PROMPT_CHARS, MAX_SEED
from selva_core.base.media import PictureRange
from selva_core.base.render_options import (
    NOT_PANNED,
    OFF,
    PanOptions,
    SamplingSettings,
    separation_provenance,
)
from selva_core.base.schema import decode_hook, encode_hook, prose, rational
from selva_core.base.schema_check import check
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.picture import parse_media_range, picture_to_wire

STRETCHES = "redone"
PICTURE, PICTURE_BYTES = "picture", "picture_bytes"
MAX_STRETCHES = 64
_MAX_S = Fraction(4 * 3600)

OF_THE_WORKER = (
    "prompt",
    "negative_prompt",
    "seed",
    "model",
    "weights_sha256",
    "licence",
    "num_steps",
    "guidance",
    "quality",
    "precision",
    "separate",
    "separated_from",
    "absent",
    "pan",
    "pan_width",
    "distance",
    "track",
    "cue",
    "take",
    PICTURE,
    PICTURE_BYTES,
    STRETCHES,
)
"""Keys of a stem's provenance that are not taken from the job's own `provenance`."""


class RecipeStretch(Struct, frozen=True, kw_only=True):
    """A stretch that was made anew, in seconds of the file as it was then. What a later version may add is not read."""

    start_s: Annotated[Fraction, rational(Fraction(0), _MAX_S)]
    end_s: Annotated[Fraction, rational(Fraction(0), _MAX_S)]
    prompt: Annotated[str, prose(MAX_PROMPT_CHARS)]
    negative_prompt: Annotated[str, prose(MAX_PROMPT_CHARS, may_be_empty=True)] = ""
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)]


class RecipeExtension(Struct, frozen=True, kw_only=True):
    """By how much the stem went on before its start and after its end. It has no times of a stretch, so that versions that
    cannot extend stems do not take it for one.
    """

    head_s: Annotated[Fraction, rational(Fraction(0), _MAX_S)]
    tail_s: Annotated[Fraction, rational(Fraction(0), _MAX_S)]
    prompt: Annotated[str, prose(MAX_PROMPT_CHARS)]
    negative_prompt: Annotated[str, prose(MAX_PROMPT_CHARS, may_be_empty=True)] = ""
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)]


RecipeStep: TypeAlias = RecipeStretch | RecipeExtension


@dataclass(frozen=True, kw_only=True)
class StemRecipe:
    """What made a stem.

    stretches: what was made anew of it or added to it later, in that order. siblings: what it was led away from. pan: what
    of it is in the file. precision: as keys hold it. picture: what it was made for, the path being the name of the media
    alone; None where the file does not say, as those of version 0.1.0. picture_bytes: size of the media; 0 where it is not
    known.
    """

    prompt: str
    negative_prompt: str
    seed: int
    model: str
    weights_sha256: str
    sampling: SamplingSettings
    siblings: tuple[str, ...] = ()
    pan: PanOptions = NOT_PANNED
    precision: str = ""
    picture: PictureRange | None = None
    picture_bytes: int = 0
    stretches: tuple[RecipeStep, ...] = ()

    @classmethod
    def parse(cls, provenance: Mapping[str, str], *, name: str) -> StemRecipe:
        """name: of the file, for messages. Raises RequestError where the provenance is not that of a whole stem."""
        try:
            sampling = SamplingSettings(
                num_steps=int(provenance.get("num_steps", DEFAULT_STEPS)),
                guidance=float(provenance.get("guidance", DEFAULT_GUIDANCE)),
                quality=provenance.get("quality", "final"),
                separate=float(provenance.get("separate", 0.0)),
            )
            return cls(
                prompt=provenance["prompt"],
                negative_prompt=provenance.get("negative_prompt", ""),
                seed=int(provenance["seed"]),
                model=provenance["model"],
                weights_sha256=provenance["weights_sha256"],
                sampling=sampling,
                pan=PanOptions(
                    mode=provenance.get("pan", OFF),
                    width=float(provenance.get("pan_width", NOT_PANNED.width)),
                    distance="distance" in provenance,
                ),
                siblings=msgspec.json.decode(provenance.get("separated_from", "[]"), type=tuple[str, ...]),
                precision=provenance.get("precision", ""),
                picture=_parse_picture(provenance),
                picture_bytes=int(provenance.get(PICTURE_BYTES, 0)),
                stretches=_parse_stretches(provenance.get(STRETCHES, "[]")),
            )
        except (KeyError, TypeError, ValueError, InvalidRequestError) as exc:
            raise RequestError(
                f"{name} does not say how it was made ({type(exc).__name__}: {exc}); a stretch can be made anew of stems that "
                "carry their recipe"
            ) from exc

    def with_stretch(self, stretch: RecipeStep) -> StemRecipe:
        """Raises RequestError where there are too many already."""
        if len(self.stretches) == MAX_STRETCHES:
            raise RequestError(
                f"{MAX_STRETCHES} stretches of this stem were made anew already; render the whole stem again"
            )
        return replace(self, stretches=(*self.stretches, stretch))

    def provenance(self) -> dict[str, str]:
        """What a stem keeps of the recipe of the stem that a stretch of it was made anew in."""
        return {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "seed": str(self.seed),
            **separation_provenance(self.sampling.separate, self.siblings),
            STRETCHES: msgspec.json.encode(self.stretches, enc_hook=encode_hook).decode(),
        }


def picture_provenance(media: PictureRange, *, size_bytes: int) -> dict[str, str]:
    """What a stem says about the picture that it was made for: all of its range, of its path the name alone."""
    picture = picture_to_wire(replace(media, path=Path(media.path.name)))
    return {PICTURE: msgspec.json.encode(picture).decode(), PICTURE_BYTES: str(size_bytes)}


def _parse_picture(provenance: Mapping[str, str]) -> PictureRange | None:
    """Raises ValueError."""
    if PICTURE not in provenance:
        return None
    values = msgspec.json.decode(provenance[PICTURE])
    # Below the root, because a picture on the wire has an absolute path.
    values["path"] = str(Path.cwd() / Path(values["path"]).name)
    picture = parse_media_range(values)
    return replace(picture, path=Path(picture.path.name))


def _parse_stretches(text: str) -> tuple[RecipeStep, ...]:
    """Raises ValueError."""
    values = msgspec.json.decode(text)
    if not isinstance(values, list) or len(values) > MAX_STRETCHES:
        raise ValueError(f"{STRETCHES} is a list of at most {MAX_STRETCHES}")
    return tuple(_parse_step(value) for value in values)


def _parse_step(value: object) -> RecipeStep:
    """Raises ValueError."""
    is_extension = isinstance(value, Mapping) and "head_s" in value
    kind: type[RecipeStep] = RecipeExtension if is_extension else RecipeStretch
    _, faults = check(value, kind)
    if faults:
        raise ValueError(f"{STRETCHES}: {faults[0]}")
    return msgspec.convert(value, kind, dec_hook=decode_hook)

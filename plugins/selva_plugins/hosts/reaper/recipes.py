"""What made a stem, written into the take itself (P_EXT), so that more takes can be made in any later session.

Recipes lie in projects of the user's, of every version that ever wrote one: the schema and its fields stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct

from selva_core.base.limits import (
    MAX_GUIDANCE,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_STEPS,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)
from selva_core.base.render_options import (
    NOT_PANNED,
    OFF,
    PANS,
    PRECISIONS,
    QUALITIES,
    PanOptions,
    RenderOptions,
    SamplingOptions,
)
from selva_core.base.schema import describe_faults, encode_hook, one_of, prose, rational
from selva_core.base.schema_check import check
from selva_daemon.protocol.picture import MAX_SPEED, MAX_START_S
from selva_otio import Cue, SpottedClip, StemTrack
from selva_plugins.errors import SnapshotError
from selva_render.options import settle_sampling

SCHEMA = "selva.recipe/1"
MAX_TAKE_NUMBER = 9999
_LATER_DEFAULTS = {"quality": "final", "precision": "auto", "pan": OFF, "pan_width": 1.0, "distance": False}
MIN_DURATION_S = Fraction(1, 1000)

Moment = Annotated[Fraction, rational(Fraction(0), MAX_START_S)]
Timecode = Annotated[str, prose(100, may_be_empty=True)]


class RecipeClip(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The span of picture, as `selva_otio.SpottedClip` has it."""

    name: Annotated[str, prose(10_000)]
    path: Annotated[str, prose(32_768)]
    media_start_s: Moment
    speed: Annotated[Fraction, rational(-MAX_SPEED, MAX_SPEED)]
    record_start_s: Annotated[Fraction, rational(-MAX_START_S, MAX_START_S)]
    duration_s: Annotated[Fraction, rational(MIN_DURATION_S, MAX_START_S)]
    source_timecode: Timecode = ""
    source_end_timecode: Timecode = ""
    handle_before_s: Moment
    handle_after_s: Moment


class RecipeFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe as it stands in the project."""

    schema: Annotated[str, one_of((SCHEMA,))]
    track: Annotated[str, prose(1000)]
    prompt: Annotated[str, prose(10_000)]
    negative_prompt: Annotated[str, prose(10_000, may_be_empty=True)] = ""
    model: Annotated[str, prose(200)]
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)]
    take: Annotated[int, Meta(ge=1, le=MAX_TAKE_NUMBER)]
    sample_rate_hz: Annotated[int, Meta(ge=MIN_SAMPLE_RATE_HZ, le=MAX_SAMPLE_RATE_HZ)]
    num_steps: Annotated[int, Meta(ge=MIN_STEPS, le=MAX_STEPS)]
    guidance: Annotated[float, Meta(ge=MIN_GUIDANCE, le=MAX_GUIDANCE)]
    quality: Annotated[str, one_of(QUALITIES)] = "final"
    precision: Annotated[str, one_of(PRECISIONS)] = "auto"
    pan: Annotated[str, one_of(PANS)] = OFF
    pan_width: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    distance: bool = False
    clip: RecipeClip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One take of a stem: the picture it was made for, its stem track and prompt, and how it was sampled."""

    clip: SpottedClip
    sound: StemTrack
    model: str
    seed: int
    take: int
    sample_rate_hz: int
    sampling: SamplingOptions
    precision: str = "auto"
    pan: PanOptions = NOT_PANNED


def build_recipe(cue: Cue, options: RenderOptions, *, seed: int, take: int) -> dict[str, Any]:
    """A recipe as values for JSON; `parse_recipe` reads it back."""
    clip, sampling = cue.clip, settle_sampling(options)
    fields = RecipeFields(
        schema=SCHEMA,
        track=cue.track,
        prompt=cue.prompt,
        negative_prompt=cue.negative_prompt,
        model=options.model or "",
        seed=seed,
        take=take,
        sample_rate_hz=options.sample_rate_hz,
        num_steps=sampling.num_steps,
        guidance=sampling.guidance,
        quality=sampling.quality,
        precision=options.precision,
        pan=options.pan.mode,
        pan_width=options.pan.width,
        distance=options.pan.distance,
        clip=RecipeClip(
            name=clip.name,
            path=str(clip.media_path),
            media_start_s=clip.media_start_s,
            speed=clip.speed,
            record_start_s=clip.record_start_s,
            duration_s=clip.duration_s,
            source_timecode=clip.source_timecode,
            source_end_timecode=clip.source_end_timecode,
            handle_before_s=clip.handle_before_s,
            handle_after_s=clip.handle_after_s,
        ),
    )
    values = cast("dict[str, Any]", msgspec.to_builtins(fields, enc_hook=encode_hook))
    # Left out where it says nothing, so that versions before 0.2.0, which refuse unknown fields, can read the recipe.
    return {name: value for name, value in values.items() if _LATER_DEFAULTS.get(name) != value}


def parse_recipe(text: str) -> Recipe:
    """The recipe in a take's P_EXT. Raises SnapshotError, CueError."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the recipe in the take is not JSON: {error}") from error
    fields, faults = check(values, RecipeFields)
    if fields is None:
        raise SnapshotError(f"the recipe in the take is not valid: {describe_faults(faults)}")
    return Recipe(
        clip=_to_clip(fields.clip),
        sound=StemTrack(name=fields.track, prompt=fields.prompt, negative_prompt=fields.negative_prompt),
        model=fields.model,
        seed=fields.seed,
        take=fields.take,
        sample_rate_hz=fields.sample_rate_hz,
        sampling=SamplingOptions(
            num_steps=fields.num_steps, guidance=fields.guidance, quality=fields.quality
        ),
        precision=fields.precision,
        pan=PanOptions(mode=fields.pan, width=fields.pan_width, distance=fields.distance),
    )


def _to_clip(fields: RecipeClip) -> SpottedClip:
    return SpottedClip(
        name=fields.name,
        video_track="",
        media_path=Path(fields.path),
        media_start_s=fields.media_start_s,
        speed=fields.speed,
        record_start_s=fields.record_start_s,
        duration_s=fields.duration_s,
        source_timecode=fields.source_timecode,
        source_end_timecode=fields.source_end_timecode,
        handle_before_s=fields.handle_before_s,
        handle_after_s=fields.handle_after_s,
    )

"""What made a stem, kept in the take itself, so that more takes can be asked for in any later session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.limits import MAX_SEED
from selva_core.base.render_options import RenderOptions, SamplingSettings
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.fields import FieldReader
from selva_daemon.protocol.job import MAX_SPEED, MAX_START_S
from selva_otio import Cue, SpottedClip, StemTrack
from selva_plugins.errors import SnapshotError

SCHEMA = "selva.recipe/1"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One take of a stem: the picture it was made for, what was asked for, and how it was sampled."""

    clip: SpottedClip
    sound: StemTrack
    model: str
    seed: int
    take: int
    sample_rate_hz: int
    sampling: SamplingSettings


def describe_recipe(cue: Cue, options: RenderOptions, *, seed: int, take: int) -> dict[str, Any]:
    """A recipe as JSON-able values; `parse_recipe` reads it back."""
    clip = cue.clip
    return {
        "schema": SCHEMA,
        "track": cue.track,
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "model": options.model,
        "seed": seed,
        "take": take,
        "sample_rate_hz": options.sample_rate_hz,
        "num_steps": options.sampling.num_steps,
        "guidance": options.sampling.guidance,
        "clip": {
            "name": clip.name,
            "path": str(clip.media_path),
            "media_start_s": _pair(clip.media_start_s),
            "speed": _pair(clip.speed),
            "record_start_s": _pair(clip.record_start_s),
            "duration_s": _pair(clip.duration_s),
            "source_timecode": clip.source_timecode,
            "source_end_timecode": clip.source_end_timecode,
            "handle_before_s": _pair(clip.handle_before_s),
            "handle_after_s": _pair(clip.handle_after_s),
        },
    }


def parse_recipe(text: str) -> Recipe:
    """The recipe in a take's P_EXT. Raises SnapshotError, CueError."""
    try:
        reader = FieldReader(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the recipe kept in the take is not JSON: {error}") from error
    reader.choice("schema", allowed=(SCHEMA,))
    recipe = Recipe(
        clip=_parse_clip(reader.child("clip")),
        sound=StemTrack(
            name=reader.text("track", max_chars=1000) or "?",
            prompt=reader.text("prompt", max_chars=10_000) or "?",
            negative_prompt=reader.text("negative_prompt", max_chars=10_000, default=""),
        ),
        model=reader.text("model", max_chars=200),
        seed=reader.integer("seed", minimum=0, maximum=MAX_SEED),
        take=reader.integer("take", minimum=1, maximum=9999),
        sample_rate_hz=reader.integer("sample_rate_hz", minimum=8_000, maximum=192_000),
        sampling=SamplingSettings(
            num_steps=reader.integer("num_steps", minimum=1, maximum=1000),
            guidance=reader.number("guidance", minimum=0, maximum=100),
        ),
    )
    try:
        reader.finish()
    except InvalidRequestError as error:
        raise SnapshotError(f"the recipe kept in the take is not valid: {error.message}") from error
    return recipe


def _parse_clip(reader: FieldReader) -> SpottedClip:
    return SpottedClip(
        name=reader.text("name", max_chars=10_000),
        video_track="",
        media_path=Path(reader.text("path", max_chars=32_768)),
        media_start_s=reader.rational("media_start_s", minimum=Fraction(0), maximum=MAX_START_S),
        speed=reader.rational("speed", minimum=-MAX_SPEED, maximum=MAX_SPEED),
        record_start_s=reader.rational("record_start_s", minimum=-MAX_START_S, maximum=MAX_START_S),
        duration_s=reader.rational("duration_s", minimum=Fraction(1, 1000), maximum=MAX_START_S),
        source_timecode=reader.text("source_timecode", max_chars=100, default=""),
        source_end_timecode=reader.text("source_end_timecode", max_chars=100, default=""),
        handle_before_s=reader.rational("handle_before_s", minimum=Fraction(0), maximum=MAX_START_S),
        handle_after_s=reader.rational("handle_after_s", minimum=Fraction(0), maximum=MAX_START_S),
    )


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]

"""What made a stem, written into the take itself (P_EXT), so that more takes can be made in any later session.

Recipes lie in projects of the user's, of every version that ever wrote one: the schema and its fields stay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.limits import (
    MAX_GUIDANCE,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_STEPS,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)
from selva_core.base.rational import to_pair
from selva_core.base.render_options import RenderOptions, SamplingSettings
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.fields import FieldReader
from selva_daemon.protocol.job import MAX_SPEED, MAX_START_S
from selva_otio import Cue, SpottedClip, StemTrack
from selva_plugins.errors import SnapshotError

SCHEMA = "selva.recipe/1"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One take of a stem: the picture it was made for, its stem track and prompt, and how it was sampled."""

    clip: SpottedClip
    sound: StemTrack
    model: str
    seed: int
    take: int
    sample_rate_hz: int
    sampling: SamplingSettings


def build_recipe(cue: Cue, options: RenderOptions, *, seed: int, take: int) -> dict[str, Any]:
    """A recipe as values for JSON; `parse_recipe` reads it back."""
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
            "media_start_s": to_pair(clip.media_start_s),
            "speed": to_pair(clip.speed),
            "record_start_s": to_pair(clip.record_start_s),
            "duration_s": to_pair(clip.duration_s),
            "source_timecode": clip.source_timecode,
            "source_end_timecode": clip.source_end_timecode,
            "handle_before_s": to_pair(clip.handle_before_s),
            "handle_after_s": to_pair(clip.handle_after_s),
        },
    }


def parse_recipe(text: str) -> Recipe:
    """The recipe in a take's P_EXT. Raises SnapshotError, CueError."""
    try:
        reader = FieldReader(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the recipe in the take is not JSON: {error}") from error
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
        sample_rate_hz=reader.integer(
            "sample_rate_hz", minimum=MIN_SAMPLE_RATE_HZ, maximum=MAX_SAMPLE_RATE_HZ
        ),
        sampling=SamplingSettings(
            num_steps=reader.integer("num_steps", minimum=MIN_STEPS, maximum=MAX_STEPS),
            guidance=reader.number("guidance", minimum=MIN_GUIDANCE, maximum=MAX_GUIDANCE),
        ),
    )
    try:
        reader.finish()
    except InvalidRequestError as error:
        raise SnapshotError(f"the recipe in the take is not valid: {error.message}") from error
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

"""Cues in the metadata of a timeline, a video track or a clip:

    metadata["selva"]["tracks"] = {"Dog": "small dog barking", "Rain": {"prompt": "rain", "takes": 2}}

A clip's word counts before its track's, a track's before the timeline's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import opentimelineio as otio

from selva_otio.cue_rules import METADATA, CueRule
from selva_otio.cues import StemTrack
from selva_otio.errors import CueError

NAMESPACE = "selva"
CLIP_RANK, TRACK_RANK, TIMELINE_RANK = range(3)
_FIELDS = ("prompt", "negative", "takes", "gain_db")


def iter_metadata_rules(
    owner: otio.core.SerializableObjectWithMetadata, *, rank: int, origin: str
) -> Iterator[CueRule]:
    """The rules an object's metadata holds. Raises CueError when they are written wrongly."""
    ours = owner.metadata.get(NAMESPACE)
    tracks = ours.get("tracks") if isinstance(ours, Mapping) else None
    if tracks is None:
        return
    if not isinstance(tracks, Mapping):
        raise CueError(f"{origin}: metadata selva.tracks maps track names to prompts")
    for name, value in tracks.items():
        wanted = _build_track(str(name), value, origin)
        yield CueRule(source=METADATA, wanted=wanted, origin=origin, rank=rank)


def _build_track(name: str, value: Any, origin: str) -> StemTrack:
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, Mapping) or set(value) - set(_FIELDS):
        raise CueError(f"{origin}: metadata of track {name!r} is a prompt, or a map of {', '.join(_FIELDS)}")
    try:
        return StemTrack(
            name=name,
            prompt=str(value.get("prompt", "")),
            negative_prompt=str(value.get("negative", "")),
            num_takes=int(value["takes"]) if "takes" in value else None,
            gain_db=float(value.get("gain_db", 0.0)),
        )
    except CueError as error:
        raise CueError(f"{origin}: {error.message}") from error
    except (TypeError, ValueError) as error:
        raise CueError(f"{origin}: takes is a whole number and gain_db a number; {error}") from error

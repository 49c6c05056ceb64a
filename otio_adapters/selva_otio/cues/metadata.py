"""Cues in the metadata of a timeline, a video track or a clip:

    metadata["selva"]["tracks"] = {"Dog": "small dog barking", "Rain": {"prompt": "rain", "takes": 2}}
    metadata["selva"]["tracks"] = [{"track": "Rain", "prompt": "rain"}, {"track": "Dog", "prompt": "small dog barking"}]

OpenTimelineIO sorts the keys of a map when it writes; a list keeps the order of the stem tracks. Metadata of a clip has
precedence over that of its track, and that of a track over the timeline's. A timeline may also carry the rows of a cue sheet,
with the names of a cue sheet file; they rank after the file that is given with the command:

    metadata["selva"]["cues"] = [{"track": "Dog", "prompt": "barking", "clip": "shot_010*", "from": "01:00:05:00"}]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import opentimelineio as otio

from selva_core.base.misspelling import suggest
from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.cues.rules import METADATA, CueRule
from selva_otio.cues.sheet_files import CueSheetRow, build_row, build_stem_track
from selva_otio.errors import CueError
from selva_otio.metadata import SELVA_NAMESPACE

CLIP_RANK, TRACK_RANK, TIMELINE_RANK = range(3)
CARRIED_RANK = 1
_ENTRIES = ("tracks", "cues", "bundle")
_FIELDS = ("prompt", "negative", "takes", "gain_db")


def iter_metadata_rules(
    owner: otio.core.SerializableObjectWithMetadata, *, rank: int, origin: str
) -> Iterator[CueRule]:
    """The rules in the metadata of a timeline, track or clip. Raises CueError for entries of another form."""
    tracks = _read_entry(owner, "tracks")
    if tracks is None:
        return
    for name, value in _named_tracks(tracks, origin):
        stem_track = _build_track(name, value, origin)
        yield CueRule(source=METADATA, stem_track=stem_track, origin=origin, rank=rank)


def iter_carried_rows(timeline: otio.schema.Timeline) -> Iterator[CueSheetRow]:
    """The rows of the cue sheet that a timeline carries. Raises CueError for entries of another form."""
    rows = _read_entry(timeline, "cues")
    if rows is None:
        return
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise CueError("metadata selva.cues of the timeline is a list of rows, as in a cue sheet")
    for number, values in enumerate(rows, start=1):
        origin = f"cue {number} in the metadata of the timeline"
        if not isinstance(values, Mapping):
            raise CueError(f"{origin}: it maps names such as track and prompt to values; got {values!r}")
        yield replace(build_row(values, origin), rank=CARRIED_RANK)


def _read_entry(owner: otio.core.SerializableObjectWithMetadata, key: str) -> Any:
    noted = owner.metadata.get(SELVA_NAMESPACE)
    if not isinstance(noted, Mapping):
        return None
    if (
        key not in noted and "schema" not in noted
    ):  # our own notes on stems, tracks and bundles name their schema
        for name in noted:
            if suggest(str(name), (key,)) and str(name) not in _ENTRIES:
                raise CueError(
                    f"metadata selva.{name} of {owner.name!r} is not known; did you mean selva.{key}?"
                )
    return noted.get(key)


def _named_tracks(tracks: Any, origin: str) -> list[tuple[str, Any]]:
    if isinstance(tracks, Mapping):
        return [(str(name), value) for name, value in tracks.items()]
    is_list = isinstance(tracks, Sequence) and not isinstance(tracks, str)
    if not is_list or not all(isinstance(value, Mapping) for value in tracks):
        raise CueError(
            f'{origin}: metadata selva.tracks maps track names to prompts, or lists {{"track": ..., "prompt": ...}}'
        )
    return [
        (str(value.get("track", "")), {key: value[key] for key in value if key != "track"})
        for value in tracks
    ]


def _build_track(name: str, value: Any, origin: str) -> StemTrack:
    if isinstance(value, str):
        value = {"prompt": value}
    if not isinstance(value, Mapping) or set(value) - set(_FIELDS):
        raise CueError(f"{origin}: metadata of track {name!r} is a prompt, or a map of {', '.join(_FIELDS)}")
    return build_stem_track(name, value, origin)

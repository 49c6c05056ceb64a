"""Metadata across the border: what a reading of a project notes on a timeline, and what a project holds about stems.

What REAPER has and OpenTimelineIO has no place for is noted under "REAPER". What a render notes on stems and stem tracks is in
the EXT chunks of items and tracks: REAPER saves their lines with the project and gives them to scripts as P_EXT. The REAPER
script of Selva sets the keys of the folder and of its tracks too, so that both find the same ones.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

from selva_otio.formats.stem_metadata import to_plain_value

REAPER_NAMESPACE = "REAPER"
FOLDER_KEY = "selva_folder"
TRACK_KEY = "selva_track"
METADATA_KEY = "selva_facts"
EFFECTS_CHUNK = "effects_chunk"
"""Noted on the media reference of a stem's take: the text of its TAKEFX chunk."""
REPLACED_ITEMS = "replaced_items"
"""Noted on a timeline: GUIDs of items of its project in whose place it has others, whatever an editor did to them."""
_MAX_VALUE_CHARS = 1000
_MAX_PARTS = 10_000


def read_reaper_metadata(owner: otio.core.SerializableObjectWithMetadata) -> Mapping[str, Any]:
    """What was noted on a timeline, track, clip, media reference or marker; empty when it is not from a project."""
    metadata = owner.metadata.get(REAPER_NAMESPACE)
    return metadata if isinstance(metadata, Mapping) else {}


def build_metadata_fields(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as the keys and values of an EXT chunk; long values on several lines, for readers with short line buffers."""
    value = _encode(to_plain_value(metadata))
    parts = [value[start : start + _MAX_VALUE_CHARS] for start in range(0, len(value), _MAX_VALUE_CHARS)]
    return {_part_key(number): part for number, part in enumerate(parts, start=1)}


def parse_stem_metadata(fields: Mapping[str, str]) -> dict[str, Any]:
    """The metadata in the values of an EXT chunk; empty where there is none, or it is damaged."""
    value = ""
    for number in range(1, _MAX_PARTS):
        part = fields.get(_part_key(number))
        if part is None:
            break
        value += part
    return _decode(value)


def is_metadata_key(key: str) -> bool:
    """Whether a line of an EXT chunk with this key holds metadata."""
    return key == METADATA_KEY or key.startswith(f"{METADATA_KEY}_")


def _part_key(number: int) -> str:
    return METADATA_KEY if number == 1 else f"{METADATA_KEY}_{number}"


def _encode(metadata: Mapping[str, Any]) -> str:
    """One token without blanks or quotes: base64 of JSON, because the format cannot write a text with all three quotes."""
    text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _decode(value: str) -> dict[str, Any]:
    try:
        metadata = json.loads(base64.urlsafe_b64decode(value.encode()))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}

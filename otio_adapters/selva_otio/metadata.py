"""What this product keeps in the OpenTimelineIO metadata of a timeline: one namespace, one schema name per kind of object."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

try:
    from opentimelineio._otio import PyAny as _NativeValue
except ImportError:  # a release that has another way: then all goes through the binding's own conversion
    _NativeValue = None

SELVA_NAMESPACE = "selva"
TRACK_SCHEMA = "selva.track/1"
STEM_SCHEMA = "selva.stem/1"
TAKE_SCHEMA = "selva.take/1"
TAKE_TRACK_SCHEMA = "selva.take-track/1"
"""Of tracks that hold the silent takes of a stem track, in files whose clips have one media each."""

_ONLY_BY_THE_BINDING = re.compile(r'\d[\d.]{15}|\de[-+]\d|\\ud|"OTIO_SCHEMA"')
"""What OpenTimelineIO's JSON reader reads otherwise than its binding converts it: numbers of more than 15 digits or with an
exponent (another last bit, and 0 above 64 bits), halves of surrogate pairs, and maps that look like objects of its own.
"""
_ON_MEDIA_CLOCK = frozenset(
    ("AAF", "REAPER", "fcp7_xml", "fcpxml", "mlt", "Resolve_OTIO", "PremierePro_OTIO")
)
"""Namespaces of our readers, and of hosts that write OpenTimelineIO, whose clip markers count on the clock of the media."""


def has_markers_on_media_clock(timeline: otio.schema.Timeline) -> bool:
    """Whether a timeline is from a program that is known to count clip markers as OpenTimelineIO says, on the media's clock.

    Then a marker outside of what a clip uses is not seen. Kdenlive counts from the clip's first frame; its files do not name it.
    """
    owners = (timeline, timeline.tracks, *timeline.tracks)
    return any(not _ON_MEDIA_CLOCK.isdisjoint(owner.metadata.keys()) for owner in owners)


def set_metadata(
    owner: otio.core.SerializableObjectWithMetadata, namespace: str, values: Mapping[str, Any]
) -> None:
    """`owner.metadata[namespace] = values`, in a fifth of the time.

    The binding converts maps value by value in Python, a millisecond for what is noted on a stem; OpenTimelineIO's own JSON
    reader makes the same of it. Raises TypeError, ValueError as the assignment does.
    """
    owner.metadata[namespace] = _to_native(values)


def _to_native(values: Mapping[str, Any]) -> Any:
    if _NativeValue is None:
        return values
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return values
    if _ONLY_BY_THE_BINDING.search(text):
        return values
    return _NativeValue(otio.core.deserialize_json_from_string(text))


def read_plain_stem(item: otio.core.Item) -> dict[str, Any]:
    """What a render noted on a stem, copied: maps are dicts and lists are lists; empty for anything else.

    By OpenTimelineIO's own JSON: its maps are read value by value in Python, and all of a stem's took ten times as long.
    """
    if not read_selva_metadata(item, STEM_SCHEMA):
        return {}
    stem: dict[str, Any] = json.loads(otio.core.serialize_json_to_string(item))["metadata"][SELVA_NAMESPACE]
    return stem


def read_selva_metadata(owner: otio.core.SerializableObjectWithMetadata, schema: str) -> Mapping[str, Any]:
    """What a render noted on a stem (STEM_SCHEMA), a stem track (TRACK_SCHEMA) ...; empty for anything else."""
    noted = owner.metadata.get(SELVA_NAMESPACE)
    return noted if isinstance(noted, Mapping) and noted.get("schema") == schema else {}


def is_selva_track(track: otio.schema.Track) -> bool:
    """Whether it holds stems, or the silent takes of stems."""
    return bool(read_selva_metadata(track, TRACK_SCHEMA) or read_selva_metadata(track, TAKE_TRACK_SCHEMA))

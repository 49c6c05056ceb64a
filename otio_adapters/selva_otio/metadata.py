"""What this product keeps in the OpenTimelineIO metadata of a timeline: one namespace, one schema name per kind of object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

SELVA_NAMESPACE = "selva"
TRACK_SCHEMA = "selva.track/1"
STEM_SCHEMA = "selva.stem/1"
TAKE_SCHEMA = "selva.take/1"
TAKE_TRACK_SCHEMA = "selva.take-track/1"
"""Of tracks that hold the silent takes of a stem track, in files whose clips have one media each."""

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


def read_selva_metadata(owner: otio.core.SerializableObjectWithMetadata, schema: str) -> Mapping[str, Any]:
    """What a render noted on a stem (STEM_SCHEMA), a stem track (TRACK_SCHEMA) ...; empty for anything else."""
    noted = owner.metadata.get(SELVA_NAMESPACE)
    return noted if isinstance(noted, Mapping) and noted.get("schema") == schema else {}


def is_selva_track(track: otio.schema.Track) -> bool:
    """Whether it holds stems, or the silent takes of stems."""
    return bool(read_selva_metadata(track, TRACK_SCHEMA) or read_selva_metadata(track, TAKE_TRACK_SCHEMA))

"""What a reading of a project notes in OpenTimelineIO metadata: everything of REAPER that a timeline has no place for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import opentimelineio as otio

REAPER_NAMESPACE = "REAPER"


def read_reaper_metadata(owner: otio.core.SerializableObjectWithMetadata) -> Mapping[str, Any]:
    """What was noted on a timeline, track, clip, media reference or marker; empty when it is not from a project."""
    metadata = owner.metadata.get(REAPER_NAMESPACE)
    return metadata if isinstance(metadata, Mapping) else {}

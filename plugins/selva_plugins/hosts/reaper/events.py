"""Where the sounds of stem items begin, for take markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selva_core.base.errors import MediaError
from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.snapshot import ReaperItem, parse_snapshot
from selva_plugins.request_folder import HostRequest
from selva_render.events.collect import find_file_events


def find_item_events(request: HostRequest) -> list[dict[str, Any]]:
    """One entry for each selected stem item that can be read: `item_guid`, `take_guid`, `events` as pairs of seconds of the
    take's source and a name. Raises SnapshotError; NothingToRenderError where no selected item is a stem that can be read.
    """
    entries: list[dict[str, Any]] = []
    reasons: list[str] = []
    for item in parse_snapshot(request.snapshot).items:
        try:
            entries.append(_describe(item))
        except MediaError as error:
            reasons.append(f"{item.label}: {error.message}")
    if not entries:
        raise NothingToRenderError("; ".join(["no selected item is a stem of Selva", *reasons[:5]]))
    return entries


def _describe(item: ReaperItem) -> dict[str, Any]:
    """Raises MediaError for what is no stem, and for a stem whose file cannot be read."""
    take = item.take
    if take is None or not take.recipe or len(take.sources) != 1:
        raise MediaError("Selva did not make its active take")
    events = find_file_events(Path(take.sources[0].file))
    return {
        "item_guid": item.guid,
        "take_guid": take.guid,
        "events": [[float(event.start_s), f"{event.level_db:.0f} dB"] for event in events],
    }

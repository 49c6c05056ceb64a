"""Takes away what Selva placed: the API has no undo, so this is the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selva_plugins.hosts.resolve.media_pool import BIN_NAME, find_folder, tagged_clips
from selva_plugins.hosts.resolve.objects import OpenProject, ask, items_of, open_project, properties_of
from selva_plugins.hosts.resolve.placer import StemPlacer, start_placing

REMOVED_SCHEMA = "selva.resolve.removed/1"


def remove(resolve: Any) -> dict[str, Any]:
    """Take away what Selva placed on the current timeline: stems, tracks made for them that are empty
    now, markers, and clips of the bin that no timeline uses any more.
    """
    opened = open_project(resolve)
    bin_folder = find_folder(opened.pool, BIN_NAME)
    tagged = tagged_clips(bin_folder)
    placing = start_placing(opened, bin_folder)
    report = dict.fromkeys(("stems", "tracks", "clips", "markers", "kept"), 0)
    made: set[str] = set()
    for index in range(placing.num_tracks(), 0, -1):
        removed, kept = _clear_track(placing, index, tagged, made)
        report["stems"] += removed
        report["kept"] += kept
        name = ask(opened.timeline, "GetTrackName", "audio", index)
        left = items_of(ask(opened.timeline, "GetItemListInTrack", "audio", index))
        if removed and not left and name in made and ask(opened.timeline, "DeleteTrack", "audio", index):
            report["tracks"] += 1
    for frame, marker in (ask(opened.timeline, "GetMarkers") or {}).items():
        if str(marker.get("customData")).startswith("selva:"):
            report["markers"] += ask(opened.timeline, "DeleteMarkerAtFrame", frame) is True
    report["clips"] = _remove_unused_clips(opened, bin_folder, tagged)
    placing.give_page_back()
    placing.save()
    return {"schema": REMOVED_SCHEMA, **report}


def _clear_track(
    placing: StemPlacer, index: int, tagged: Mapping[str, str], made: set[str]
) -> tuple[int, int]:
    """How many of our items were deleted from a track and how many had to stay."""
    ours = []
    for item in items_of(ask(placing.timeline, "GetItemListInTrack", "audio", index)):
        track_made = tagged.get(ask(ask(item, "GetMediaPoolItem"), "GetUniqueId"))
        if track_made is not None:
            ours.append(item)
            made.add(track_made)
    removed = sum(placing.delete(item) for item in ours)
    return removed, len(ours) - removed


def _remove_unused_clips(opened: OpenProject, bin_folder: Any, tagged: Mapping[str, str]) -> int:
    """Clips that some other timeline uses stay: deleting them would take them off it."""
    unused = [
        media
        for media in items_of(ask(bin_folder, "GetClipList"))
        if ask(media, "GetUniqueId") in tagged and str(properties_of(media).get("Usage")) == "0"
    ]
    count = len(unused) if unused and ask(opened.pool, "DeleteClips", unused) is True else 0
    is_empty = not items_of(ask(bin_folder, "GetClipList")) and not items_of(
        ask(bin_folder, "GetSubFolderList")
    )
    if bin_folder is not None and is_empty:
        ask(opened.pool, "DeleteFolders", [bin_folder])
    return count

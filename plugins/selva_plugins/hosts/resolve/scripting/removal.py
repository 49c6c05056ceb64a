"""Removes what Selva placed: Resolve's scripting API has no undo, so this is the way back.

The same as plugins/resolve/agent/removal.lua.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selva_plugins.hosts.resolve.plan_schema import MARKER_DATA_PREFIX, RemovalReport
from selva_plugins.hosts.resolve.scripting.media_pool import find_bin, find_tagged_clips
from selva_plugins.hosts.resolve.scripting.resolve_api import (
    OpenProject,
    call,
    get_properties,
    items_of,
    open_project,
)
from selva_plugins.hosts.resolve.scripting.stem_placer import StemPlacer


def remove(resolve: Any) -> RemovalReport:
    """Remove what Selva placed on the current timeline: stems, tracks made for them that are empty now, markers, and clips of
    its bin that no timeline uses any more.
    """
    opened = open_project(resolve)
    bin_folder = find_bin(opened.pool)
    tagged = find_tagged_clips(bin_folder)
    placer = StemPlacer.open(opened, bin_folder)
    num_stems, num_tracks, num_kept = _clear_tracks(placer, tagged)
    report = RemovalReport(
        num_stems=num_stems,
        num_tracks=num_tracks,
        num_kept=num_kept,
        num_markers=_delete_markers(opened.timeline),
        num_clips=_delete_unused_clips(opened, bin_folder, tagged),
    )
    placer.restore_page()
    placer.save()
    return report


def _clear_tracks(placer: StemPlacer, tagged: Mapping[str, str]) -> tuple[int, int, int]:
    """How many stems and tracks were deleted, and how many stems could not be.

    From the last track to the first: deleting a track renumbers those after it.
    """
    num_stems = num_tracks = num_kept = 0
    tracks_made: set[str] = set()
    for index in range(placer.num_tracks(), 0, -1):
        removed, kept = _clear_track(placer, index, tagged, tracks_made)
        num_stems, num_kept = num_stems + removed, num_kept + kept
        name = call(placer.timeline, "GetTrackName", "audio", index)
        is_empty = not items_of(call(placer.timeline, "GetItemListInTrack", "audio", index))
        is_deletable = removed and is_empty and name in tracks_made
        if is_deletable and call(placer.timeline, "DeleteTrack", "audio", index):
            num_tracks += 1
    return num_stems, num_tracks, num_kept


def _clear_track(
    placer: StemPlacer, index: int, tagged: Mapping[str, str], tracks_made: set[str]
) -> tuple[int, int]:
    """How many of our items were deleted from a track and how many could not be; notes the tracks made for them."""
    ours = []
    for item in items_of(call(placer.timeline, "GetItemListInTrack", "audio", index)):
        track_made = tagged.get(call(call(item, "GetMediaPoolItem"), "GetUniqueId"))
        if track_made is not None:
            ours.append(item)
            tracks_made.add(track_made)
    num_removed = sum(placer.delete(item) for item in ours)
    return num_removed, len(ours) - num_removed


def _delete_markers(timeline: Any) -> int:
    markers = call(timeline, "GetMarkers") or {}
    ours = [
        frame
        for frame, marker in markers.items()
        if str(marker.get("customData")).startswith(MARKER_DATA_PREFIX)
    ]
    return sum(call(timeline, "DeleteMarkerAtFrame", frame) is True for frame in ours)


def _delete_unused_clips(opened: OpenProject, bin_folder: Any, tagged: Mapping[str, str]) -> int:
    """Clips that another timeline uses stay: deleting them would take them off it."""
    unused = [
        media
        for media in items_of(call(bin_folder, "GetClipList"))
        if call(media, "GetUniqueId") in tagged and str(get_properties(media).get("Usage")) == "0"
    ]
    count = len(unused) if unused and call(opened.pool, "DeleteClips", unused) is True else 0
    is_empty = not items_of(call(bin_folder, "GetClipList")) and not items_of(
        call(bin_folder, "GetSubFolderList")
    )
    if bin_folder is not None and is_empty:
        call(opened.pool, "DeleteFolders", [bin_folder])
    return count

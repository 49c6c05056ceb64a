"""Tracks: count, find, insert, delete, read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parameters import read_or_write_string, read_value, write_value
from .registry import reascript
from .state import Item, Project, Track

if TYPE_CHECKING:
    from .world import World


@reascript("CountTracks")
def count_tracks(world: World, project: Project) -> int:
    return len(project.tracks)


@reascript("GetTrack")
def get_track(world: World, project: Project, index: int) -> Track | None:
    return project.tracks[index] if 0 <= index < len(project.tracks) else None


@reascript("InsertTrackAtIndex")
def insert_track_at_index(world: World, index: int, with_defaults: bool) -> None:
    project = world.project
    world.edit(project)
    project.tracks.insert(max(0, min(index, len(project.tracks))), Track())
    world.stale_views.add("track list")


@reascript("DeleteTrack")
def delete_track(world: World, track: Track) -> None:
    """A track that ended folders hands its depth to the one above, so that the folders still end."""
    project = world.owner_of(track)
    world.edit(project)
    index = next(index for index, other in enumerate(project.tracks) if other is track)
    if track.depth < 0 and index > 0:
        project.tracks[index - 1].values["I_FOLDERDEPTH"] += track.depth
    del project.tracks[index]


@reascript("GetMediaTrackInfo_Value")
def get_media_track_info_value(world: World, track: Track, name: str) -> float:
    if name == "IP_TRACKNUMBER":
        tracks = world.owner_of(track).tracks
        return 1.0 + next(index for index, other in enumerate(tracks) if other is track)
    return read_value(world, track, name)


@reascript("SetMediaTrackInfo_Value")
def set_media_track_info_value(world: World, track: Track, name: str, value: float) -> bool:
    return write_value(world, track, name, value)


@reascript("GetSetMediaTrackInfo_String")
def get_set_media_track_info_string(
    world: World, track: Track, name: str, value: str, is_setting: bool
) -> tuple[bool, str]:
    return read_or_write_string(world, track, name, value, is_setting)


@reascript("CountTrackMediaItems")
def count_track_media_items(world: World, track: Track) -> int:
    return len(track.items)


@reascript("GetTrackMediaItem")
def get_track_media_item(world: World, track: Track, index: int) -> Item | None:
    return track.items[index] if 0 <= index < len(track.items) else None


@reascript("AddMediaItemToTrack")
def add_media_item_to_track(world: World, track: Track) -> Item:
    world.edit(track)
    item = Item()
    track.items.append(item)
    return item


@reascript("DeleteTrackMediaItem")
def delete_track_media_item(world: World, track: Track, item: Item) -> bool:
    world.edit(track)
    for index, other in enumerate(track.items):
        if other is item:
            del track.items[index]
            return True
    return False


@reascript("MoveMediaItemToTrack")
def move_media_item_to_track(world: World, item: Item, track: Track) -> bool:
    before = world.owner_of(item).track_of(item)
    world.edit(item)
    before.items[:] = [other for other in before.items if other is not item]
    track.items.append(item)
    return True


@reascript("TrackList_AdjustWindows")
def track_list_adjust_windows(world: World, is_minor: bool) -> None:
    world.stale_views.discard("track list")

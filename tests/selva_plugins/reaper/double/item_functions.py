"""Items, takes and their sources."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

from .item_chunks import build_chunk, parse_chunk
from .parameters import read_or_write_string, read_value, write_value
from .registry import reascript
from .state import Item, Project, Source, Take, Track

if TYPE_CHECKING:
    from .world import World

_PEAK_SLICES = 3


@reascript("CountMediaItems")
def count_media_items(world: World, project: Project) -> int:
    return len(project.items)


@reascript("GetMediaItem")
def get_media_item(world: World, project: Project, index: int) -> Item | None:
    items = project.items
    return items[index] if 0 <= index < len(items) else None


@reascript("IsMediaItemSelected")
def is_media_item_selected(world: World, item: Item) -> bool:
    return item.is_selected


@reascript("GetMediaItem_Track")
def get_media_item_track(world: World, item: Item) -> Track:
    return world.owner_of(item).track_of(item)


@reascript("GetMediaItemInfo_Value")
def get_media_item_info_value(world: World, item: Item, name: str) -> float:
    return read_value(world, item, name)


@reascript("SetMediaItemInfo_Value")
def set_media_item_info_value(world: World, item: Item, name: str, value: float) -> bool:
    return write_value(world, item, name, value)


@reascript("GetSetMediaItemInfo_String")
def get_set_media_item_info_string(
    world: World, item: Item, name: str, value: str, is_setting: bool
) -> tuple[bool, str]:
    return read_or_write_string(world, item, name, value, is_setting)


@reascript("UpdateArrange")
def update_arrange(world: World) -> None:
    world.stale_views.discard("arrange view")


@reascript("GetItemStateChunk")
def get_item_state_chunk(world: World, item: Item, text: str, is_undo: bool) -> tuple[bool, str]:
    return True, build_chunk(item)


@reascript("SetItemStateChunk")
def set_item_state_chunk(world: World, item: Item, text: str, is_undo: bool) -> bool:
    """Takes and sources are made anew, so that handles of the old ones are no longer valid."""
    world.edit(item)
    try:
        before = parse_chunk(text)
    except ValueError as error:
        world.record_violation(f"SetItemStateChunk: {error}")
        return False
    vars(item).update(vars(before))
    return True


@reascript("CountTakes")
def count_takes(world: World, item: Item) -> int:
    return len(item.takes)


@reascript("GetTake")
def get_take(world: World, item: Item, index: int) -> Take | None:
    return item.takes[index] if 0 <= index < len(item.takes) else None


@reascript("GetActiveTake")
def get_active_take(world: World, item: Item) -> Take | None:
    return item.takes[item.active] if item.takes else None


@reascript("SetActiveTake")
def set_active_take(world: World, take: Take) -> None:
    world.edit(take)
    for item in world.owner_of(take).items:
        for index, other in enumerate(item.takes):
            if other is take:
                item.active = index


@reascript("AddTakeToMediaItem")
def add_take_to_media_item(world: World, item: Item) -> Take:
    world.edit(item)
    take = Take()
    item.takes.append(take)
    return take


@reascript("GetMediaItemTakeInfo_Value")
def get_media_item_take_info_value(world: World, take: Take, name: str) -> float:
    return read_value(world, take, name)


@reascript("SetMediaItemTakeInfo_Value")
def set_media_item_take_info_value(world: World, take: Take, name: str, value: float) -> bool:
    return write_value(world, take, name, value)


@reascript("GetSetMediaItemTakeInfo_String")
def get_set_media_item_take_info_string(
    world: World, take: Take, name: str, value: str, is_setting: bool
) -> tuple[bool, str]:
    return read_or_write_string(world, take, name, value, is_setting)


@reascript("GetTakeNumStretchMarkers")
def get_take_num_stretch_markers(world: World, take: Take) -> int:
    return take.num_stretch_markers


@reascript("GetNumTakeMarkers")
def get_num_take_markers(world: World, take: Take) -> int:
    return len(take.markers)


@reascript("GetTakeMarker")
def get_take_marker(world: World, take: Take, index: int) -> tuple[float, str, int]:
    position_s, name = take.markers[index] if 0 <= index < len(take.markers) else (-1.0, "")
    return position_s, name, 0


@reascript("SetTakeMarker")
def set_take_marker(  # noqa: PLR0917 - REAPER's arguments
    world: World, take: Take, index: int, name: str, position_s: float | None = None, color: int | None = None
) -> int:
    """An index below zero adds a marker; REAPER keeps them in order of their position."""
    world.edit(take)
    if position_s is None or index >= len(take.markers):
        world.record_violation("SetTakeMarker: a marker that is there, or a new one, has a position")
        return -1
    if index >= 0:
        del take.markers[index]
    take.markers.append((position_s, name))
    take.markers.sort()
    return take.markers.index((position_s, name))


@reascript("GetMediaItemTake_Source")
def get_media_item_take_source(world: World, take: Take) -> Source | None:
    return take.source


@reascript("SetMediaItemTake_Source")
def set_media_item_take_source(world: World, take: Take, source: Source) -> bool:
    """The take owns the source from now on; one that a take has already would be duplicated. The one that it had is the
    script's to destroy.
    """
    world.edit(take)
    loose = [index for index, other in enumerate(world.loose_sources) if other is source]
    if not loose:
        world.record_violation("SetMediaItemTake_Source: this source belongs to a take already")
        return False
    del world.loose_sources[loose[0]]
    if take.source is not None:
        world.loose_sources.append(take.source)
    take.source = source
    return True


@reascript("PCM_Source_CreateFromFile")
def pcm_source_create_from_file(world: World, path: str) -> Source | None:
    """None for no file; a source of no length for one that cannot be read."""
    real_path = world.real_path(path)
    if not real_path.is_file():
        return None
    try:
        with wave.open(str(real_path), "rb") as stream:
            length_s = stream.getnframes() / stream.getframerate()
    except (wave.Error, EOFError):
        length_s = 0.0
    source = Source.wave(path, length_s)
    world.loose_sources.append(source)
    return source


@reascript("PCM_Source_Destroy")
def pcm_source_destroy(world: World, source: Source) -> None:
    loose = [index for index, other in enumerate(world.loose_sources) if other is source]
    if not loose:
        world.record_violation("PCM_Source_Destroy: this source belongs to a take; REAPER would crash")
        return
    del world.loose_sources[loose[0]]


@reascript("PCM_Source_BuildPeaks")
def pcm_source_build_peaks(world: World, source: Source, mode: int) -> int:
    """0 begins and answers 0 when there is nothing to do, 1 goes on and answers what is left, 2 ends."""
    if mode == 0:
        world.peaks_left[id(source)] = _PEAK_SLICES
        return 1
    if mode == 1:
        world.peaks_left[id(source)] -= 1
        return world.peaks_left[id(source)]
    if world.peaks_left.pop(id(source), None) != 0:
        world.record_violation("PCM_Source_BuildPeaks: ended before it was done")
    world.num_peaks_built += 1
    return 0


@reascript("GetMediaSourceType")
def get_media_source_type(world: World, source: Source, buffer: str = "") -> str:
    return source.kind


@reascript("GetMediaSourceFileName")
def get_media_source_file_name(world: World, source: Source, buffer: str = "") -> str:
    return source.file


@reascript("GetMediaSourceLength")
def get_media_source_length(world: World, source: Source) -> tuple[float, bool]:
    return source.length_s, source.kind == "MIDI"


@reascript("GetMediaSourceParent")
def get_media_source_parent(world: World, source: Source) -> Source | None:
    return source.parent


@reascript("PCM_Source_GetSectionInfo")
def pcm_source_get_section_info(world: World, source: Source) -> tuple[bool, float, float, bool]:
    if source.kind != "SECTION":
        return False, 0.0, 0.0, False
    return True, source.section_offset_s, source.length_s, source.is_reversed


@reascript("ValidatePtr2")
def validate_ptr2(world: World, project: Project, pointer: object, kind: str) -> bool:
    return world.is_valid(kind.removesuffix("*"), pointer.target)  # type: ignore[attr-defined]

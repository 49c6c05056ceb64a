"""Projects, markers, undo, and extension state of projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry import reascript
from .state import Marker, Project

if TYPE_CHECKING:
    from .world import World


@reascript("EnumProjects")
def enum_projects(world: World, index: int) -> tuple[Project | None, str | None]:
    if index == -1:
        return world.project, world.project.path
    if 0 <= index < len(world.projects):
        return world.projects[index], world.projects[index].path
    return None, None


@reascript("GetProjectPathEx")
def get_project_path_ex(world: World, project: Project, buffer: str = "") -> str:
    return project.media_folder


@reascript("GetProjectName")
def get_project_name(world: World, project: Project, buffer: str = "") -> str:
    return project.path.replace("\\", "/").rpartition("/")[2]


@reascript("Main_SaveProject")
def main_save_project(world: World, project: Project, save_as: bool) -> None:
    """The save dialog of an unsaved project: the test's `save_path` says what the user picks, None for cancel."""
    if project.path and not save_as:
        return
    picked = world.save_path
    if picked is not None:
        project.path = world.host_path(picked)
        project.media_folder = world.host_path(picked.parent / "Media")


@reascript("TimeMap_curFrameRate")
def time_map_cur_frame_rate(world: World, project: Project) -> tuple[float, bool]:
    return project.frame_rate_hz, project.is_drop_frame


@reascript("GetSet_LoopTimeRange2")
def get_set_loop_time_range_2(world: World, project: Project, *settings: bool | float) -> tuple[float, float]:
    """settings: is_setting, is_loop, start, end, allow_autoseek."""
    if settings[:2] != (False, False) or len(settings) != 5:
        raise AssertionError("our scripts read the time selection, and set nothing")
    return project.time_selection_s


@reascript("GetProjectTimeOffset")
def get_project_time_offset(world: World, project: Project, to_frame: bool) -> float:
    return project.start_offset_s


@reascript("GetSet_LoopTimeRange2")
def get_set_loop_time_range(  # noqa: PLR0917 - REAPER's own arguments
    world: World,
    project: Project,
    is_setting: bool,
    is_loop: bool,
    start_s: float,
    end_s: float,
    allows_seek: bool,
) -> tuple[float, float]:
    if is_setting:
        project.time_selection_s = (start_s, end_s)
    return project.time_selection_s


@reascript("GetSetProjectInfo")
def get_set_project_info(world: World, project: Project, name: str, value: float, is_setting: bool) -> float:
    values = {
        "PROJECT_SRATE": project.sample_rate_hz or 44100.0,
        "PROJECT_SRATE_USE": 0.0 if project.sample_rate_hz is None else 1.0,
    }
    if is_setting or name not in values:
        world.record_violation(f"GetSetProjectInfo: not simulated: {name!r}, setting {is_setting}")
    return values.get(name, 0.0)


@reascript("GetPlayStateEx")
def get_play_state_ex(world: World, project: Project) -> int:
    return project.play_state


@reascript("GetProjExtState")
def get_proj_ext_state(world: World, project: Project, section: str, key: str) -> tuple[int, str]:
    text = project.content.ext_state.get(section.upper(), {}).get(key.upper(), "")
    return len(text), text


@reascript("SetProjExtState")
def set_proj_ext_state(world: World, project: Project, section: str, key: str, value: str) -> int:
    project.content.ext_state.setdefault(section.upper(), {})[key.upper()] = value
    return len(value)


@reascript("GetNumRegionsOrMarkers")
def get_num_regions_or_markers(world: World, project: Project) -> int:
    return len(project.content.markers)


@reascript("GetRegionOrMarker")
def get_region_or_marker(world: World, project: Project, index: int, guid: str) -> Marker | None:
    markers = project.content.markers
    if index < 0:
        return next((marker for marker in markers if marker.guid == guid), None)
    return markers[index] if index < len(markers) else None


@reascript("GetRegionOrMarkerInfo_Value")
def get_region_or_marker_info_value(world: World, project: Project, marker: Marker, name: str) -> float:
    values = {
        "D_STARTPOS": marker.start_s,
        "D_ENDPOS": marker.end_s,
        "I_NUMBER": marker.number,
        "B_ISREGION": marker.is_region,
        "B_HIDDEN": marker.is_hidden,
    }
    if name not in values:
        world.record_violation(f"GetRegionOrMarkerInfo_Value: no parameter {name!r}")
    return float(values.get(name, 0))


@reascript("GetSetRegionOrMarkerInfo_String")
def get_set_region_or_marker_info_string(  # noqa: PLR0917 - the arguments are REAPER's
    world: World, project: Project, marker: Marker, name: str, value: str, is_setting: bool
) -> tuple[bool, str]:
    values = {"P_NAME": marker.name, "GUID": marker.guid}
    if is_setting or name not in values:
        world.record_violation(
            f"GetSetRegionOrMarkerInfo_String: not simulated: {name!r}, setting {is_setting}"
        )
    return name in values, values.get(name, "")


@reascript("EnumProjectMarkers3")
def enum_project_markers3(world: World, project: Project, index: int) -> tuple[Any, ...]:
    """The old way; hidden ones are listed too. Answers the next index, 0 at the end."""
    if not 0 <= index < len(project.content.markers):
        return 0, False, 0.0, 0.0, "", 0, 0
    marker = project.content.markers[index]
    return (
        index + 1,
        marker.is_region,
        marker.start_s,
        marker.end_s if marker.is_region else 0.0,
        marker.name,
        marker.number,
        0,
    )


@reascript("AddProjectMarker2")
def add_project_marker2(  # noqa: PLR0917 - REAPER's arguments
    world: World,
    project: Project,
    is_region: bool,
    start_s: float,
    end_s: float,
    name: str,
    number: int,
    colour: int,
) -> int:
    world.edit(project)
    found = number if number >= 0 else 1 + len(project.content.markers)
    project.content.markers.append(
        Marker(name, start_s, end_s if is_region else start_s, is_region=is_region, number=found)
    )
    return found


@reascript("Undo_BeginBlock2")
def undo_begin_block2(world: World, project: Project) -> None:
    world.begin_block(project)


@reascript("Undo_EndBlock2")
def undo_end_block2(world: World, project: Project, label: str, flags: int) -> None:
    world.end_block(project, label, flags)


@reascript("PreventUIRefresh")
def prevent_ui_refresh(world: World, change: int) -> None:
    world.refresh_depth += change
    if world.refresh_depth < 0:
        world.record_violation("PreventUIRefresh: more ends than beginnings")

"""The program around the projects: versions, folders, processes, extension state, the defer loop."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .registry import reascript
from .table import load_signatures, signatures_of

if TYPE_CHECKING:
    from .world import World


@reascript("GetAppVersion")
def get_app_version(world: World) -> str:
    return f"{world.profile.version}/x64"


@reascript("GetOS")
def get_os(world: World) -> str:
    return world.profile.system


@reascript("GetResourcePath")
def get_resource_path(world: World) -> str:
    return world.host_path(world.resource_folder)


@reascript("APIExists")
def api_exists(world: World, name: str) -> bool:
    return name in signatures_of(world.profile.version, load_signatures())


@reascript("time_precise")
def time_precise(world: World) -> float:
    return world.now_s()


@reascript("genGuid")
def gen_guid(world: World, ignored: str | None = None) -> str:
    return "{" + str(uuid.uuid4()).upper() + "}"


@reascript("GetExtState")
def get_ext_state(world: World, section: str, key: str) -> str:
    return world.ext_state.get((section.upper(), key.upper()), ("", False))[0]


@reascript("SetExtState")
def set_ext_state(world: World, section: str, key: str, value: str, persist: bool) -> None:
    if "\n" in value or "\r" in value:
        world.record_violation("SetExtState: reaper-extstate.ini cannot hold a line break")
    world.ext_state[section.upper(), key.upper()] = (value, persist)


@reascript("RecursiveCreateDirectory")
def recursive_create_directory(world: World, path: str, ignored: int) -> int:
    try:
        world.real_path(path).mkdir(parents=True, exist_ok=True)
    except OSError:
        return 0
    return 1


@reascript("EnumerateSubdirectories")
def enumerate_subdirectories(world: World, path: str, index: int) -> str | None:
    """Listed once and cached until index -1 drops the cache, as REAPER does."""
    if index == -1:
        world.listings.pop(path, None)
        return None
    if path not in world.listings:
        folder = world.real_path(path)
        children = sorted(folder.iterdir()) if folder.is_dir() else []
        world.listings[path] = [child.name for child in children if child.is_dir()]
    names = world.listings[path]
    return names[index] if index < len(names) else None


@reascript("ExecProcess")
def exec_process(world: World, command_line: str, timeout_ms: int) -> str | None:
    short_name = world.answer_short_name(command_line)
    if short_name is not None:
        return f"0\n{short_name}\r\n"
    if timeout_ms >= 0:
        world.record_violation("ExecProcess: waiting for the end blocks REAPER; use -1 or -2")
    if not world.start_process(command_line):
        return None
    return (
        "259\n" if world.profile.is_windows else "-1004\n"
    )  # what a process that still runs has for a status


@reascript("get_action_context")
def get_action_context(world: World) -> tuple[Any, ...]:
    assert world.current is not None
    return True, world.host_path(Path(world.current.path)), 0, 40000, 0, 0, 0.0, ""


@reascript("set_action_options")
def set_action_options(world: World, options: int) -> None:
    assert world.current is not None
    world.current.options = options


@reascript("defer")
def defer(world: World, call: object) -> bool:
    assert world.current is not None
    world.current.deferred.append(call)
    return True


@reascript("atexit")
def atexit(world: World, call: object) -> bool:
    assert world.current is not None
    world.current.at_exit.append(call)
    return True

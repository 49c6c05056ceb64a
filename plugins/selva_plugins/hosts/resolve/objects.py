"""Talking to Resolve's objects from Python: nothing they do wrong is an exception.

Every object has the same type, `hasattr` is always true, a method that a version does not have reads as
None, failure is None, False or an empty list, arguments are positional. `ask` is the only door.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIN_VERSION = (18, 5)


def ask(target: Any, name: str, *arguments: Any) -> Any:
    """Call a method if this version has it; None for everything that goes wrong."""
    method = None if target is None else getattr(target, name, None)
    if not callable(method):
        return None
    try:
        return method(*arguments)
    except Exception:  # a dead object raises whatever its library likes
        return None


def items_of(answer: Any) -> list[Any]:
    """A list from an answer that should be one."""
    return list(answer) if isinstance(answer, list | tuple) else []


def whole(number: Any) -> int | None:
    """A frame count from an answer; 21.1 gives floats."""
    return math.floor(number + 0.5) if isinstance(number, int | float) else None


def rate_number(value: Any) -> float | None:
    """A rate as Resolve writes it, from 24.0, "23.976" or "29.97 DF"."""
    match = re.search(r"\d+(\.\d+)?", str(value or "").replace(",", "."))
    return float(match[0]) if match else None


def true_rate(value: Any) -> float | None:
    """The rate itself: what Resolve writes for 24000/1001 and its like is rounded."""
    told = rate_number(value)
    if told is None:
        return None
    slowed = math.floor(told + 0.5) * 1000 / 1001
    return slowed if abs(told - slowed) < 0.01 else told


def setting_of(owner: Any, name: str) -> Any:
    """A setting of a project or timeline: from 21.1 on all come at once, before they are asked for by name."""
    every = ask(owner, "GetSettings")
    return every.get(name) if isinstance(every, dict) else ask(owner, "GetSetting", name)


def properties_of(media: Any) -> dict[str, Any]:
    """All properties of a clip in one call; the keys are English in every language."""
    every = ask(media, "GetClipProperty")
    return every if isinstance(every, dict) else {}


@dataclass(frozen=True)
class OpenProject:
    """What is open right now; fetched anew for each use, because objects die when a project or timeline
    is switched.
    """

    resolve: Any
    manager: Any
    project: Any
    pool: Any
    timeline: Any


def open_project(resolve: Any) -> OpenProject:
    manager = ask(resolve, "GetProjectManager")
    project = ask(manager, "GetCurrentProject")
    return OpenProject(
        resolve=resolve,
        manager=manager,
        project=project,
        pool=ask(project, "GetMediaPool"),
        timeline=ask(project, "GetCurrentTimeline"),
    )


def version_fields(resolve: Any) -> list[Any]:
    """[major, minor, patch, build, suffix]."""
    return items_of(ask(resolve, "GetVersion"))


def is_at_least(resolve: Any, wanted: Sequence[int]) -> bool:
    fields = [field for field in version_fields(resolve)[: len(wanted)] if isinstance(field, int | float)]
    return tuple(int(field) for field in fields) >= tuple(wanted)


def is_studio(resolve: Any) -> bool:
    told = ask(resolve, "IsStudio")
    return bool(told) if told is not None else "Studio" in str(ask(resolve, "GetProductName"))


def list_timelines(resolve: Any) -> list[dict[str, Any]]:
    """Id and name of every timeline of the project, in Resolve's order, and whether it is the current one."""
    opened = open_project(resolve)
    current = ask(opened.timeline, "GetUniqueId")
    listed = []
    for index in range(1, (whole(ask(opened.project, "GetTimelineCount")) or 0) + 1):
        timeline = ask(opened.project, "GetTimelineByIndex", index)
        uid = ask(timeline, "GetUniqueId")
        listed.append({"id": uid, "name": ask(timeline, "GetName"), "is_current": uid == current})
    return listed


def open_timeline(resolve: Any, uid: str) -> bool:
    """Make a timeline the current one; all objects of timelines must be fetched again afterwards."""
    opened = open_project(resolve)
    for index in range(1, (whole(ask(opened.project, "GetTimelineCount")) or 0) + 1):
        timeline = ask(opened.project, "GetTimelineByIndex", index)
        if ask(timeline, "GetUniqueId") == uid:
            return ask(opened.project, "SetCurrentTimeline", timeline) is True
    return False

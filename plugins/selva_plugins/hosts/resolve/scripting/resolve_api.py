"""Calling Resolve's objects from Python: nothing they do wrong is an exception.

Every object has the same type, `hasattr` is always true, a method that a version does not have reads as None, failure is
None, False or an empty list, and arguments are positional only. All calls go through `call`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from selva_core.base.rational import round_half_up

MIN_VERSION = (18, 5)


def call(target: Any, name: str, *arguments: Any) -> Any:
    """Call a method if this version has it; None for everything that goes wrong."""
    method = None if target is None else getattr(target, name, None)
    if not callable(method):
        return None
    try:
        return method(*arguments)
    except Exception:  # a deleted object raises whatever its library likes
        return None


def items_of(answer: Any) -> list[Any]:
    """A list from an answer that should be one."""
    return list(answer) if isinstance(answer, list | tuple) else []


def round_frames(number: Any) -> int | None:
    """A whole number of frames from an answer; 21.1 answers with floats."""
    return round_half_up(Fraction(number)) if isinstance(number, int | float) else None


def parse_rate_number(value: Any) -> float | None:
    """A rate as Resolve writes it, from 24.0, "23.976" or "29.97 DF"."""
    match = re.search(r"\d+(\.\d+)?", str(value or "").replace(",", "."))
    return float(match[0]) if match else None


def parse_true_rate(value: Any) -> float | None:
    """The exact rate behind what Resolve writes, which is rounded for 24000/1001 and its like."""
    written = parse_rate_number(value)
    if written is None:
        return None
    ntsc = round_half_up(Fraction(written)) * 1000 / 1001
    return ntsc if abs(written - ntsc) < 0.01 else written


def get_setting(owner: Any, name: str) -> Any:
    """A setting of a project or timeline: from 21.1 on all come in one call, before each is asked for by name."""
    settings = call(owner, "GetSettings")
    return settings.get(name) if isinstance(settings, dict) else call(owner, "GetSetting", name)


def get_properties(media: Any) -> dict[str, Any]:
    """All properties of a clip in one call; the keys are English in every language."""
    properties = call(media, "GetClipProperty")
    return properties if isinstance(properties, dict) else {}


@dataclass(frozen=True)
class OpenProject:
    """What is open now. Fetched anew for each use: objects answer None after a project or timeline was switched."""

    resolve: Any
    manager: Any
    project: Any
    pool: Any
    timeline: Any


def open_project(resolve: Any) -> OpenProject:
    """Whatever is not open is None."""
    manager = call(resolve, "GetProjectManager")
    project = call(manager, "GetCurrentProject")
    return OpenProject(
        resolve=resolve,
        manager=manager,
        project=project,
        pool=call(project, "GetMediaPool"),
        timeline=call(project, "GetCurrentTimeline"),
    )


def get_version(resolve: Any) -> list[Any]:
    """[major, minor, patch, build, suffix]."""
    return items_of(call(resolve, "GetVersion"))


def is_at_least(resolve: Any, wanted: Sequence[int]) -> bool:
    fields = [field for field in get_version(resolve)[: len(wanted)] if isinstance(field, int | float)]
    return tuple(int(field) for field in fields) >= tuple(wanted)


def is_studio(resolve: Any) -> bool:
    """`IsStudio` exists from 21.1 on; before, the product's name tells."""
    answer = call(resolve, "IsStudio")
    return bool(answer) if answer is not None else "Studio" in str(call(resolve, "GetProductName"))


def list_timelines(resolve: Any) -> list[dict[str, Any]]:
    """Id and name of every timeline of the project, in Resolve's order, and whether it is the current one."""
    opened = open_project(resolve)
    current_id = call(opened.timeline, "GetUniqueId")
    timelines = ((call(timeline, "GetUniqueId"), timeline) for timeline in _iter_timelines(opened))
    return [
        {"id": uid, "name": call(timeline, "GetName"), "is_current": uid == current_id}
        for uid, timeline in timelines
    ]


def open_timeline(resolve: Any, uid: str) -> bool:
    """Make a timeline the current one; all objects of timelines must be fetched again afterwards."""
    opened = open_project(resolve)
    for timeline in _iter_timelines(opened):
        if call(timeline, "GetUniqueId") == uid:
            return call(opened.project, "SetCurrentTimeline", timeline) is True
    return False


def _iter_timelines(opened: OpenProject) -> Iterator[Any]:
    for index in range(1, (round_frames(call(opened.project, "GetTimelineCount")) or 0) + 1):
        yield call(opened.project, "GetTimelineByIndex", index)

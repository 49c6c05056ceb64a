"""The host DaVinci Resolve.

`adapter` turns requests into cues and stems into plans; `agent` holds the Lua agent's source, its messages and the watch that
answers them; `studio` and `headless` render from outside; `install` and `check` are behind `selva host`. Names are loaded when
they are first used: the process that talks to Studio imports a part of this package and must stay light.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "PlanTarget": "plan",
    "ResolveSnapshot": "snapshot",
    "StudioBridge": "studio",
    "StudioRender": "headless",
    "TimelineResult": "headless",
    "build_plan": "plan",
    "build_target": "plan",
    "list_place_notices": "plan",
    "parse_snapshot": "snapshot",
    "prepare_snapshot": "adapter",
    "render_timelines": "headless",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

"""A strict double of REAPER: the real scripts run under real Lua against it, and every slip fails the test.

What it refuses: unknown functions, wrong argument counts and types, pointers to deleted things, edits outside an undo block,
blocks and refresh counts left open at the end of a defer cycle, the same function deferred twice, shells, busy loops,
dialogs nobody expected. On Windows rules also renaming onto a file and paths that the ANSI code page cannot hold.
"""

from .dialog_functions import InputDialog
from .state import Item, Project, Source, Span, Take, Track
from .system import Profile
from .world import LUA_VERSIONS, World

__all__ = [
    "LUA_VERSIONS",
    "InputDialog",
    "Item",
    "Profile",
    "Project",
    "Source",
    "Span",
    "Take",
    "Track",
    "World",
]

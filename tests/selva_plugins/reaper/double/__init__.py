"""A strict double of REAPER: the real scripts run under real Lua against it, and every mistake in them fails the test.

What it refuses: unknown functions, wrong argument counts and types, pointers to deleted things, edits outside an undo block,
blocks and refresh counts left open at the end of a defer cycle, the same function deferred twice, shells, busy loops,
dialogs without a prepared answer. On Windows rules also renaming onto a file and paths that the ANSI code page cannot hold.
"""

from .dialog_functions import InputDialog
from .state import Item, Marker, Project, Source, Take, Track
from .system import Profile
from .world import LUA_VERSIONS, World

__all__ = [
    "LUA_VERSIONS",
    "InputDialog",
    "Item",
    "Marker",
    "Profile",
    "Project",
    "Source",
    "Take",
    "Track",
    "World",
]

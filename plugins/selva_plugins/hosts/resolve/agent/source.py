"""The agent that runs inside Resolve: parts in plugins/resolve/agent, assembled into the one file that Resolve lists.

Resolve's menu shows files, and its Lua has no `require` everywhere (Free 21.1), so the parts become functions of one
chunk, which call each other by `import`. A wheel holds the assembled file; a checkout holds the parts only. Standard
library only: the build of a wheel loads this file by its path, where nothing else of this package is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

AGENT_FILE = "Selva.lua"
PARTS_FOLDER = "agent"
MAIN_PART = "main"

_IMPORT = re.compile(r'\bimport\("([^"]*)"\)')
_HEADER = """\
-- Selva for DaVinci Resolve. Assembled from the files in plugins/resolve/agent; change those, not this one.

local parts, loaded = {}, {}

-- What a part returns; each is run once, when it is first asked for.
local function import(name)
    if loaded[name] == nil then loaded[name] = parts[name]() end
    return loaded[name]
end
"""


def assemble_agent(folder: Path) -> str:
    """The Lua source of the whole agent from the `.lua` files in a folder; the same parts always give the same text.

    Each part becomes a function under its file's name; `main` is run last. Raises FileNotFoundError without a `main.lua`,
    ValueError for an import of a part that is not there or of one that is still being loaded.
    """
    parts = {
        path.stem: path.read_text(encoding="utf-8").strip() + "\n" for path in sorted(folder.glob("*.lua"))
    }
    if MAIN_PART not in parts:
        raise FileNotFoundError(f"{folder} holds no {MAIN_PART}.lua")
    _check_imports(parts)
    functions = (
        f'\n-- {name}.lua\nparts["{name}"] = function()\n{text}end\n' for name, text in parts.items()
    )
    return f'{_HEADER}{"".join(functions)}\nimport("{MAIN_PART}")\n'


def _check_imports(parts: Mapping[str, str]) -> None:
    """Lua would find such a mistake only when the user chooses the menu entry."""
    imports = {name: list(dict.fromkeys(_IMPORT.findall(text))) for name, text in parts.items()}
    for name, imported in imports.items():
        for other in imported:
            if other not in parts:
                raise ValueError(f"{name}.lua imports {other!r}; there are {', '.join(parts)}")
    _check_order(imports, MAIN_PART, ())


def _check_order(imports: Mapping[str, list[str]], name: str, importers: tuple[str, ...]) -> None:
    if name in importers:
        raise ValueError(f"the parts import each other in a circle: {' > '.join([*importers, name])}")
    for other in imports[name]:
        _check_order(imports, other, (*importers, name))

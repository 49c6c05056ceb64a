"""Real Lua as Resolve has it: the system's own interpreters where they are installed, else those of the package lupa."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

INTERPRETERS = ("luajit", "lua5.1")

_LUPA_MODULES = {"luajit": "lupa.luajit21", "lua5.1": "lupa.lua51"}
_RUN_IN_LUPA = """
import importlib, os, sys
module, *arguments = sys.argv[1:]
lua = importlib.import_module(module).LuaRuntime(encoding=None)
lua.globals()[b"arg"] = lua.table_from({number: os.fsencode(argument) for number, argument in enumerate(arguments)})
lua.eval(b"dofile")(os.fsencode(arguments[0]))
"""


def lua_command(interpreter: str, script: Path, *arguments: str) -> list[str]:
    """The command line that runs a script under an interpreter of INTERPRETERS."""
    command_line = [str(script), *arguments]
    program = shutil.which(interpreter)
    if program is not None:
        return [program, *command_line]
    return [sys.executable, "-c", _RUN_IN_LUPA, _LUPA_MODULES[interpreter], *command_line]

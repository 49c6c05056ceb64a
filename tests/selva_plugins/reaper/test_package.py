"""The scripts as files: what they call exists, what they declare is there, versions agree."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from selva_plugins.hosts.reaper_install import ACTIONS, PACKAGE_SCRIPT, read_script_version
from selva_plugins.request_folder import PROTOCOL

import selva_core

from .double.table import load_gfx_signatures, load_signatures
from .scenes import SCRIPTS

LUA_FILES = sorted(SCRIPTS.rglob("*.lua"))
GFX_VARIABLES = ["x", "y", "w", "h", "mouse_x", "mouse_y", "mouse_cap", "mouse_wheel", "ext_retina"]
MAYBE_ABSENT = ["ImGui_GetBuiltinPath"]


def build_luacheck_std() -> str:
    """luacheck's description of the globals of REAPER, from the table of its functions."""
    functions = ", ".join([*sorted(load_signatures()), *MAYBE_ABSENT])
    read_only = ", ".join(sorted(load_gfx_signatures()))
    writable = ", ".join(f"{name} = {{read_only = false}}" for name in GFX_VARIABLES)
    return (
        "stds.reaper = {read_globals = {"
        f"reaper = {{fields = {{{_quoted(functions)}}}}}, "
        f"gfx = {{fields = {{{_quoted(read_only)}, {writable}}}}}"
        "}}\nstd = 'lua53c+reaper'\nmax_line_length = 125\n"
    )


def _quoted(names: str) -> str:
    return ", ".join(f"'{name}'" for name in names.split(", "))


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed (Debian: lua-check)")
@pytest.mark.parametrize("dialect", ["lua53c", "lua54c"])
def test_luacheck_finds_nothing(tmp_path: Path, dialect: str) -> None:
    config = tmp_path / "luacheckrc"
    config.write_text(build_luacheck_std().replace("lua53c", dialect))
    command = ["luacheck", "--no-color", "--no-cache", "--config", str(config), *map(str, LUA_FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed (Debian: lua-check)")
def test_luacheck_would_find_a_misspelt_function(tmp_path: Path) -> None:
    config, script = tmp_path / "luacheckrc", tmp_path / "slip.lua"
    config.write_text(build_luacheck_std())
    script.write_text("reaper.CountTrack(0)\n")
    done = subprocess.run(
        ["luacheck", "--no-color", "--config", str(config), str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CountTrack" in done.stdout


@pytest.mark.parametrize("path", LUA_FILES, ids=lambda path: path.name)
def test_every_function_of_reaper_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])reaper\.(\w+)", text)) - set(MAYBE_ABSENT)
    assert named <= set(load_signatures())


@pytest.mark.parametrize("path", LUA_FILES, ids=lambda path: path.name)
def test_both_lua_versions_compile_it(path: Path, lua: str) -> None:
    runtime = importlib.import_module(f"lupa.lua{lua.replace('.', '')}").LuaRuntime(encoding=None)
    runtime.compile(path.read_bytes())


def test_versions_of_scripts_bridge_and_protocol_agree() -> None:
    loader = (SCRIPTS / "lib" / "selva.lua").read_text(encoding="utf-8")
    assert f'local VERSION = "{selva_core.__version__}"' in loader
    assert f"local PROTOCOL = {PROTOCOL}\n" in loader
    assert read_script_version(SCRIPTS / PACKAGE_SCRIPT) == selva_core.__version__


def test_there_is_a_script_for_each_action_and_no_other() -> None:
    assert {path.name for path in SCRIPTS.glob("*.lua")} == set(ACTIONS)


def test_action_scripts_differ_only_in_their_action() -> None:
    bodies = {
        re.sub(r"\.\w+\(\)\s*$", "", path.read_text(encoding="utf-8").split("\n\n", 1)[1])
        for path in SCRIPTS.glob("*.lua")
    }
    assert len(bodies) == 1

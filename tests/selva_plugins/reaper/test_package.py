"""The scripts as files: what they call exists, what they declare is there, versions agree."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from selva_plugins.hosts.reaper_install import ACTIONS, PACKAGE_SCRIPT, read_script_version
from selva_plugins.hosts.reaper_package import build_index
from selva_plugins.request_folder import PROTOCOL

import selva_core

from .double.table import load_gfx_signatures, load_signatures
from .pictures import draw_all
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


def test_reapack_index_is_what_the_header_says() -> None:
    index = SCRIPTS.parent / "index.xml"
    root = ET.fromstring(index.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    first = root.find(".//source")
    assert first is not None
    assert first.text is not None
    base_url = first.text.rsplit("/Selva/", 1)[0]
    assert build_index(base_url) == index.read_text(encoding="utf-8")


def test_reapack_package_holds_every_script_and_lists_the_actions() -> None:
    root = ET.fromstring(build_index("https://example.org/x/"))  # noqa: S314 - our own text
    assert (root.get("version"), root.get("name")) == ("1", "Selva Bridge")
    sources = {source.get("file"): source for source in root.iter("source")}
    assert set(sources) == {path.relative_to(SCRIPTS).as_posix() for path in LUA_FILES}
    assert {name for name, source in sources.items() if source.get("main") == "main"} == set(ACTIONS)
    assert sources["lib/json.lua"].text == "https://example.org/x/Selva/lib/json.lua"
    assert all(" " not in (source.text or "") for source in sources.values())


def test_names_are_allowed_on_every_system() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9 _.-]+", path.name) for path in LUA_FILES)


def test_only_the_package_script_is_a_package() -> None:
    for path in SCRIPTS.glob("*.lua"):
        first_line = path.read_text(encoding="utf-8").splitlines()[0]
        assert (first_line == "-- @noindex") == (path.name != PACKAGE_SCRIPT)


def test_dialogs_of_the_user_page_can_be_drawn(tmp_path: Path) -> None:
    drawn = draw_all(tmp_path)
    page = (SCRIPTS.parents[2] / "docs" / "reaper.md").read_text(encoding="utf-8")
    for picture in drawn:
        with Image.open(picture) as image:
            assert len(image.getcolors(100_000) or []) > 10, f"{picture.name} is empty"
        assert f"pictures/{picture.name}" in page

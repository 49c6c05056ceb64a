"""The scripts as files: what they call exists, what they declare is there, versions agree."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

import selva_core
from selva_plugins.hosts.reaper.action_list import ACTIONS, PACKAGE_SCRIPT
from selva_plugins.hosts.reaper.install import install, read_script_version
from selva_plugins.hosts.reaper.package import build_index, build_rtf
from selva_plugins.hosts.reaper.package import main as write_index
from selva_plugins.hosts.script_install import Machine
from selva_plugins.request_folder import PROTOCOL
from tests.selva_plugins.reaper.double import World
from tests.selva_plugins.reaper.double.table import load_gfx_signatures, load_signatures
from tests.selva_plugins.reaper.pictures import draw_all
from tests.selva_plugins.reaper.reapack import install_from_disk, read_index
from tests.selva_plugins.reaper.scenes import SCRIPTS, open_scene, plan_for, stems_of, type_sounds

LUA_FILES = sorted(SCRIPTS.rglob("*.lua"))
RELEASED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
GFX_VARIABLES = ["x", "y", "w", "h", "mouse_x", "mouse_y", "mouse_cap", "mouse_wheel", "ext_retina"]
MAYBE_ABSENT = ["ImGui_GetBuiltinPath", "osara_outputMessage"]


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
    command = ["luacheck", "-q", "--no-color", "--no-cache", "--config", str(config), *map(str, LUA_FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("luacheck") is None, reason="luacheck is not installed (Debian: lua-check)")
def test_luacheck_would_find_a_misspelt_function(tmp_path: Path) -> None:
    config, script = tmp_path / "luacheckrc", tmp_path / "mistake.lua"
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


def test_reapack_takes_the_index_and_every_script_with_it() -> None:
    files = read_index(build_index("https://example.org/x/", released=RELEASED))
    targets = {file.target.removeprefix("Scripts/Selva Bridge/Selva/"): file for file in files}
    assert set(targets) == {path.relative_to(SCRIPTS).as_posix() for path in LUA_FILES}
    assert {name for name, file in targets.items() if file.is_action} == set(ACTIONS)
    assert targets["lib/json.lua"].url == "https://example.org/x/lib/json.lua"


def test_index_says_what_the_header_says() -> None:
    index = ET.fromstring(build_index("https://example.org/x", released=RELEASED))  # noqa: S314 - our own text
    version = index.find(".//version")
    about = index.findtext(".//description") or ""
    assert version is not None
    assert (version.get("name"), version.get("time")) == (selva_core.__version__, "2026-02-03T04:05:06Z")
    assert about.startswith("{\\rtf1\\ansi {\\b Selva}\\par")
    assert "one undo away" in about


@pytest.mark.parametrize(
    "url", ["", "URL-OF-THE-REPOSITORY/raw", "https://example.org/a b", "ftp://example.org/x"]
)
def test_address_that_reapack_cannot_download_from_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address reads https://"):
        build_index(url, released=RELEASED)


def test_letters_beyond_ascii_and_braces_survive_in_the_description() -> None:
    assert build_rtf("# Jörg\n\na {b} `c`\nd") == "{\\rtf1\\ansi {\\b J\\u246?rg}\\par\na \\{b\\} c d\\par}"


def test_package_from_reapack_works_beside_the_bridge(world: World) -> None:
    """The index of this installation, installed by ReaPack's rules; the installer then only writes bridge.json."""
    index = world.home / "index.xml"
    write_index([str(index)])
    (world.resource_folder / "reaper.ini").touch()
    actions = install_from_disk(index.read_text(encoding="utf-8"), world.resource_folder)
    (report,) = install(world.resource_folder, Machine(is_running=lambda names: False))
    assert "through ReaPack" in report.done[0]
    project, item, bridge = open_scene(world)
    world.input_answers.append(type_sounds("Dog: bark"))
    world.run_script(next(path for path in actions if path.name == PACKAGE_SCRIPT))
    world.tick(3)
    bridge.finish([plan_for(world, item)])
    world.tick(30)
    assert stems_of(project) == [10.0]
    assert "Selva Bridge" in bridge.request["script_folder"]


def test_names_are_allowed_on_every_system() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9 _.-]+", path.name) for path in LUA_FILES)


def test_only_the_package_script_is_a_package() -> None:
    for path in SCRIPTS.glob("*.lua"):
        first_line = path.read_text(encoding="utf-8").splitlines()[0]
        assert (first_line == "-- @noindex") == (path.name != PACKAGE_SCRIPT)


def test_dialogs_of_the_user_page_can_be_drawn(tmp_path: Path) -> None:
    drawn = draw_all(tmp_path)
    page = (SCRIPTS.parents[2] / "docs" / "hosts" / "reaper.md").read_text(encoding="utf-8")
    for picture in drawn:
        with Image.open(picture) as image:
            assert len(image.getcolors(100_000) or []) > 10, f"{picture.name} is empty"
        assert f"pictures/{picture.name}" in page

"""The agent assembled from its parts: one file that runs in every Lua that Resolve has, the same in a wheel and a checkout."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.hosts.resolve.agent.source import assemble_agent
from selva_plugins.hosts.resolve.install import load_agent_source
from tests.selva_plugins.resolve.access import AgentAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS, lua_command
from tests.selva_plugins.resolve.double.lua import ScriptsMenu
from tests.selva_plugins.resolve.scenes import build_scene

ROOT = Path(__file__).parents[4]
PARTS = ROOT / "plugins" / "resolve" / "agent"


def write_parts(folder: Path, **parts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, source in parts.items():
        (folder / f"{name}.lua").write_text(source, encoding="utf-8")
    return folder


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_assembled_agent_takes_a_snapshot_under_each_interpreter(
    interpreter: str, open_host: OpenHost, tmp_path: Path
) -> None:
    scene = build_scene(timeline_name="Reel 7")
    prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
    menu = ScriptsMenu(open_host(build("21.1.0", "free"), scene), prefs, interpreter=interpreter)
    assert AgentAccess(menu, tmp_path).snapshot()["timeline"]["name"] == "Reel 7"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_part_runs_once_and_every_importer_gets_the_same_value(interpreter: str, tmp_path: Path) -> None:
    folder = write_parts(
        tmp_path / "parts",
        main='local one, two = import("one"), import("two")\nio.write(one.count, " ", two.count)',
        one='local shared = import("shared")\nshared.count = shared.count + 1\nreturn shared',
        two='return import("shared")',
        shared='io.write("loaded ")\nreturn { count = 1 } -- the last line may be a comment',
    )
    script = tmp_path / "agent.lua"
    script.write_text(assemble_agent(folder), encoding="utf-8")
    done = subprocess.run(lua_command(interpreter, script), capture_output=True, check=True)
    assert done.stdout.decode() == "loaded 2 2"


def test_the_same_parts_always_give_the_same_text(tmp_path: Path) -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in PARTS.glob("*.lua")}
    backwards = write_parts(tmp_path / "parts", **dict(sorted(sources.items(), reverse=True)))
    assert assemble_agent(backwards) == assemble_agent(PARTS) == load_agent_source()


def test_line_ends_of_a_windows_checkout_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for path in PARTS.glob("*.lua"):
        text = path.read_text(encoding="utf-8")
        (tmp_path / "parts" / path.name).write_text(text, encoding="utf-8", newline="\r\n")
    assert assemble_agent(tmp_path / "parts") == assemble_agent(PARTS)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"main": 'import("gone")'}, "main.lua imports 'gone'"),
        ({"main": 'import("a")', "a": 'import("b")', "b": 'return import("a")'}, "main > a > b > a"),
        ({"main": 'import("main")'}, "main > main"),
    ],
    ids=["missing", "circle", "itself"],
)
def test_imports_that_cannot_work_are_refused(parts: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        assemble_agent(write_parts(tmp_path / "parts", **parts))


def test_parts_that_import_the_same_third_one_are_accepted(tmp_path: Path) -> None:
    parts = {
        "main": 'import("a") import("b")',
        "a": 'return import("c")',
        "b": 'return import("c")',
        "c": "return {}",
    }
    assert 'parts["c"] = function()' in assemble_agent(write_parts(tmp_path / "parts", **parts))


def test_a_folder_without_a_main_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"main\.lua"):
        assemble_agent(write_parts(tmp_path / "parts", other="return {}"))


def test_every_part_of_the_agent_is_used() -> None:
    imported = {
        name
        for path in PARTS.glob("*.lua")
        for name in re.findall(r'import\("(\w+)"\)', path.read_text(encoding="utf-8"))
    }
    assert {path.stem for path in PARTS.glob("*.lua")} == imported | {"main"}


def test_a_wheel_gets_the_assembled_file_and_an_editable_installation_no_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = load_build_hook(monkeypatch)
    for_wheel: dict[str, Any] = {"force_include": {}}
    hook.initialize("standard", for_wheel)
    targets = {target: source for source, target in for_wheel["force_include"].items()}
    source = targets.pop("selva_plugins/resolve_scripts/Selva.lua")
    assert {target: Path(folder) for target, folder in targets.items()} == {
        "selva_plugins/reaper_scripts/Selva": ROOT / "plugins" / "reaper" / "Selva",
        "selva_panel": ROOT / "plugins" / "panel" / "selva_panel",
    }
    assert Path(source).read_text(encoding="utf-8") == load_agent_source()
    hook.finalize("standard", for_wheel, "the.whl")
    assert not Path(source).exists()
    for_editable: dict[str, Any] = {"force_include": {}}
    hook.initialize("editable", for_editable)
    assert for_editable["force_include"] == {}


def load_build_hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An instance of the hook in hatch_build.py, over an empty base class: hatchling is there only while a wheel is built."""
    name = "hatchling.builders.hooks.plugin.interface"
    for parent in (name.rsplit(".", count)[0] for count in range(4, 0, -1)):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    interface = types.ModuleType(name)
    interface.BuildHookInterface = type("BuildHookInterface", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WheelBuildHook()

"""The double's Scripts menu: what a Lua script does wrong without Resolve's noticing is noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.lua import ScriptsMenu
from tests.selva_plugins.resolve.scenes import build_scene


@pytest.mark.parametrize(
    ("source", "misuses"),
    [
        ("local found = resolve or Resolve; print(type(jit), found)", []),
        ("print(imort)", ["the script read the global imort, which no build has"]),
        ("answer = 5", ["the script wrote the global answer"]),
    ],
    ids=["known", "misspelt", "written"],
)
def test_a_menu_script_that_reads_or_writes_a_stray_global_is_noted(
    source: str, misuses: list[str], tmp_path: Path
) -> None:
    host = Host(build("21.1.0"), build_scene().project)
    menu = ScriptsMenu(host, FusionPrefs(tmp_path / "Fusion.prefs"), interpreter="luajit")
    script = tmp_path / "script.lua"
    script.write_text(source, encoding="utf-8")
    assert menu.run(script).error is None
    assert host.violations == misuses

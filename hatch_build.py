"""Build hook: adds to a wheel what is not among its packages.

The panel and REAPER's scripts are folders of the checkout under another name; the Resolve agent is the one file that Resolve
lists, assembled from its parts. An editable installation takes none of them: a copy in site-packages would hide the
checkout's own files.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
TARGET = "selva_plugins/resolve_scripts"
FOLDERS = {
    "plugins/reaper/Selva": "selva_plugins/reaper_scripts/Selva",
    "plugins/panel/selva_panel": "selva_panel",  # as a package, the prefix "plugins/" would make it panel/selva_panel
}


class WheelBuildHook(BuildHookInterface):
    """Named in pyproject.toml for the wheel. Editable installations read the checkout and assemble the agent from its parts."""

    PLUGIN_NAME = "custom"
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        for source_folder, target in FOLDERS.items():
            build_data["force_include"][str(ROOT / source_folder)] = target
        module = _load_agent_source()
        self._folder = tempfile.TemporaryDirectory(prefix="selva-agent-")
        file = Path(self._folder.name) / module.AGENT_FILE
        source = module.assemble_agent(ROOT / "plugins" / "resolve" / "agent")
        file.write_text(source, encoding="utf-8", newline="\n")
        build_data["force_include"][str(file)] = f"{TARGET}/{module.AGENT_FILE}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            self._folder.cleanup()


def _load_agent_source() -> ModuleType:
    """By path: while a wheel is built the package and what it needs are not installed."""
    path = ROOT / "plugins" / "selva_plugins" / "hosts" / "resolve" / "agent" / "source.py"
    spec = importlib.util.spec_from_file_location("agent_source", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""What the tests of the page need: Node.js, the packages of plugins/panel/web, and for most of them Chromium.

Scripts run in node and print one JSON object of what they saw; the tests judge it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
WEB = ROOT / "plugins" / "panel" / "web"
SCRIPTS = Path(__file__).resolve().parent / "scripts"
PATIENCE_S = 240  # nano renders on processors that others use too

RunScript = Callable[..., dict[str, Any]]


def _find_chromium() -> str | None:
    return os.environ.get("SELVA_CHROMIUM") or shutil.which("chromium")


@pytest.fixture(scope="session")
def web() -> Path:
    """The folder of the page's sources, with its packages installed."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    if not (WEB / "node_modules" / "esbuild").is_dir():
        pytest.skip("the page's packages are not installed: npm ci --prefix plugins/panel/web")
    return WEB


@pytest.fixture(scope="session")
def run_node(web: Path) -> RunScript:
    """Runs a script of tests/selva_panel/page/scripts; gives the JSON object that it printed."""

    def run(script: str, *arguments: object) -> dict[str, Any]:
        done = subprocess.run(
            ["node", str(SCRIPTS / script), *(json.dumps(argument) for argument in arguments)],
            capture_output=True, encoding="utf-8", timeout=PATIENCE_S, check=False,
            env={**os.environ, "SELVA_CHROMIUM": _find_chromium() or ""},
        )  # fmt: skip
        assert done.returncode == 0, f"{script} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    return run


@pytest.fixture(scope="session")
def run_browser(run_node: RunScript) -> RunScript:
    if _find_chromium() is None:
        pytest.skip("Chromium is not installed: apt-get install chromium, or name it in SELVA_CHROMIUM")
    return run_node

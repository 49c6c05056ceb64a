"""One panel for all tests of a module: it is a process, and starting it takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selva_panel.server.panel_process import Panel, running_panel

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with running_panel(EXAMPLES / "cut.otio", folder=tmp_path_factory.mktemp("panel")) as opened:
        yield opened

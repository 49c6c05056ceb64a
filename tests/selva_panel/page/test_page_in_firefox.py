"""The page in Firefox, by WebDriver BiDi: skipped in words where there is none."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.selva_panel.page.conftest import RunScript


@pytest.fixture
def run_firefox(run_node: RunScript, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    found = os.environ.get("SELVA_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    if found is None:
        pytest.skip("Firefox is not installed: apt-get install firefox-esr, or name it in SELVA_FIREFOX")
    monkeypatch.setenv("SELVA_FIREFOX", found)
    return run_node


def test_the_page_is_looked_at_rendered_in_played_and_placed_from_in_firefox(run_firefox: RunScript) -> None:
    seen = run_firefox("firefox.mjs", None)
    assert (seen["problems"], seen["outside"]) == ([], [])
    assert seen["cell"].startswith("Footsteps, yard; seen")
    assert seen["wave"] == 1, "the waveform's style sheet is adopted, as the policy demands"
    if not seen[
        "plays"
    ]:  # a machine without a sound output: Firefox starts no clock for sound there, and the page says so
        assert "no sound output" in seen["reason"]

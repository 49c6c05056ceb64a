"""The page in WebKitGTK, which is the engine of Safari, by WebDriver: skipped in words where there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from selva_panel.delivery.chosen import choose_stems
from selva_panel.delivery.exported_page import write_page
from selva_panel.timeline.cut import open_cut
from tests.selva_panel.page.conftest import ROOT, RunScript
from tests.selva_panel.page.test_page_that_is_sent import record_of


def find_minibrowser() -> str | None:
    """The browser that comes with WebKitGTK: Debian has it among the libraries, Fedora in libexec."""
    found = (
        path
        for folder in ("/usr/lib", "/usr/libexec")
        for path in sorted(Path(folder).glob("**/webkit*gtk-*/MiniBrowser"), reverse=True)
    )
    return os.environ.get("SELVA_MINIBROWSER") or next(map(str, found), None)


@pytest.fixture
def run_webkit(run_node: RunScript, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    if shutil.which("WebKitWebDriver") is None or shutil.which("Xvfb") is None:
        pytest.skip("WebKitGTK is not installed: apt-get install webkit2gtk-driver xvfb")
    found = find_minibrowser()
    if found is None:
        pytest.skip("MiniBrowser of WebKitGTK is not found: name it in SELVA_MINIBROWSER")
    monkeypatch.setenv("SELVA_MINIBROWSER", found)
    return run_node


def test_the_page_is_typed_in_rendered_played_and_placed_from_in_the_engine_of_safari(
    run_webkit: RunScript, tmp_path: Path
) -> None:
    cut = open_cut(ROOT / "examples" / "yard.mp4")
    sent = tmp_path / "page.html"
    chosen = choose_stems(cut, record_of(cut, tmp_path))
    write_page(sent, cut, chosen, session_id="s1", movie=ROOT / "examples" / "yard.mp4", language="en")
    seen = run_webkit("webkit.mjs", sent.as_uri())
    assert (seen["problems"], seen["sentProblems"]) == ([], [])
    assert seen["list"] == "none", "WebKitGTK's own lists cut off their words"
    assert seen["rows"][-1] == "Dog barking"
    assert "seen" in seen["cell"]
    assert seen["wave"] == 1, "the waveform's style sheet is adopted, as the policy demands"
    if seen["plays"]:
        assert abs(seen["ran"]["picture"] - seen["ran"]["sound"]) < 0.5
    else:
        assert "no sound output" in seen["reason"]

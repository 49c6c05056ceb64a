"""The blocks of Python on the pages of formats run as they stand, one after the other, beside a copy of the example cut."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.evidence import Evidence
from selva_otio.metadata import is_selva_track
from tests.docs.pages import ROOT, all_pages, load_page
from tests.selva_cli.command_line import run_selva

RUN_HERE = {"docs/formats/request-bundles.md", "docs/formats/evidence.md", "docs/formats/reaper-projects.md"}
RUN_ELSEWHERE = {
    "docs/start/python.md": "tests/docs/test_first_stems.py",
    "docs/formats/timelines.md": "tests/docs/test_first_stems.py",
    "docs/reference/python-client.md": "tests/selva_daemon/client/test_python_client_page.py",
}
NOT_RUN = {"docs/hosts/bridge.md": "asks DaVinci Resolve Studio for its timeline"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a reader, who has a cut."""
    shutil.copytree(ROOT / "examples", tmp_path, ignore=shutil.ignore_patterns("node"), dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELVA_MODEL", "selva-echo")
    return tmp_path


def run_block(page: str, number: int, names: dict[str, Any]) -> None:
    """Run one of the Python blocks of a page, with and into these names."""
    block = [block for block in load_page(page).blocks if block.language == "python"][number]
    exec(compile(block.text, f"{page}, block {number}", "exec"), names)  # noqa: S102 - our own page


def stem_tracks(timeline: otio.schema.Timeline) -> list[str]:
    return [track.name for track in timeline.audio_tracks() if is_selva_track(track)]


@pytest.mark.usefixtures("client")
def test_a_request_bundle_is_written_filled_and_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "docs/formats/request-bundles.md"
    names: dict[str, Any] = {"timeline": otio.adapters.read_from_file("cut.otio")}
    assert stem_tracks(names["timeline"]) == []
    run_block(page, 0, names)
    command = next(command for command in load_page(page).iter_shell_commands() if command[1] == "render")
    monkeypatch.setattr("sys.argv", command)
    assert run_selva() == 0
    run_block(page, 1, names)
    assert stem_tracks(names["timeline"]) == ["Dog", "Rain"]


def test_the_evidence_beside_a_stem_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Evidence(
        rate_hz=Fraction(25, 2),
        presence=(0.0,) * 25 + (1.0,) * 25,
        x=(0.5,) * 50,
        y=(0.5,) * 50,
        spread=(0.1,) * 50,
        rows=1,
        columns=1,
        heat=bytes(50),
        whole=0.75,
        threshold=0.5,
    )
    (folder / "stems").mkdir()
    (folder / "stems" / "Dog.evidence.json").write_text(json.dumps(seen.to_json()), encoding="utf-8")
    run_block("docs/formats/evidence.md", 0, {})
    assert capsys.readouterr().out == "0.75 ((2.0, 4.0),)\n"


def test_a_project_is_read_and_written(folder: Path) -> None:
    otio.adapters.write_to_file(otio.adapters.read_from_file("cut.otio"), "cut.rpp")
    run_block("docs/formats/reaper-projects.md", 0, {})
    for name in ("new.rpp", "cut-new.rpp"):
        assert (folder / name).read_text(encoding="utf-8").startswith("<REAPER_PROJECT")


def test_every_block_of_python_is_run_by_a_test_that_is_named() -> None:
    pages = {page.name for page in all_pages() if any(block.language == "python" for block in page.blocks)}
    signatures = {name for name in pages if name.startswith("docs/api/")}  # written from the code
    named: Mapping[str, str] = {**RUN_ELSEWHERE, **NOT_RUN}
    assert pages - signatures == RUN_HERE | named.keys()
    assert [test for test in RUN_ELSEWHERE.values() if not (ROOT / test).is_file()] == []

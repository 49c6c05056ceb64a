"""The adapter as any OpenTimelineIO program meets it: through the installed plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import opentimelineio as otio
import pytest

import selva_otio
from tests.selva_otio.formats.reaper.projects import FILM, summary

BUILT_IN_SUFFIXES = {"otio", "otioz", "otiod"}


def run_tool(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"from opentimelineio.console import {tool}; {tool}.main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_adapter_is_found_by_its_suffix_in_either_case() -> None:
    for name in ("cut.rpp", "CUT.RPP"):
        assert otio.adapters.from_filepath(name).name == "reaper_project"


def test_the_manifest_takes_no_suffix_that_is_built_in() -> None:
    manifest = Path(selva_otio.__file__).parent / "plugin_manifest.json"
    adapters = json.loads(manifest.read_text(encoding="utf-8"))["adapters"]
    assert not BUILT_IN_SUFFIXES & {suffix for adapter in adapters for suffix in adapter["suffixes"]}
    assert otio.adapters.from_filepath("cut.otio").name == "otio_json"


def test_plain_otio_reads_and_writes_projects(tmp_path: Path) -> None:
    read = otio.adapters.read_from_file(str(FILM))
    assert otio.adapters.write_to_file(read, str(tmp_path / "out.rpp")) is None
    assert summary(otio.adapters.read_from_file(str(tmp_path / "out.rpp"))) == summary(read)
    text = otio.adapters.write_to_string(read, "reaper_project")
    assert len(otio.adapters.read_from_string(text, "reaper_project").tracks) == len(read.tracks)


def test_options_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    read = otio.adapters.read_from_file(str(FILM))
    with pytest.raises(TypeError, match="projekt"):
        otio.adapters.write_to_file(read, str(tmp_path / "out.rpp"), projekt=str(FILM))
    with pytest.raises(TypeError, match="keep"):
        otio.adapters.read_from_file(str(FILM), keep=True)
    assert os.listdir(tmp_path) == []


def test_writing_does_not_change_the_callers_timeline(tmp_path: Path) -> None:
    read = otio.adapters.read_from_file(str(FILM))
    before = read.to_json_string()
    otio.adapters.write_to_file(read, str(tmp_path / "out.rpp"))
    assert read.to_json_string() == before


def test_otioconvert_goes_from_rpp_to_otio_and_back(tmp_path: Path) -> None:
    as_otio, as_rpp = tmp_path / "film.otio", tmp_path / "film.rpp"
    done = run_tool("otioconvert", "-i", str(FILM), "-o", str(as_otio))
    assert done.returncode == 0, done.stderr
    done = run_tool("otioconvert", "-i", str(as_otio), "-o", str(as_rpp))
    assert done.returncode == 0, done.stderr
    assert summary(otio.adapters.read_from_file(str(as_rpp))) == summary(
        otio.adapters.read_from_file(str(FILM))
    )


def test_otiotool_lists_the_tracks_of_a_project() -> None:
    done = run_tool("otiotool", "-i", str(FILM), "--list-tracks")
    assert done.returncode == 0, done.stderr
    assert "Picture" in done.stdout

"""A render replaces its own timelines, and nothing that somebody else wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_core.base.paths import AppPaths
from selva_otio.errors import TimelineWriteError
from selva_otio.metadata import STEM_SCHEMA
from selva_render.written_timelines import MAX_NOTED, check_replaceable, note_written_files
from tests.selva_otio.cuts import CutBuilder
from tests.selva_render.flashing_cuts import cut_builder
from tests.support.daemons import StartServer

TRACKS = ("--track", "Click=click", "--track", "Tock=tock", "--model", "selva-echo", "--json")


def render(cut: Path, out: Path, *options: str) -> tuple[int, Any]:
    """Exit status and what `selva render --json` printed."""
    result = CliRunner().invoke(app, ["render", str(cut), "-o", str(out), *TRACKS, *options])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("name", ["out.otio", "out.xml", "out.rpp", "out.edl"])
def test_a_render_replaces_its_own_timeline_and_not_one_that_was_changed_since(
    start_server: StartServer, tmp_path: Path, name: str
) -> None:
    start_server()
    source = tmp_path / "cut.otio"
    builder = cut_builder(tmp_path, "24")
    cut = builder.timeline(builder.track(builder.clip("a", offset=0, frames=24)))
    otio.adapters.write_to_file(cut, str(source))
    out = tmp_path / "results" / name
    out.parent.mkdir()
    status, report = render(source, out)
    assert status == 0, report
    assert render(source, out)[0] == 0  # unchanged since
    written = Path(report["timeline"])
    with written.open("a", encoding="utf-8") as file:
        file.write("\n")
    changed = written.read_bytes()
    status, refusal = render(source, out)
    assert status == 1
    assert f"{written} exists already and was changed since Selva wrote it" in refusal["error"]["message"]
    assert "--replace" in refusal["error"]["message"]
    assert written.read_bytes() == changed
    assert render(source, out, "--replace")[0] == 0
    assert written.read_bytes() != changed


def write_plain(path: Path) -> None:
    builder = CutBuilder(rate_hz=24.0)
    otio.adapters.write_to_file(
        builder.timeline(builder.track(builder.clip("a", offset=0, frames=9))), str(path)
    )


def write_junk(path: Path) -> None:
    path.write_bytes(b"three weeks of work")


def write_link_to_nothing(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("write", [write_plain, write_junk, write_link_to_nothing])
def test_a_file_that_selva_did_not_write_is_not_replaced(
    paths: AppPaths, tmp_path: Path, write: Callable[[Path], None]
) -> None:
    target = tmp_path / "out.otio"
    write(target)
    with pytest.raises(TimelineWriteError, match="was not written by Selva; choose another name"):
        check_replaceable(target, ("Dog",), paths)
    target.unlink()
    check_replaceable(target, ("Dog",), paths)  # nothing is there


def build_timeline_with_stem() -> otio.schema.Timeline:
    builder = CutBuilder(rate_hz=24.0)
    stem = builder.clip("stem", offset=0, frames=9)
    stem.metadata["selva"] = {"schema": STEM_SCHEMA}
    track = builder.track(stem, name="Dog")
    track.kind = otio.schema.TrackKind.Audio
    return builder.timeline(track)


def test_a_timeline_with_stems_that_no_note_tells_of_is_replaced(paths: AppPaths, tmp_path: Path) -> None:
    """As versions before this one wrote it."""
    target = tmp_path / "out.otio"
    otio.adapters.write_to_file(build_timeline_with_stem(), str(target))
    check_replaceable(target, ("Dog",), paths)


def test_a_reaper_project_that_no_note_tells_of_is_not_replaced_for_its_stems(
    paths: AppPaths, tmp_path: Path
) -> None:
    """REAPER keeps the metadata of stems in what it saves, a week of mixing included."""
    target = tmp_path / "mix.rpp"
    otio.adapters.write_to_file(build_timeline_with_stem(), str(target))
    with pytest.raises(TimelineWriteError, match="was not written by Selva"):
        check_replaceable(target, ("Dog",), paths)
    note_written_files([target], paths)
    check_replaceable(target, ("Dog",), paths)


def test_a_sidecar_tells_that_a_timeline_is_one_of_ours(paths: AppPaths, tmp_path: Path) -> None:
    target = tmp_path / "out.xml"
    target.write_text("<xmeml/>")
    with pytest.raises(TimelineWriteError):
        check_replaceable(target, (), paths)
    (tmp_path / "out.xml.selva.json").write_text("{}")
    check_replaceable(target, (), paths)


def test_only_the_edl_of_a_stem_track_is_in_the_way(paths: AppPaths, tmp_path: Path) -> None:
    (tmp_path / "out.v2.edl").write_text("TITLE: another cut\n")
    check_replaceable(tmp_path / "out.edl", ("Dog",), paths)
    (tmp_path / "out.Dog.edl").write_text("TITLE: sound\n")
    with pytest.raises(TimelineWriteError, match=r"out\.Dog\.edl exists already"):
        check_replaceable(tmp_path / "out.edl", ("Dog",), paths)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000])
def test_notes_that_cannot_be_read_are_none(paths: AppPaths, tmp_path: Path, content: bytes) -> None:
    paths.state.mkdir(parents=True, mode=0o700)
    paths.written_timelines_file.write_bytes(content)
    target = tmp_path / "out.otio"
    write_plain(target)
    with pytest.raises(TimelineWriteError, match="was not written by Selva"):
        check_replaceable(target, (), paths)
    note_written_files([target], paths)
    check_replaceable(target, (), paths)


def test_the_oldest_notes_are_forgotten(paths: AppPaths, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.otio" for number in range(MAX_NOTED + 2)]
    for file in files:
        file.touch()
    note_written_files(files, paths)
    noted = json.loads(paths.written_timelines_file.read_bytes())
    assert len(noted) == MAX_NOTED
    assert os.path.normcase(os.path.realpath(files[-1])) in noted


def test_where_nothing_can_be_noted_the_render_still_counts(paths: AppPaths, tmp_path: Path) -> None:
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    paths.state.write_text("a file in place of the folder")
    target = tmp_path / "out.otio"
    target.touch()
    note_written_files([target], paths)
    assert paths.state.is_file()

"""Request bundles through a real daemon: written by any OpenTimelineIO program, filled by the command line, read back."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_otio import load_timeline
from tests.selva_otio.formats.request_bundle.bundles import stem_files
from tests.selva_render.flashing_cuts import run
from tests.selva_render.requested_cuts import read, write
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples


def test_a_written_bundle_is_filled_by_the_command_line_and_read_with_its_stems(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    start_server()
    bundle, out = tmp_path / "cut.selva", tmp_path / "out.otio"
    write(cut, bundle, takes=2, handles=0.125)
    assert [cue["takes"] for cue in run("spot", bundle)["cues"]] == [2, 2]
    report = run("render", bundle, "-o", out)
    files = [Path(stem["file"]).name for stem in report["stems"]]
    assert len(files) == 4
    assert sorted(path.name for path in (bundle / "stems").iterdir()) == sorted(files)
    back = read(bundle)
    assert stem_files(back) == {"Dog": files}
    first, second = back.tracks[1].find_clips()
    assert click_samples(Path(report["stems"][0]["file"])) == [(5 + 3) * 2000]
    assert back.tracks[1].range_of_child(second).start_time.value == 18
    assert first.source_range == otio.opentime.TimeRange(
        otio.opentime.RationalTime(3, 24), otio.opentime.RationalTime(12, 24)
    )
    assert stem_files(otio.adapters.read_from_file(str(out))) == {"Dog": files}
    assert stem_files(load_timeline(bundle)) == {"Dog": files}
    assert all(stem["cached"] for stem in run("render", bundle)["stems"])
    assert "Resolve_OTIO" not in load_timeline(out).tracks[1].metadata
    run("render", bundle, "-o", tmp_path / "resolve.otio", "--for", "resolve")
    assert "Resolve_OTIO" in load_timeline(tmp_path / "resolve.otio").tracks[1].metadata


def test_a_zip_is_not_unpacked_over_another_bundle(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    write(cut, tmp_path / "cut.selvaz")
    write(cut, tmp_path / "cut.selva", seed=7)
    error = run("render", tmp_path / "cut.selvaz", status=1)["error"]
    assert "asks for something else" in error["message"]

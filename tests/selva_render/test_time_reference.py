"""Stems say when on the timeline they begin: measured on the files that a real daemon writes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from wavinfo import WavInfoReader

from selva_cli.app import app
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_otio import SpotOptions, StemTrack, spot_timeline
from selva_otio.formats.profiles import find_profile
from selva_render.options import OutputOptions
from selva_render.render import render_sheet
from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder
from tests.support.daemons import StartServer
from tests.support.flashes import write_cut, write_flashing_clip

DOG = StemTrack(name="Dog", prompt="small dog barking")


def cut_builder(folder: Path, rate_name: str) -> CutBuilder:
    """A timeline that starts at 01:00:00:00."""
    rate = RATES[rate_name]
    path = write_flashing_clip(folder / f"{rate_name}.mov", rate=rate, num_frames=72, flashes={10})
    return CutBuilder(
        rate_hz=float(rate),
        start_frame=ONE_HOUR_LABELS[rate_name],
        media_num_frames=72,
        media_url=path.as_uri(),
    )


def stems_of(cut: Path, *options: str) -> list[dict[str, Any]]:
    arguments = ["render", str(cut), "-o", str(cut.with_name("out.otio")), "--model", "selva-echo", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--track", "Dog=small dog barking", *options])
    assert result.exit_code == 0, result.stderr
    stems: list[dict[str, Any]] = json.loads(result.stdout)["stems"]
    return stems


def test_stems_begin_on_the_true_clock_at_every_rate(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    for rate_name, rate in RATES.items():
        cut = cut_builder(tmp_path, rate_name)
        track = cut.track(cut.clip("one", offset=0, frames=30), cut.clip("two", offset=30, frames=20))
        source = write_cut(cut.timeline(track), tmp_path / f"{rate_name}.otio")
        for stem, record_frame in zip(stems_of(source), (0, 30), strict=True):
            info = WavInfoReader(stem["file"])
            since_midnight = (ONE_HOUR_LABELS[rate_name] + record_frame) / rate * 48_000
            assert info.bext.time_reference == int(since_midnight + Fraction(1, 2)), rate_name
            assert Fraction(info.ixml.parsed.findtext("SPEED/TIMECODE_RATE")) == rate
            is_drop = rate_name in ("29.97 drop", "59.94")
            assert info.ixml.parsed.findtext("SPEED/TIMECODE_FLAG") == ("DF" if is_drop else "NDF"), rate_name
            assert info.ixml.project == "cut"
            assert info.ixml.scene == stem["clip"]


def test_one_hour_of_film_rate_is_the_sample_that_the_standard_says(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "23.976")
    source = write_cut(cut.timeline(cut.track(cut.clip("one", offset=0, frames=30))), tmp_path / "cut.otio")
    [stem] = stems_of(source)
    assert WavInfoReader(stem["file"]).bext.time_reference == 172_972_800


def test_with_handles_the_file_begins_earlier_and_the_cut_is_labelled(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    track = cut.track(cut.gap(10), cut.clip("one", offset=7, frames=30))
    [stem] = stems_of(write_cut(cut.timeline(track), tmp_path / "cut.otio"), "--handles", "1")
    info = WavInfoReader(stem["file"])
    assert info.bext.time_reference == (90_000 + 10 - 7) * 1920
    assert [cue.sample_offset for cue in info.cues.cues] == [7 * 1920]
    assert [region.length for region in info.cues.ranges] == [30 * 1920]
    assert [label.text for label in info.cues.labels] == ["in the cut: one"]
    assert "starts at 01:00:00:03, 25 NDF" in info.bext.description


@pytest.mark.parametrize(("host", "has_time_reference"), [(None, True), ("reaper", True), ("resolve", False)])
def test_a_host_that_cannot_take_a_time_reference_gets_none(
    start_server: StartServer, tmp_path: Path, host: str | None, has_time_reference: bool
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    sheet = spot_timeline(
        cut.timeline(cut.track(cut.clip("one", offset=0, frames=30))),
        [DOG],
        base_folder=tmp_path,
        options=SpotOptions(),
    )
    options = RenderOptions(model="selva-echo")
    output = OutputOptions(stems_folder=tmp_path / "stems", profile=find_profile(host))
    with Client.connect() as client:
        report = render_sheet(
            sheet,
            options,
            output,
            client=client,
            timeline_name="cut",
            on_status=lambda job, status: None,
        )
    [stem] = report.stems
    info = WavInfoReader(stem.result.file)
    assert info.bext.time_reference == (90_000 * 1920 if has_time_reference else 0)
    assert (info.ixml.parsed.find("SPEED") is not None) == has_time_reference


def test_a_timeline_that_starts_before_midnight_has_no_clock(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    cut.start_frame = -100
    source = write_cut(cut.timeline(cut.track(cut.clip("one", offset=0, frames=30))), tmp_path / "cut.otio")
    [stem] = stems_of(source)
    assert WavInfoReader(stem["file"]).ixml.parsed.find("SPEED") is None

"""Cuts of other kinds through a real daemon: stems where the flashes are seen, and back from a host."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_otio import load_timeline, write_timeline
from selva_otio.picture.media import resolve_media_path
from selva_otio.time.clock import format_timecode
from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_flashing_clip

FLASHES = (0, 9, 33, 47, 60, 71)
NUM_FRAMES = 72
SHOTS = ((13, 7, 30), (48, 0, 25), (73, 41, 31))
"""Record frame, offset in the media, length."""


def render(cut: Path, out: Path, *options: str) -> tuple[Any, str]:
    """The report of `selva render --json`, and standard error."""
    arguments = ["render", str(cut), "-o", str(out), "--model", "selva-echo", *options, "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout), result.stderr


def clicks_expected(rate: Fraction) -> list[int]:
    return [
        int((record + flash - offset) / rate * 48_000 + Fraction(1, 2))
        for record, offset, frames in SHOTS
        for flash in FLASHES
        if offset <= flash < offset + frames
    ]


def clicks_heard(timeline: otio.schema.Timeline, rate: Fraction, folder: Path) -> list[int]:
    """Clicks of the sounds on the audio tracks, in samples after the timeline's start; disabled ones are silent."""
    heard = []
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            if clip.enabled:
                first = round(clip.range_in_parent().start_time.value)
                file = resolve_media_path(clip.media_reference.target_url, folder)
                start_sample = int(first / rate * 48_000 + Fraction(1, 2))
                heard += [start_sample + at for at in click_samples(file)]
    return sorted(heard)


def build_cut(folder: Path, rate_name: str) -> CutBuilder:
    rate = RATES[rate_name]
    write_flashing_clip(folder / "shot #1.mov", rate=rate, num_frames=NUM_FRAMES, flashes=FLASHES)
    return CutBuilder(
        rate_hz=float(rate),
        start_frame=ONE_HOUR_LABELS[rate_name],
        media_num_frames=NUM_FRAMES,
        media_url=(folder / "shot #1.mov").as_uri(),
    )


def write_xml(folder: Path, cut: CutBuilder) -> Path:
    items: list[otio.core.Composable] = []
    cursor = 0
    for record, offset, frames in SHOTS:
        if record > cursor:
            items.append(cut.gap(record - cursor))
        items.append(cut.clip(f"at {record}", offset=offset, frames=frames))
        cursor = record + frames
    write_timeline(cut.timeline(cut.track(*items)), folder / "cut.xml")
    return folder / "cut.xml"


@pytest.mark.parametrize("rate_name", ["23.976", "29.97 drop", "59.94"])
def test_final_cut_7_xml_goes_out_for_premiere_and_comes_back(
    start_server: StartServer, tmp_path: Path, rate_name: str
) -> None:
    start_server()
    rate = RATES[rate_name]
    source = write_xml(tmp_path, build_cut(tmp_path, rate_name))
    out = tmp_path / "out.xml"
    report, errors = render(source, out, "--track", "Click=click", "--takes", "2", "--for", "premiere")
    assert (report["timeline"], report["losses"], errors) == (str(out), [], "")
    assert report["sidecar"] == f"{out}.selva.json"
    theirs = otio.adapters.read_from_file(str(out), adapter_name="fcp_xml")
    main, takes = theirs.audio_tracks()
    assert len(list(takes.find_clips())) == len(SHOTS)
    del theirs.tracks[-1]
    assert clicks_heard(theirs, rate, tmp_path) == pytest.approx(clicks_expected(rate), abs=1)  # samples
    assert main.find_clips()

    returned = tmp_path / "exports" / "from premiere.xml"
    returned.parent.mkdir()
    shutil.copy(out, returned)
    again = tmp_path / "again.xml"
    report, _ = render(returned, again, "--track", "Click=louder click", "--for", "premiere")
    assert report["kept"] == []
    read = load_timeline(again)
    assert [track.name for track in read.audio_tracks()] == ["Click"]
    assert {stem["prompt"] for stem in report["stems"]} == {"louder click"}
    files = {
        resolve_media_path(clip.media_reference.target_url, tmp_path)
        for clip in read.audio_tracks()[0].find_clips()
    }
    assert files == {Path(stem["file"]) for stem in report["stems"]}
    assert clicks_heard(read, rate, tmp_path) == pytest.approx(clicks_expected(rate), abs=1)


def test_an_edl_finds_its_media_and_its_rate_and_gives_a_list_per_track(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    rate = RATES["23.976"]
    build_cut(tmp_path, "23.976")
    lines = ["TITLE: Reel 1", "FCM: NON-DROP FRAME"]
    for number, (record, offset, frames) in enumerate(SHOTS, start=1):
        labels = (offset, offset + frames, 86_400 + record, 86_400 + record + frames)
        times = " ".join(format_timecode(frame, rate, drop_frame=False) for frame in labels)
        lines += [f"{number:03}  AX  V  C  {times}", "* FROM CLIP NAME: shot #1.mov"]
    (tmp_path / "list").mkdir()
    source = tmp_path / "list" / "cut.edl"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    tracks = ("--track", "Click=click", "--track", "Tock=tock")
    out = tmp_path / "mix.edl"
    report, errors = render(source, out, *tracks, "--media-dir", str(tmp_path))
    assert [report["timeline"], *report["parts"]] == [
        str(tmp_path / f"mix.{name}.edl") for name in ("Click", "Tock")
    ]
    assert "EDL has no picture tracks" in errors
    assert report["losses"] == ["EDL has no picture tracks: only sound is written (1)"]
    theirs = otio.adapters.read_from_file(report["timeline"], adapter_name="cmx_3600", rate=float(rate))
    (track,) = theirs.audio_tracks()
    by_name = {Path(stem["file"]).name: Path(stem["file"]) for stem in report["stems"]}
    heard = []
    for clip, (record, _, _) in zip(track.find_clips(), SHOTS, strict=True):
        start_sample = int(record / rate * 48_000 + Fraction(1, 2))
        heard += [start_sample + at for at in click_samples(by_name[clip.name])]
    assert heard == clicks_expected(rate)


def test_a_host_that_would_not_import_it_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    cut = build_cut(tmp_path, "24")
    source = write_xml(tmp_path, cut)
    arguments = ["render", str(source), "-o", str(tmp_path / "out.otio"), "--track", "Click=click"]
    result = CliRunner().invoke(app, [*arguments, "--for", "protools"])
    assert result.exit_code == 1
    assert "Pro Tools does not import .otio; write .aaf" in result.stderr
    rate = [*arguments[:-2], "--track", "Click=click", "--for", "protools", "--sample-rate", "32000"]
    rate[3] = str(tmp_path / "out.aaf")
    assert "Pro Tools has no sessions at 32000 Hz" in CliRunner().invoke(app, rate).stderr
    assert not (tmp_path / "stems").exists()

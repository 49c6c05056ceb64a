"""From a REAPER project of flashing clips to the same project with stem tracks, through a real daemon and worker."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import soundfile
from typer.testing import CliRunner

from selva_cli.app import app
from selva_otio.picture.media import resolve_media_path
from selva_otio.time.clock import exact_seconds
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_flashing_clip

RATE = Fraction(24_000, 1001)
FLASHES = (0, 9, 20, 33, 47, 60)
PROJECT = """<REAPER_PROJECT 0.1 "7.22/linux-x86_64" 1731231231 0
  PROJOFFS 3603.6 0 0
  TIMEMODE 1 0 -1 24 2 0 -1 0
  SAMPLERATE 48000 1 0
  <UNKNOWN  odd   blanks
    AAAQAAAA
  >
  <TRACK {10000000-0000-4000-8000-000000000001}
    NAME Picture
    ISBUS 0 0
    <ITEM
      POSITION 0.54220833333333
      LENGTH 1.25125
      LOOP 1
      MUTE 0 0
      IGUID {20000000-0000-4000-8000-000000000001}
      NAME "one"
      SOFFS 0.29195833333333
      PLAYRATE 1 1 0 -1 0 0.0025
      <SOURCE VIDEO
        FILE "shot #1.mov"
      >
    >
    <ITEM
      POSITION 2.002
      LENGTH 1.001
      LOOP 0
      MUTE 0 0
      IGUID {20000000-0000-4000-8000-000000000002}
      NAME "two"
      SOFFS 0
      PLAYRATE 2 1 0 -1 0 0.0025
      <SOURCE VIDEO
        FILE "shot #1.mov"
      >
    >
  >
>
"""
SEEN_FLASHES: dict[str, list[Fraction | int]] = {
    "one": [13 + flash - 7 for flash in (9, 20, 33)],
    "two": [48 + flash / Fraction(2) for flash in (0, 9, 20, 33, 47)],
}


def render(cut: Path, out: Path, *options: str, status: int = 0) -> Any:
    arguments = ["render", str(cut), "-o", str(out), "--model", "selva-echo", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == status, result.output
    return result


def make_cut(folder: Path) -> Path:
    write_flashing_clip(folder / "shot #1.mov", rate=RATE, num_frames=72, flashes=FLASHES)
    cut = folder / "cut.rpp"
    cut.write_text(PROJECT, encoding="utf-8", newline="")
    return cut


def record_clicks(project: Path, track_name: str) -> list[int]:
    """Clicks of all stems of a track, in samples after the project's start, from what its items say."""
    timeline = otio.adapters.read_from_file(str(project))
    (track,) = (track for track in timeline.tracks if track.name == track_name)
    clicks: list[int] = []
    cursor_s = Fraction(0)
    for child in track:
        if isinstance(child, otio.schema.Clip):
            file = resolve_media_path(child.media_reference.target_url, project.parent)
            sample_rate_hz = soundfile.info(file).samplerate
            file_start_s = cursor_s - exact_seconds(child.source_range.start_time)
            clicks += [round(file_start_s * sample_rate_hz) + at for at in click_samples(file)]
        cursor_s += exact_seconds(child.duration())
    return clicks


def test_stems_land_in_the_project_on_the_samples_where_flashes_are_seen(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut, out = make_cut(tmp_path), tmp_path / "cut-new.rpp"
    render(cut, out, "--track", "Click=click", "--takes", "2")
    expected = [round(frame / RATE * 48_000) for frames in SEEN_FLASHES.values() for frame in frames]
    found = record_clicks(out, "Click")
    assert len(found) == len(expected)
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))
    written = out.read_text(encoding="utf-8")
    assert written.startswith(PROJECT[:-2])
    assert written.count("TAKE\n") == 2
    assert cut.read_text(encoding="utf-8") == PROJECT


def test_rendering_the_new_project_again_changes_only_its_own_stems(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut, out, again = make_cut(tmp_path), tmp_path / "cut-new.rpp", tmp_path / "cut-newer.rpp"
    render(cut, out, "--track", "Click=click")
    render(out, again, "--track", "Click=click", "--seed", "77")
    assert again.read_text(encoding="utf-8").startswith(PROJECT[:-2])
    assert record_clicks(again, "Click") == record_clicks(out, "Click")
    assert again.read_bytes() != out.read_bytes()


def test_a_target_that_would_lose_the_media_is_refused_before_rendering(tmp_path: Path) -> None:
    cut, elsewhere = make_cut(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = render(cut, elsewhere / "cut-new.rpp", "--track", "Click=click", status=1)
    assert "beside the old one" in result.output

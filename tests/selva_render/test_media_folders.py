"""Cuts whose media is found with --media-dir, through a real daemon: stems at the right place, the cut otherwise untouched."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.picture.media import resolve_media_path
from tests.selva_otio.cuts import CutBuilder
from tests.selva_render.flashing_cuts import render, run
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_flashing_clip

PROJECT = """<REAPER_PROJECT 0.1 "7.18/win64" 1727696200
  TEMPO 120 4 4
  <UNKNOWN  odd   blanks
  >
  <TRACK {11111111-2222-3333-4444-555555555555}
    NAME Picture
    <ITEM
      POSITION 3.5
      LENGTH 2
      SOFFS 0
      <SOURCE VIDEO
        FILE "C:\\footage\\card2\\shot.mov"
      >
    >
  >
>
"""
GONE = "file:///D:/footage/card2/shot.mov"
TRACK = ("--track", "Click=click")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder of two cards, each with a shot.mov; that of card2 flashes at frame 12."""
    folder = tmp_path / "from the server"
    for card, flash in (("card1", 30), ("card2", 12)):
        (folder / card).mkdir(parents=True)
        write_flashing_clip(folder / card / "shot.mov", rate=Fraction(25), num_frames=60, flashes={flash})
    return folder


def write_cut(path: Path) -> Path:
    builder = CutBuilder(rate_hz=25.0, media_url=GONE, media_num_frames=60)
    write_timeline(builder.timeline(builder.track(builder.clip("shot", offset=0, frames=50))), path)
    return path


def stem_clicks(report: dict[str, list[dict[str, str]]]) -> list[int]:
    (stem,) = report["stems"]
    return click_samples(Path(stem["file"]))


def test_a_reaper_project_stays_as_it_is_but_for_its_stem_tracks(
    start_server: StartServer, tmp_path: Path, media: Path
) -> None:
    start_server()
    source = tmp_path / "p.rpp"
    source.write_bytes(PROJECT.encode())
    report = render(source, tmp_path / "o.rpp", *TRACK, "--media-dir", str(media))
    assert stem_clicks(report) == [12 * 1920]
    written = (tmp_path / "o.rpp").read_bytes().decode()
    head, tail = PROJECT[: PROJECT.rindex(">")], ">\n"
    assert written.startswith(head)
    assert written.endswith(tail)
    added = written[len(head) : -len(tail)]
    assert "NAME Click" in added
    assert "FILE" in added


def test_a_final_cut_document_keeps_what_no_timeline_has(
    start_server: StartServer, tmp_path: Path, media: Path
) -> None:
    start_server()
    source = write_cut(tmp_path / "cut.xml")
    text = source.read_text(encoding="utf-8")
    labels = "<labels><label2>Iris</label2></labels>"
    source.write_text(text.replace("</clipitem>", f"{labels}</clipitem>", 1), encoding="utf-8")
    report = render(source, tmp_path / "out.xml", *TRACK, "--media-dir", str(media))
    assert stem_clicks(report) == [12 * 1920]
    written = (tmp_path / "out.xml").read_text(encoding="utf-8")
    assert "Iris" in written
    assert "footage/card2/shot.mov" in written
    assert media.name not in written


@pytest.mark.parametrize("suffix", [".otio", ".fcpxml"])
def test_a_written_timeline_has_the_urls_of_the_one_that_was_read(
    start_server: StartServer, tmp_path: Path, media: Path, suffix: str
) -> None:
    start_server()
    source = write_cut(tmp_path / "cut.otio")
    out = tmp_path / f"out{suffix}"
    report = render(source, out, *TRACK, "--media-dir", str(media))
    assert stem_clicks(report) == [12 * 1920]
    (clip,) = [clip for track in load_timeline(out).video_tracks() for clip in track.find_clips()]
    assert clip.media_reference.target_url.endswith("D:/footage/card2/shot.mov")


def test_a_bundle_holds_the_media_that_was_found(
    start_server: StartServer, tmp_path: Path, media: Path
) -> None:
    start_server()
    source = write_cut(tmp_path / "cut.otio")
    render(source, tmp_path / "out.otiod", *TRACK, "--media-dir", str(media))
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otiod"))
    (clip,) = timeline.video_tracks()[0].find_clips()
    held = resolve_media_path(clip.media_reference.target_url, tmp_path / "out.otiod")
    assert held.read_bytes() == (media / "card2" / "shot.mov").read_bytes()


def test_media_that_may_be_either_of_two_files_is_refused_before_anything_is_made(
    tmp_path: Path, media: Path
) -> None:
    (media / "card2").rename(media / "card3")
    report = run("spot", write_cut(tmp_path / "cut.otio"), *TRACK, "--media-dir", media, status=1)
    assert report["error"]["code"] == "timeline-nothing-to-spot"
    assert str(media / "card1" / "shot.mov") in report["error"]["message"]
    assert str(media / "card3" / "shot.mov") in report["error"]["message"]
    assert "--media-dir" in report["error"]["message"]

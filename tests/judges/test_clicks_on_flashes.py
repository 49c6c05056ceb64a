"""Clicks that answer flashes: `selva render` with the echo model, its cut written in each format, then seen and heard by other
programs. A click is within one sample of its flash, at every rate.
"""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from tests.judges.conftest import GesMix, MeltRender
from tests.judges.decoding import decode
from tests.judges.independent_readers import READERS, SoundPlacement
from tests.selva_otio.cuts import RATES
from tests.selva_render.flashing_cuts import at_samples, cut_builder, flashes_seen, render
from tests.support.daemons import StartServer
from tests.support.flashes import CLICK_LEVEL, CLICK_WIDTH_SAMPLES, write_cut

PLACES = {"one": (13, 7, 30), "two": (48, 0, 25), "three": (73, 41, 31)}
NUM_FRAMES = 104


def flashing_cut(folder: Path, rate_name: str) -> Path:
    """One, two and three as PLACES has them: record frame, offset in the media, frames."""
    folder.mkdir(exist_ok=True)
    cut = cut_builder(folder, rate_name)
    clips = {
        name: cut.clip(name, offset=offset, frames=frames) for name, (_, offset, frames) in PLACES.items()
    }
    track = cut.track(cut.gap(13), clips["one"], cut.gap(5), clips["two"], clips["three"])
    return write_cut(cut.timeline(track), folder / "cut.otio")


def expected_frames() -> list[Fraction]:
    """Record frames at which a flash is first seen in its clip."""
    return [
        at
        for record, offset, frames in PLACES.values()
        for at in flashes_seen(record=record, offset=offset, frames=frames)
    ]


def find_clicks(samples: np.ndarray) -> list[int]:
    """Where clicks peak."""
    level = np.abs(samples)
    loud = np.flatnonzero(level > CLICK_LEVEL)
    bursts = np.split(loud, np.flatnonzero(np.diff(loud) > CLICK_WIDTH_SAMPLES) + 1)
    return [int(burst[np.argmax(level[burst])]) for burst in bursts if len(burst)]


def one_sample_apart(found: list[int], expected: list[int]) -> bool:
    return len(found) == len(expected) and all(
        abs(click - flash) <= 1 for click, flash in zip(found, expected, strict=True)
    )


def read_placements(
    timeline: otio.schema.Timeline, folder: Path, rate: Fraction
) -> dict[str, list[SoundPlacement]]:
    placements = {}
    for suffix, read in READERS.items():
        write_timeline(timeline, folder / f"placed{suffix}")
        placements[suffix] = sorted(
            read(folder / f"placed{suffix}", rate), key=lambda placement: placement.start_s
        )
    return placements


@pytest.mark.parametrize("rate_name", ["23.976", "25", "29.97 drop", "29.97 non-drop", "59.94"])
def test_clicks_are_on_their_flashes_in_every_format(
    start_server: StartServer, tmp_path: Path, ges_mix: GesMix, rate_name: str
) -> None:
    pytest.importorskip("aaf2", reason="pyaaf2 is not installed")
    start_server()
    rate, folder = RATES[rate_name], tmp_path / "cut"
    out = folder / "out.otio"
    render(flashing_cut(folder, rate_name), out, "--track", "Click=click")
    placements = read_placements(load_timeline(out), folder, rate)
    assert placements[".fcpxml"] == placements[".otio"]
    assert placements[".aaf"] == placements[".otio"]
    expected = at_samples(expected_frames(), rate)
    assert len(expected) > 8
    clicks = find_clicks(ges_mix(placements[".otio"]))
    assert one_sample_apart(clicks, expected), (clicks, expected)
    assert not one_sample_apart([click + 2 for click in clicks], expected)


@pytest.mark.parametrize("rate_name", ["23.976", "29.97 drop"])
def test_a_preview_flashes_and_clicks_on_the_same_frames(
    start_server: StartServer, tmp_path: Path, melt_render: MeltRender, rate_name: str
) -> None:
    start_server()
    rate, folder = RATES[rate_name], tmp_path / "cut"
    out = folder / "out.otio"
    render(flashing_cut(folder, rate_name), out, "--track", "Click=click")
    write_timeline(load_timeline(out), folder / "preview.mlt")
    movie = melt_render(folder / "preview.mlt", folder / "preview.mkv")
    levels, samples = decode(movie)
    assert len(levels) == NUM_FRAMES
    seen = [
        number
        for number, level in enumerate(levels)
        if level > 100 and (not number or levels[number - 1] < 100)
    ]
    assert seen == [int(frame) for frame in sorted(expected_frames())]
    clicks, expected = find_clicks(samples), at_samples(expected_frames(), rate)
    assert one_sample_apart(clicks, expected), (clicks, expected)


def test_otiotool_finds_all_media_and_ranges_in_order(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = cut_builder(tmp_path, "29.97 drop")
    track = cut.track(
        cut.gap(13), cut.clip("one", offset=20, frames=30), cut.clip("two", offset=0, frames=25)
    )
    source, out = write_cut(cut.timeline(track), tmp_path / "cut.otio"), tmp_path / "out.otio"
    render(source, out, "--track", "Click=click", "--takes", "2", "--handles", "0.2")
    report = verify(out)
    assert report.count("MEDIA EXISTS") == 4
    assert report.count(" IN BOUNDS") == 4
    assert "NOT FOUND" not in report
    broken = load_timeline(out)
    first = next(iter(broken.audio_tracks()[0].find_clips()))
    first.source_range = cut.span(9000, 30)
    write_timeline(broken, tmp_path / "broken.otio")
    assert "OUT OF BOUNDS" in verify(tmp_path / "broken.otio")


def verify(path: Path) -> str:
    """What OpenTimelineIO's own tool says of the media and ranges of a file. It takes URLs for paths, so it gets
    paths."""
    timeline = otio.adapters.read_from_file(str(path))
    for clip in timeline.find_clips():
        clip.media_reference.target_url = otio.url_utils.filepath_from_url(clip.media_reference.target_url)
    otio.adapters.write_to_file(timeline, str(path))
    tool = Path(sys.executable).with_name("otiotool")
    command = [str(tool), "-i", str(path), "--verify-media", "--verify-ranges"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout

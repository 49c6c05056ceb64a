"""From a cut of flashing clips to WAV files whose clicks are measured, through a real daemon and worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
import soundfile
from typer.testing import CliRunner

from selva_cli.main import app
from selva_daemon.client.client import Client
from selva_otio import load_timeline, write_timeline
from selva_otio.picture.media import resolve_media_path
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder
from tests.support.daemons import StartServer, end_process_tree, wait_until
from tests.support.flashes import click_samples, write_cut, write_flashing_clip

FLASHES = (0, 9, 20, 21, 33, 47, 60, 71)
NUM_FRAMES = 72


def run(*arguments: str | Path, status: int = 0) -> Any:
    """Run `selva ... --json`; returns its one JSON object."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


def render(cut: Path, out: Path, *options: str, status: int = 0) -> Any:
    return run("render", cut, "-o", out, "--model", "selva-echo", *options, status=status)


def cut_builder(folder: Path, rate_name: str) -> CutBuilder:
    """A timeline that starts at 01:00:00:00, of media that starts at 10:00:00:00."""
    rate = RATES[rate_name]
    write_flashing_clip(folder / "shot #1.mov", rate=rate, num_frames=NUM_FRAMES, flashes=FLASHES)
    return CutBuilder(
        rate_hz=float(rate),
        start_frame=ONE_HOUR_LABELS[rate_name],
        media_start_frame=36_000 * round(rate),
        media_num_frames=NUM_FRAMES,
        media_url=(folder / "shot #1.mov").as_uri(),
    )


def record_clicks(stem: dict[str, Any]) -> list[int]:
    """Clicks in samples after the timeline's start, checked against the file's stated length."""
    info = soundfile.info(stem["file"])
    assert (info.frames, info.samplerate, info.channels) == (stem["num_samples"], stem["sample_rate_hz"], 1)
    return [stem["start_sample"] - stem["offset_samples"] + at for at in click_samples(Path(stem["file"]))]


def flashes_seen(*, record: int, offset: int, frames: int, speed: Fraction = Fraction(1)) -> list[Fraction]:
    """Record frames at which a clip's flashes are first seen; of two white frames only the first seen is a flash."""
    last = offset + frames * abs(speed) - 1
    seen = []
    for flash in FLASHES:
        if flash - (1 if speed > 0 else -1) in FLASHES:
            continue
        at = record + (flash - offset) / speed if speed > 0 else record + (last - flash) / -speed
        if record <= at < record + frames:
            seen.append(at)
    return sorted(seen)


def at_samples(frames: list[Fraction], rate: Fraction, sample_rate_hz: int = 48_000) -> list[int]:
    return [int(frame / rate * sample_rate_hz + Fraction(1, 2)) for frame in frames]


@pytest.mark.parametrize(
    ("sample_rate_hz", "rate_names"), [(48_000, list(RATES)), (44_100, ["23.976", "29.97 drop"])]
)
def test_clicks_lie_where_the_flashes_are_seen_at_every_rate(
    start_server: StartServer, tmp_path: Path, sample_rate_hz: int, rate_names: list[str]
) -> None:
    start_server()
    for rate_name in rate_names:
        rate = RATES[rate_name]
        folder = tmp_path / rate_name.replace(" ", "-")
        folder.mkdir()
        cut = cut_builder(folder, rate_name)
        timeline = cut.timeline(
            cut.track(
                cut.gap(13),
                cut.clip("one", offset=7, frames=30),
                cut.gap(5),
                cut.clip("two", offset=0, frames=25),
                cut.clip("three", offset=40, frames=1),
                cut.clip("four", offset=41, frames=31),
            )
        )
        source = write_cut(timeline, folder / "cut.otio")
        report = render(
            source, folder / "out.otio", "--track", "Click=click", "--sample-rate", str(sample_rate_hz)
        )
        places = {"one": (13, 7, 30), "two": (48, 0, 25), "three": (73, 40, 1), "four": (74, 41, 31)}
        assert [stem["clip"] for stem in report["stems"]] == list(places)
        for stem in report["stems"]:
            record, offset, frames = places[stem["clip"]]
            first, end = at_samples([Fraction(record), Fraction(record + frames)], rate, sample_rate_hz)
            assert Fraction(*stem["record_start"]) == record / rate, rate_name
            assert (stem["start_sample"], stem["num_samples"]) == (first, end - first), rate_name
            expected = at_samples(
                flashes_seen(record=record, offset=offset, frames=frames), rate, sample_rate_hz
            )
            found = record_clicks(stem)
            assert len(found) == len(expected), (rate_name, stem["clip"])
            assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True)), (
                rate_name,
                stem["clip"],
            )


@pytest.mark.parametrize("speed", [Fraction(2), Fraction(1, 2), Fraction(-1), Fraction(-2), Fraction(3, 4)])
def test_clicks_follow_time_warps(start_server: StartServer, tmp_path: Path, speed: Fraction) -> None:
    start_server()
    rate = RATES["23.976"]
    cut = cut_builder(tmp_path, "23.976")
    clip = cut.clip("warped", offset=4, frames=24, speed=float(speed))
    source = write_cut(cut.timeline(cut.track(cut.gap(3), clip)), tmp_path / "cut.otio")
    (stem,) = render(source, tmp_path / "out.otio", "--track", "Click=click")["stems"]
    expected = at_samples(flashes_seen(record=3, offset=4, frames=24, speed=speed), rate)
    found = record_clicks(stem)
    assert len(expected) > 0
    assert len(found) == len(expected)
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_a_freeze_frame_never_clicks_and_is_as_long_as_it_is_seen(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(
        cut.timeline(cut.track(cut.clip("still", offset=9, frames=20, speed=0.0))), tmp_path / "cut.otio"
    )
    (stem,) = render(source, tmp_path / "out.otio", "--track", "Click=click")["stems"]
    assert record_clicks(stem) == []
    assert stem["num_samples"] == 20 * 1920


def test_handles_put_sound_before_and_after_without_moving_the_clicks(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    rate = RATES["25"]
    cut = cut_builder(tmp_path, "25")
    track = cut.track(cut.gap(13), cut.clip("one", offset=7, frames=30))
    source = write_cut(cut.timeline(track), tmp_path / "cut.otio")
    out = tmp_path / "out.otio"
    (stem,) = render(source, out, "--track", "Click=click", "--handles", "1")["stems"]
    assert stem["offset_samples"] == 7 * 1920
    assert stem["num_samples"] == (7 + 30 + 25) * 1920
    assert record_clicks(stem) == at_samples(flashes_seen(record=6, offset=0, frames=62), rate)
    placed = load_timeline(out)
    (item,) = placed.tracks[1].find_clips()
    assert item.source_range == cut.span(7, 30)
    assert item.media_reference.available_range == cut.span(0, 62)


def test_the_new_timeline_leads_to_the_files_and_the_input_is_untouched(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "29.97 drop")
    source = write_cut(
        cut.timeline(cut.track(cut.clip("one", offset=0, frames=30), cut.clip("two", offset=30, frames=20))),
        tmp_path / "cut.otio",
    )
    before = source.read_bytes()
    out = tmp_path / "mix" / "out.otio"
    out.parent.mkdir()
    report = render(source, out, "--track", "Dog=dog", "--track", "Rain=rain", "--takes", "2", "--seed", "7")
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"cut.otio", "mix", "shot #1.mov", "selva"}
    assert {path.name for path in out.parent.iterdir()} == {"out.otio", "stems"}
    placed = load_timeline(out)
    assert [track.name for track in placed.tracks] == ["V1", "Dog", "Rain"]
    files = {stem["file"] for stem in report["stems"]}
    assert len(files) == 2 * 2 * 2
    assert {path.name for path in (out.parent / "stems").iterdir()} == {Path(file).name for file in files}
    for track in placed.tracks[1:]:
        for item in track.find_clips():
            for reference in item.media_references().values():
                assert str(resolve_media_path(reference.target_url, Path("/"))) in files
    assert {(stem["take"], stem["seed"]) for stem in report["stems"]} == {(1, 7), (2, 8)}


@pytest.mark.parametrize("suffix", [".otioz", ".otiod", ".rpp", ".fcpxml"])
def test_a_cut_of_another_kind_gets_its_stems_in_its_own_kind(
    start_server: StartServer, tmp_path: Path, suffix: str
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    timeline = cut.timeline(cut.track(cut.gap(13), cut.clip("one", offset=7, frames=30)))
    source, out = tmp_path / f"cut{suffix}", tmp_path / f"out{suffix}"
    write_timeline(timeline, source)
    (stem,) = render(source, out, "--track", "Click=click")["stems"]
    assert record_clicks(stem) == at_samples(flashes_seen(record=13, offset=7, frames=30), Fraction(24))
    with open_timeline(out) as opened:
        track = next(track for track in opened.timeline.tracks if track.name == "Click")
        (clip,) = track.find_clips()
        file = resolve_media_path(clip.media_reference.target_url, opened.base_folder)
        assert file.read_bytes() == Path(stem["file"]).read_bytes()
        start = clip.transformed_time_range(clip.trimmed_range(), opened.timeline.tracks).start_time
        assert start.to_seconds() == pytest.approx(13 / 24, abs=1e-6)


def test_a_second_run_answers_from_the_cache_with_the_same_bytes(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    source = write_cut(cut.timeline(cut.track(cut.clip("one", offset=0, frames=30))), tmp_path / "cut.otio")
    out = tmp_path / "out.otio"
    (first,) = render(source, out, "--track", "Dog=dog")["stems"]
    before = Path(first["file"]).read_bytes(), out.read_bytes()
    (second,) = render(source, out, "--track", "Dog=dog")["stems"]
    assert (first["cached"], second["cached"]) == (False, True)
    assert (Path(second["file"]).read_bytes(), out.read_bytes()) == before


def test_one_bad_clip_does_not_stop_the_others(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"this is no movie" * 100)
    bars = otio.schema.Clip(
        "bars", otio.schema.GeneratorReference(generator_kind="SMPTEBars"), source_range=cut.span(0, 10)
    )
    cut.media_num_frames = 10_000
    source = write_cut(
        cut.timeline(
            cut.track(
                cut.clip("good", offset=0, frames=30),
                bars,
                cut.clip("gone", offset=0, frames=10, url="file:///nowhere/gone.mov"),
                otio.schema.Clip("offline", otio.schema.MissingReference(), source_range=cut.span(0, 5)),
                cut.clip("broken", offset=0, frames=10, url=broken.as_uri()),
                cut.clip("beyond", offset=5000, frames=10),
                cut.clip("also good", offset=30, frames=20),
            )
        ),
        tmp_path / "cut.otio",
    )
    report = render(source, tmp_path / "out.otio", "--track", "Dog=dog", status=3)
    assert [stem["clip"] for stem in report["stems"]] == ["good", "also good"]
    assert [item["clip"] for item in report["skipped"]] == ["bars"]
    assert [(item["clip"], item["code"]) for item in report["failed"]] == [
        ("gone", "media-not-found"),
        ("offline", "clip-unusable"),
        ("broken", "media-unreadable"),
        ("beyond", "media-range"),
    ]
    placed = load_timeline(tmp_path / "out.otio")
    (track,) = [track for track in placed.tracks if track.name == "Dog"]
    assert [item.metadata["selva"]["source"]["name"] for item in track.find_clips()] == ["good", "also good"]


def test_clips_that_fail_for_one_reason_are_one_line(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = cut_builder(tmp_path, "24")
    clips = [cut.clip(name, offset=0, frames=10) for name in "abc"]
    source = write_cut(cut.timeline(cut.track(*clips)), tmp_path / "cut.otio")
    command = ["render", str(source), "-o", str(tmp_path / "out.otio"), "--track", "Dog=dog"]
    result = CliRunner().invoke(app, [*command, "--model", "selva-large-44k"])
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("selva: 'a' at 01:00:00:00 and 2 more failed: ")


def test_when_every_clip_fails_nothing_is_written(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"this is no movie" * 100)
    cut = CutBuilder(rate_hz=24.0)
    source = write_cut(
        cut.timeline(cut.track(cut.clip("broken", offset=0, frames=10, url=broken.as_uri()))),
        tmp_path / "cut.otio",
    )
    report = render(source, tmp_path / "out.otio", "--track", "Dog=dog", status=1)
    assert report["timeline"] is None
    assert {path.name for path in tmp_path.iterdir()} == {"cut.otio", "broken.mov", "selva"}


def test_a_bare_file_gets_stems_from_in_to_out(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    video = write_flashing_clip(
        tmp_path / "shot.mov", rate=Fraction(25), num_frames=NUM_FRAMES, flashes=FLASHES
    )
    report = run(
        *("stems", video, "-o", tmp_path / "stems", "--track", "Click=click", "--model", "selva-echo"),
        *("--start", "8/25", "--end", "00:00:02:00"),
    )
    (stem,) = report["stems"]
    assert stem["num_samples"] == 42 * 1920
    assert report["timeline"] is None
    assert record_clicks(stem) == at_samples(flashes_seen(record=8, offset=8, frames=42), Fraction(25))
    (whole,) = run(
        "stems", video, "-o", tmp_path / "whole", "--track", "Click=click", "--model", "selva-echo"
    )["stems"]
    assert whole["num_samples"] == NUM_FRAMES * 1920


@pytest.mark.skipif(sys.platform == "win32", reason="a console interrupt is sent otherwise there")
def test_an_interrupt_cancels_the_jobs_and_writes_no_timeline(tmp_path: Path) -> None:
    cut = cut_builder(tmp_path, "24")
    clips = [cut.clip(f"c{number}", offset=number, frames=20) for number in range(4)]
    source = write_cut(cut.timeline(cut.track(*clips)), tmp_path / "cut.otio")
    environment = {**os.environ, "SELVA_ECHO_STEP_DELAY_S": "0.5"}
    command = [sys.executable, "-m", "selva_daemon", "render", str(source), "-o", str(tmp_path / "out.otio")]
    process = subprocess.Popen(
        [*command, "--track", "Dog=dog", "--model", "selva-echo"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background hands down an ignored interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    client = None
    try:
        wait_until((tmp_path / "selva" / "state" / "connection.json").exists, "the daemon's connection file")
        with Client.connect() as client:
            wait_until(lambda: client.status().queue.get("running", 0) == 1, "a running job")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 130
            assert "interrupted" in errors
            wait_until(lambda: client.status().queue.get("running", 0) == 0, "the end of the running job")
            states = {job.state for job in client.jobs()}
            assert states == {"cancelled"}
        assert not (tmp_path / "out.otio").exists()
        assert not list(tmp_path.glob("stems/*.wav"))
    finally:
        process.kill()
        process.communicate()
        connection = tmp_path / "selva" / "state" / "connection.json"
        if connection.exists():
            end_process_tree(int(json.loads(connection.read_text())["pid"]))

"""A cut is rendered by a real daemon: what is written, what the cache answers, what becomes of clips that fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_core.base.errors import RenderCancelled
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonTimeoutError, DaemonUnavailableError
from selva_otio import load_timeline
from selva_otio.picture.media import resolve_media_path
from selva_render.jobs import ClipJob, cancelled_on_error
from tests.selva_otio.cuts import CutBuilder
from tests.selva_render.flashing_cuts import cut_builder, render
from tests.support.daemons import StartServer, end_process_tree, wait_until
from tests.support.flashes import write_cut


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


@pytest.mark.skipif(sys.platform == "win32", reason="a console interrupt is sent otherwise there")
def test_an_interrupt_cancels_the_jobs_and_writes_no_timeline(tmp_path: Path) -> None:
    cut = cut_builder(tmp_path, "24")
    clips = [cut.clip(f"c{number}", offset=number, frames=20) for number in range(4)]
    source = write_cut(cut.timeline(cut.track(*clips)), tmp_path / "cut.otio")
    environment = {**os.environ, "SELVA_ECHO_STEP_DELAY_S": "0.5"}
    command = [sys.executable, "-m", "selva_cli", "render", str(source), "-o", str(tmp_path / "out.otio")]
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


class _CancelsOnly:
    """A client that notes what it is asked to cancel."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def cancel(self, *job_ids: str) -> dict[str, str]:
        self.cancelled += job_ids
        return dict.fromkeys(job_ids, "cancelled")


@pytest.mark.parametrize(
    ("error", "cancelled"),
    [
        (DaemonTimeoutError("the daemon did not answer"), []),
        (DaemonUnavailableError("the daemon is gone"), []),
        (KeyboardInterrupt(), ["job-1"]),
        (RenderCancelled("cancelled"), ["job-1"]),
    ],
)
def test_jobs_are_cancelled_by_a_person_and_not_by_a_daemon_that_is_silent(
    error: BaseException, cancelled: list[str]
) -> None:
    client = _CancelsOnly()

    def fail_after_one_job() -> None:
        with cancelled_on_error(cast(Client, client)) as submitted:
            submitted["job-1"] = cast(ClipJob, None)
            raise error

    with pytest.raises(type(error)):
        fail_after_one_job()
    assert client.cancelled == cancelled

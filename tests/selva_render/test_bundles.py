"""Request bundles on their way through a real daemon: written by any OpenTimelineIO program, filled, read back."""

from __future__ import annotations

import json
import shutil
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest
from typer.testing import CliRunner

from selva_cli.main import app
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_otio import load_timeline
from selva_otio.errors import BundleUnfilledError
from selva_otio.formats.request_bundle.bundle_folder import open_bundle
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.request_bundle.bundles import stem_files
from tests.support.daemons import StartDaemon, StartServer, kill_hard
from tests.support.flashes import click_samples, write_flashing_clip, write_flashing_images

ECHO = {"model": "selva-echo", "tracks": {"Dog": "small dog barking"}}


@pytest.fixture
def cut(tmp_path: Path) -> otio.schema.Timeline:
    """Two clips of one flashing file at 24; the first shows the flash at its frame 5, the second at its frame 11."""
    video = write_flashing_clip(tmp_path / "shot.mov", rate=Fraction(24), num_frames=48, flashes={9, 31})
    builder = CutBuilder(rate_hz=24.0, start_frame=86_400, media_url=video.as_uri(), media_num_frames=48)
    return builder.timeline(
        builder.track(
            builder.clip("a", offset=4, frames=12), builder.gap(6), builder.clip("b", offset=20, frames=24)
        )
    )


def write(cut: otio.schema.Timeline, path: Path, **options: Any) -> Any:
    return otio.adapters.write_to_file(cut, str(path), **{**ECHO, **options})


def read(path: Path) -> otio.schema.Timeline:
    return otio.adapters.read_from_file(str(path))


def run(*arguments: str | Path, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


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


def test_submitting_returns_the_jobs_and_the_stems_come_by_themselves(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path, paths: AppPaths
) -> None:
    start_server()
    job_ids = write(cut, tmp_path / "cut.selva", submit=True)
    assert len(job_ids) == 2
    with Client.connect(paths=paths) as client:
        for job_id in job_ids:
            assert client.wait(job_id).state == "done"
    assert [len(files) for files in stem_files(read(tmp_path / "cut.selva")).values()] == [2]


def test_a_bundle_is_filled_through_a_killed_daemon_and_can_be_read_all_the_while(
    start_daemon_process: StartDaemon,
    cut: otio.schema.Timeline,
    tmp_path: Path,
    paths: AppPaths,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.02")
    pid = start_daemon_process()
    job_ids = write(cut, tmp_path / "cut.selva", submit=True)
    kill_hard(pid)
    assert sum(map(len, stem_files(read(tmp_path / "cut.selva")).values())) < 2
    start_daemon_process()
    with Client.connect(paths=paths) as client:
        assert [client.wait(job_id).state for job_id in job_ids] == ["done", "done"]
    assert [len(files) for files in stem_files(read(tmp_path / "cut.selva")).values()] == [2]


def test_waiting_returns_when_the_stems_lie_in_place_and_tells_how_far_it_is(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    start_server()
    told: list[tuple[float, str]] = []
    job_ids = write(
        cut,
        tmp_path / "cut.selva",
        wait=True,
        on_progress=lambda fraction, text: told.append((fraction, text)),
    )
    assert len(job_ids) == 2
    assert [len(files) for files in stem_files(read(tmp_path / "cut.selva")).values()] == [2]
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {text.partition(":")[0] for _, text in told} == {"a", "b"}


def test_nothing_is_sent_unasked_and_sending_without_a_daemon_says_so(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    write(cut, tmp_path / "cut.selva")
    assert not (tmp_path / "selva").exists(), "no daemon was started, none was asked"
    for option in ("submit", "wait"):
        with pytest.raises(DaemonUnavailableError):
            write(cut, tmp_path / "cut.selva", **{option: True})
    assert not (tmp_path / "selva").exists()
    assert open_bundle(tmp_path / "cut.selva").spot().cues


def test_clips_whose_media_is_gone_are_named_and_the_others_are_made(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    start_server()
    gone = (tmp_path / "gone.mov").as_uri()
    cut.tracks[0][0].media_reference.target_url = gone
    with pytest.warns(UserWarning, match=r"'a' at 01:00:00:00 failed: there is no file at .*gone\.mov"):
        assert len(write(cut, tmp_path / "one.selva", submit=True)) == 1
    offline = cut.clone()
    offline.tracks[0][0].media_reference = otio.schema.MissingReference()
    with pytest.warns(UserWarning, match="'a' at 01:00:00:00 failed: offline"):
        write(offline, tmp_path / "offline.selva", submit=True)
    with pytest.raises(BundleUnfilledError, match="'a'") as caught:
        write(cut, tmp_path / "two.selva", wait=True)
    assert caught.value.facts["num_stems"] == 1
    assert [len(files) for files in stem_files(read(tmp_path / "two.selva")).values()] == [1]
    report = run("render", tmp_path / "two.selva", status=3)
    assert [clip["code"] for clip in report["failed"]] == ["media-not-found"]
    cut.tracks[0][2].media_reference.target_url = gone
    with warnings.catch_warnings(), pytest.raises(BundleUnfilledError):
        write(cut, tmp_path / "three.selva", submit=True)


def test_a_zip_with_small_pictures_is_filled_where_no_media_is(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    start_server()
    cut.tracks[0][2].effects.append(otio.schema.LinearTimeWarp(time_scalar=0.5))
    sent = tmp_path / "sent.selvaz"
    write(cut, sent, media="small")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(sent, elsewhere / "job.selvaz")
    (tmp_path / "shot.mov").unlink()
    report = run("render", elsewhere / "job.selvaz")
    assert [stem["source_start"] for stem in report["stems"]] == [[1, 6], [5, 6]]
    clicks = [click_samples(Path(stem["file"])) for stem in report["stems"]]
    assert [len(found) for found in clicks] == [1, 1]
    for (found,), frame in zip(clicks, (5, 22), strict=True):
        assert abs(found - frame * 2000) <= 48_000 // 25, "seen on the grid of 25 frames that models look at"
    shutil.rmtree(elsewhere / "job.selva")
    back = read(elsewhere / "job.selvaz")
    (first, _) = back.tracks[1].find_clips()
    assert first.metadata["selva"]["source"]["url"] == (tmp_path / "shot.mov").as_uri()
    assert first.media_reference.target_url.startswith("stems/Dog_")


def test_small_pictures_of_an_image_sequence_replace_its_images(
    start_server: StartServer, cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    start_server()
    write_flashing_images(tmp_path / "plates", range(48), flashes=[9, 31])
    for clip in cut.find_clips():
        clip.media_reference = otio.schema.ImageSequenceReference(
            target_url_base=(tmp_path / "plates").as_uri() + "/",
            name_prefix="plate.",
            name_suffix=".png",
            rate=24.0,
            frame_zero_padding=4,
            available_range=clip.media_reference.available_range,
        )
    write(cut, tmp_path / "cut.selva", media="small")
    shutil.rmtree(tmp_path / "plates")
    report = run("render", tmp_path / "cut.selva")
    clicks = [click_samples(Path(stem["file"])) for stem in report["stems"]]
    assert [len(found) for found in clicks] == [1, 1]


def test_a_zip_is_not_unpacked_over_another_bundle(cut: otio.schema.Timeline, tmp_path: Path) -> None:
    write(cut, tmp_path / "cut.selvaz")
    write(cut, tmp_path / "cut.selva", seed=7)
    error = run("render", tmp_path / "cut.selvaz", status=1)["error"]
    assert "asks for something else" in error["message"]

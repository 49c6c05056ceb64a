"""Bundles that the OpenTimelineIO adapter hands to the daemon: its sender is found by entry point."""

from __future__ import annotations

import shutil
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_otio.errors import BundleUnfilledError, CueError
from selva_otio.formats.request_bundle import sender as sender_module
from selva_otio.formats.request_bundle.bundle_folder import load_bundle_folder
from selva_otio.formats.request_bundle.sender import ENTRY_POINT_GROUP, BundleSender, find_sender
from selva_render import bundle_sender
from tests.selva_otio.formats.request_bundle.bundles import stem_files
from tests.selva_render.flashing_cuts import run
from tests.selva_render.requested_cuts import read, write
from tests.support.daemons import StartDaemon, StartServer, kill_hard
from tests.support.entry_points import declared_entry_points
from tests.support.flashes import click_samples, write_flashing_images

pytestmark = pytest.mark.usefixtures("bundle_sender")


def test_the_declared_sender_has_what_the_adapter_calls() -> None:
    sender = find_sender()
    assert sender is bundle_sender
    declared = {name for name in vars(BundleSender) if not name.startswith("_")}
    assert declared == set(bundle_sender.__all__)


@pytest.mark.parametrize("options", [{"submit": True}, {"wait": True}, {"media": "small"}])
def test_without_a_sender_nothing_is_written_and_the_error_says_how_to_go_on(
    cut: otio.schema.Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(sender_module, "entry_points", lambda group: [])
    write(cut, tmp_path / "cut.selva", seed=7)
    with pytest.raises(CueError, match=r"-m pip install .*selva render cut\.selva"):
        write(cut, tmp_path / "cut.selva", **options)
    assert load_bundle_folder(tmp_path / "cut.selva").options.render.seed == 7, (
        "the older request is untouched"
    )


def test_a_sender_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint(name="old", value="selva_of_last_year.sender", group=ENTRY_POINT_GROUP)
    monkeypatch.setattr(sender_module, "entry_points", lambda group: [broken])
    with pytest.raises(CueError, match=r"selva_of_last_year\.sender, which cannot be loaded"):
        find_sender()


def test_of_several_senders_none_is_chosen_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name=name, value=f"{name}.sender", group=ENTRY_POINT_GROUP) for name in "ab"]
    monkeypatch.setattr(sender_module, "entry_points", lambda group: points)
    with pytest.raises(CueError, match=r"a\.sender, b\.sender"):
        find_sender()


def test_one_sender_that_is_installed_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable installation over an ordinary one leaves the metadata of both."""
    points = declared_entry_points(group=ENTRY_POINT_GROUP)
    monkeypatch.setattr(sender_module, "entry_points", lambda group: [*points, *points])
    assert find_sender() is bundle_sender


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
    calls: list[tuple[float, str]] = []
    job_ids = write(
        cut,
        tmp_path / "cut.selva",
        wait=True,
        on_progress=lambda fraction, text: calls.append((fraction, text)),
    )
    assert len(job_ids) == 2
    assert [len(files) for files in stem_files(read(tmp_path / "cut.selva")).values()] == [2]
    fractions = [fraction for fraction, _ in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {text.partition(":")[0] for _, text in calls} == {"a", "b"}


def test_nothing_is_sent_unasked_and_sending_without_a_daemon_says_so(
    cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    write(cut, tmp_path / "cut.selva")
    assert not (tmp_path / "selva").exists(), "no daemon was started, none was asked"
    for option in ("submit", "wait"):
        with pytest.raises(DaemonUnavailableError):
            write(cut, tmp_path / "cut.selva", **{option: True})
    assert not (tmp_path / "selva").exists()
    assert load_bundle_folder(tmp_path / "cut.selva").spot().cues


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

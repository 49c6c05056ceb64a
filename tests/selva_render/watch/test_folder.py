"""Folders that are watched: what is put in is rendered once, by a real daemon, and what fails says so beside itself."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.command_line import reinstall_command
from selva_core.base.errors import ConfigurationError, LockHeldError
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_otio import SpotOptions
from selva_render.watch.folder import WatchFolder
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.request_bundle.bundles import stem_files
from tests.support.daemons import StartServer, wait_until, worker_with_libraries_in
from tests.support.flashes import write_cut, write_flashing_clip

CUES = '[[cue]]\ntrack = "Click"\nprompt = "click"\n'
OPTIONS = RenderOptions(model="selva-echo"), SpotOptions()

Watch = Callable[..., list[str]]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def watch_once(inbox: Path, results: Path) -> Watch:
    """Let a new watcher handle all that is there; returns its messages."""

    def watch(**options: Any) -> list[str]:
        messages: list[str] = []
        chosen = {"settle_s": 0.05, "makes_pages": False, **options}
        WatchFolder(inbox, results, *OPTIONS, on_message=messages.append, **chosen).run(once=True)
        return messages

    return watch


def make_cut(folder: Path, media: Path) -> otio.schema.Timeline:
    write_flashing_clip(media, rate=Fraction(24), num_frames=24, flashes={5})
    builder = CutBuilder(rate_hz=24.0, media_url=media.as_uri(), media_num_frames=24)
    return builder.timeline(builder.track(builder.clip("a", offset=0, frames=24)))


def put_cut(inbox: Path, name: str = "cut") -> Path:
    cut = make_cut(inbox, inbox.parent / "shot.mov")
    (inbox / f"{name}.toml").write_text(CUES)
    return write_cut(cut, inbox / f"{name}.otio")


def report_of(results: Path, name: str) -> Any:
    return json.loads((results / name / "report.json").read_text())


def num_jobs(paths: AppPaths) -> int:
    with Client.connect(paths=paths) as client:
        return len(client.jobs())


def test_bundles_timelines_and_videos_are_rendered_each_to_its_place(
    start_server: StartServer, inbox: Path, results: Path, watch_once: Watch
) -> None:
    start_server()
    put_cut(inbox)
    write_flashing_clip(inbox / "walk.mov", rate=Fraction(25), num_frames=25, flashes={5})
    (inbox / "walk.csv").write_text("track,prompt,from,to\nSteps,boots,0.2,0.8\nSteps,boots,0.8,1\n")
    request = make_cut(inbox, inbox.parent / "other.mov")
    otio.adapters.write_to_file(request, str(inbox / "job.selva"), tracks={"Dog": "dog"}, model="selva-echo")
    otio.adapters.write_to_file(request, str(inbox / "zip.selvaz"), tracks={"Dog": "dog"}, model="selva-echo")
    messages = watch_once(makes_pages=True)
    assert sorted(line.partition(" is done")[0] for line in messages) == [
        "cut.otio",
        "job.selva",
        "walk.mov",
        "zip.selvaz",
    ]
    placed = otio.adapters.read_from_file(str(results / "cut" / "cut.otio"))
    assert [len(files) for files in stem_files(placed).values()] == [1]
    assert len(list((results / "cut" / "stems").iterdir())) == 1
    assert len(list((results / "walk" / "stems").iterdir())) == 2
    for bundle in ("job.selva", "zip.selvaz"):
        files = stem_files(otio.adapters.read_from_file(str(inbox / bundle)))
        assert [len(stems) for stems in files.values()] == [1]
    for name in ("cut", "walk", "job", "zip"):
        page = (results / name / "report.html").read_text()
        assert page.count("<audio") == len(report_of(results, name)["result"]["stems"])
        assert "data:audio/mp4;base64," in page
        assert "http:" not in page
        assert "https:" not in page
    stem = report_of(results, "walk")["result"]["stems"][0]
    assert stem["track"] == "Steps"
    assert Path(stem["file"]).is_file()
    assert sorted(path.name for path in results.iterdir()) == ["cut", "job", "walk", "zip"]
    assert not (results / "failed").exists()


def test_a_run_over_files_without_prompts_says_so_each_time(inbox: Path, watch_once: Watch) -> None:
    (inbox / "walk.mp4").write_bytes(b"no video, but nobody looks into it")
    for _ in range(2):
        (message,) = watch_once()
        assert message.startswith("walk.mp4 is not rendered: nothing says what to hear in it")
    (inbox / "walk.mp4").unlink()
    assert watch_once() == []


def test_nothing_is_rendered_twice_also_by_a_new_watcher_but_what_changed_is(
    start_server: StartServer, inbox: Path, results: Path, watch_once: Watch, paths: AppPaths
) -> None:
    start_server()
    put_cut(inbox)
    request = make_cut(inbox, inbox.parent / "other.mov")
    otio.adapters.write_to_file(request, str(inbox / "zip.selvaz"), tracks={"Dog": "dog"}, model="selva-echo")
    assert len(watch_once()) == 2
    assert num_jobs(paths) == 2
    assert watch_once() == []
    assert num_jobs(paths) == 2
    (inbox / "cut.toml").write_text(CUES.replace('"click"', '"clack"'))
    assert len(watch_once()) == 1
    assert num_jobs(paths) == 3
    prompts = []
    for folder in ("cut", "cut-2"):  # what somebody may work with already stays
        placed = otio.adapters.read_from_file(str(results / folder / "cut.otio"))
        prompts += [clip.metadata["selva"]["prompt"] for clip in placed.tracks[1].find_clips()]
    assert prompts == ["click", "clack"]


def test_what_fails_says_why_beside_itself_and_is_tried_again_when_it_is_mended(
    start_server: StartServer, inbox: Path, results: Path, watch_once: Watch, paths: AppPaths
) -> None:
    start_server()
    cut = put_cut(inbox)
    good = cut.read_text()
    cut.write_text("no timeline")
    (message,) = watch_once()
    note = results / "failed" / "cut.otio.failed.txt"
    assert message.startswith("cut.otio failed: ")
    assert "is not an OpenTimelineIO file" in note.read_text()
    assert f"watch again {inbox} cut.otio" in note.read_text()
    assert not (results / "cut").exists()
    assert watch_once() == []
    note.unlink()
    assert len(watch_once()) == 1
    assert note.exists()
    cut.write_text(good)
    (message,) = watch_once()
    assert message.startswith("cut.otio is done")
    assert not note.exists()
    media = inbox.parent / "shot.mov"
    media.rename(inbox.parent / "away.mov")
    cut.write_text(good + "\n")
    watch_once()
    assert "there is no file at" in note.read_text()
    (inbox.parent / "away.mov").rename(media)
    note.unlink()
    watch_once()
    assert not note.exists()


def test_two_files_that_one_cue_sheet_could_mean_are_refused_until_one_is_left(
    inbox: Path, results: Path, watch_once: Watch, start_server: StartServer
) -> None:
    start_server()
    write_flashing_clip(inbox / "walk.mov", rate=Fraction(25), num_frames=5, flashes={2})
    shutil.copy(inbox / "walk.mov", inbox / "walk.mp4")
    (inbox / "walk.toml").write_text(CUES)
    (message,) = watch_once()
    assert "not clear what is meant: walk.mov, or walk.mp4" in message
    (inbox / "walk.mp4").unlink()
    (message,) = watch_once()
    assert "is done" in message
    assert list((results / "failed").iterdir()) == []


def test_files_are_left_alone_until_they_have_not_changed_for_a_while(
    start_server: StartServer, inbox: Path, results: Path, paths: AppPaths
) -> None:
    start_server()
    messages: list[str] = []
    now_s = 0.0
    folder = WatchFolder(
        inbox,
        results,
        *OPTIONS,
        on_message=messages.append,
        settle_s=2.0,
        now_s=lambda: now_s,
        makes_pages=False,
    )
    whole = write_flashing_clip(
        inbox.parent / "walk.mov", rate=Fraction(25), num_frames=50, flashes={5}
    ).read_bytes()
    (inbox / "walk.toml").write_text(CUES)
    with folder.opened() as session, (inbox / "walk.mov").open("wb") as file:
        for first in range(0, len(whole), len(whole) // 8):
            file.write(whole[first : first + len(whole) // 8])
            file.flush()
            now_s += 1.5
            assert folder.step(session) == 2.0, "it has changed since the last look"
        now_s += 1.5
        assert folder.step(session) == 0.5
        assert messages == []
        now_s += 0.5
        assert folder.step(session) is None
    assert messages == [f"walk.mov is done: {results / 'walk'}"]
    assert num_jobs(paths) == 1


def test_jobs_of_a_watch_folder_wait_for_those_of_people(
    start_server: StartServer, inbox: Path, watch_once: Watch, paths: AppPaths
) -> None:
    start_server()
    put_cut(inbox)
    watch_once()
    with Client.connect(paths=paths) as client:
        assert [job.priority for job in client.jobs()] == ["batch"]


def test_a_second_watcher_of_the_same_folder_is_refused(inbox: Path, results: Path) -> None:
    put_cut(inbox)
    messages: list[str] = []
    first = WatchFolder(
        inbox, results, *OPTIONS, on_message=messages.append, settle_s=0.05, connect=refuse_connection
    )
    thread = threading.Thread(target=first.run)
    thread.start()
    try:
        wait_until(lambda: bool(messages), "a message of the first watcher")
        with pytest.raises(LockHeldError, match="another `selva watch`"):
            WatchFolder(inbox, results, *OPTIONS, on_message=print).run(once=True)
    finally:
        first.stop()
        thread.join(30)
    (inbox / "cut.otio").unlink()
    WatchFolder(inbox, results, *OPTIONS, on_message=print, settle_s=0.05).run(once=True)


def refuse_connection() -> Client:
    raise DaemonUnavailableError("no daemon runs")


def test_while_there_is_no_daemon_items_wait_and_are_not_failed(inbox: Path, results: Path) -> None:
    put_cut(inbox)
    messages: list[str] = []
    folder = WatchFolder(
        inbox, results, *OPTIONS, on_message=messages.append, settle_s=0.05, connect=refuse_connection
    )
    with pytest.raises(DaemonUnavailableError):
        folder.run(once=True)
    thread = threading.Thread(target=folder.run)
    thread.start()
    wait_until(lambda: bool(messages), "a word about it")
    folder.stop()
    thread.join(30)
    assert messages == ["cut.otio waits: no daemon runs"]
    assert not (results / "failed").exists()
    assert not (results / "cut" / "report.json").exists()


def test_items_wait_while_the_installation_is_broken_with_one_message_and_are_rendered_when_it_is_mended(
    start_server: StartServer, paths: AppPaths, inbox: Path, results: Path, tmp_path: Path
) -> None:
    """A real worker that finds an av that does not load; the fault is mended while the folder is watched."""
    (tmp_path / "broken" / "av").mkdir(parents=True)
    fault = tmp_path / "broken" / "av" / "__init__.py"
    fault.write_text("raise ImportError('libavcodec.so.61: cannot open shared object file')")
    start_server(worker_program=worker_with_libraries_in(tmp_path / "broken"))
    for name in ("a", "b"):
        put_cut(inbox, name)
    messages: list[str] = []
    now_s = [0.0]
    folder = WatchFolder(
        inbox, results, *OPTIONS, on_message=messages.append, settle_s=1, now_s=lambda: now_s[0]
    )
    with folder.opened() as session:
        for now_s[0] in (0, 2, 3, 400):
            folder.step(session)
    (message,) = messages
    assert "a.otio waits: " in message
    assert "libavcodec.so.61" in message
    assert reinstall_command() in message
    assert num_jobs(paths) == 2  # of one item, at the first try and after BROKEN_RETRY_S
    assert not (results / "failed").exists()
    shutil.rmtree(fault.parent)
    now_s[0] = 800
    with folder.opened() as session:
        folder.step(session)  # what waits is known from before
        assert folder.step(session) is None
    assert [line.partition(":")[0] for line in messages[1:]] == ["a.otio is done", "b.otio is done"]


def test_folders_that_cannot_be_used_are_refused(inbox: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        WatchFolder(tmp_path / "none", tmp_path / "out", *OPTIONS, on_message=print)
    with pytest.raises(ConfigurationError, match="another folder"):
        WatchFolder(inbox, inbox, *OPTIONS, on_message=print)

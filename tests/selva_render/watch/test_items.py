"""What becomes of the items of a watch folder: each has one outcome, which is that of its content."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_core.base.errors import OutputError, StorageError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_render.watch.item_outcomes import restore_source
from selva_render.watch.item_renderer import ItemRenderer
from selva_render.watch.journal import WatchJournal
from selva_render.watch.journal_records import DONE, ELSEWHERE, FAILED, GONE, IGNORED, UNPROMPTED, WAITING
from selva_render.watch.result_places import STAGING_PREFIX, load_report
from tests.selva_otio.cuts import CutBuilder
from tests.selva_render.watch.watching import CUES, Watcher, replace_file, watching
from tests.support.daemons import StartServer

StartWatcher = Callable[..., AbstractContextManager[Watcher]]


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "selva.toml").write_text(CUES)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def start_watcher(
    share: Path, out: Path, tmp_path: Path, paths: AppPaths, start_server: StartServer
) -> StartWatcher:
    """Watchers of one folder, each of a name with a journal of its own, which render by one daemon."""
    start_server()

    def start(
        name: str = "one", *, results: Path | None = out, **fields: Any
    ) -> AbstractContextManager[Watcher]:
        chosen = {"connect": lambda: Client.connect(paths=paths), **fields}
        return watching(share, results, tmp_path / "machines" / name, **chosen)

    return start


@pytest.fixture
def watcher(start_watcher: StartWatcher) -> Iterator[Watcher]:
    with start_watcher() as opened:
        yield opened


def num_jobs(paths: AppPaths) -> int:
    with Client.connect(paths=paths) as client:
        return len(client.jobs())


def put(clip: Path, target: Path, *, tail: bytes = b"") -> Path:
    """A clip, with an atom at its end that readers pass over, which makes the content another one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, clip.read_bytes() + (8 + len(tail)).to_bytes(4, "big") + b"free" + tail)
    return target


def test_one_content_is_rendered_once_however_often_it_is_touched_moved_and_copied(
    clip: Path, share: Path, out: Path, watcher: Watcher, paths: AppPaths
) -> None:
    put(clip, share / "day1" / "walk.mp4")
    watcher.rest()
    assert watcher.states() == {"day1/walk.mp4": DONE}
    results = out / "day1" / "walk"
    assert sorted(path.name for path in results.iterdir()) == ["report.json", "stems", "walk.otio"]
    os.utime(share / "day1" / "walk.mp4")
    shutil.copy(share / "day1" / "walk.mp4", share / "copy.mp4")
    watcher.rest()
    (share / "day1" / "walk.mp4").rename(share / "moved.mp4")
    watcher.rest()
    assert watcher.states() == {"day1/walk.mp4": GONE, "copy.mp4": DONE, "moved.mp4": DONE}
    for name in ("copy.mp4", "moved.mp4"):
        record = watcher.journal.item(share, name)
        assert record is not None
        assert record.results == str(results)
        assert record.same_as
    assert num_jobs(paths) == 1
    put(clip, share / "moved.mp4", tail=b"other")
    watcher.rest()
    assert num_jobs(paths) == 2
    assert (out / "moved").is_dir()


def test_results_of_a_changed_file_go_into_a_folder_of_their_own_also_beside_the_source(
    clip: Path, share: Path, start_watcher: StartWatcher
) -> None:
    with start_watcher(results=None) as watcher:
        put(clip, share / "walk.mp4")
        watcher.rest()
        before = sorted((path, path.stat().st_mtime_ns) for path in (share / "walk.mp4.results").rglob("*"))
        put(clip, share / "walk.mp4", tail=b"other")
        watcher.rest()
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in (share / "walk.mp4.results").rglob("*")
    )
    report = load_report(share / "walk.mp4-2.results")
    assert report is not None
    stem = Path(report["result"]["stems"][0]["file"])
    assert stem.is_file()
    assert stem.is_relative_to(share / "walk.mp4-2.results")
    timeline = otio.adapters.read_from_file(report["result"]["timeline"])
    assert [clip.media_reference.target_url for clip in timeline.audio_tracks()[0].find_clips()] == [
        stem.as_uri()
    ]


@pytest.mark.parametrize("what", ["changed", "deleted", "moved"])
def test_what_changes_or_goes_while_it_is_rendered_leaves_no_results(
    what: str, clip: Path, share: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = share.with_name("out")
    source = put(clip, share / "walk.mp4")
    render = ItemRenderer.render

    def interfere(self: ItemRenderer, *arguments: Any) -> Any:
        rendered = render(self, *arguments)
        monkeypatch.setattr(ItemRenderer, "render", render)
        if what == "changed":
            put(clip, source, tail=b"other")
        elif what == "deleted":
            source.unlink()
        else:
            source.rename(share / "moved.mp4")
        return rendered

    monkeypatch.setattr(ItemRenderer, "render", interfere)
    watcher.rest()
    expected = {
        "changed": {"walk.mp4": DONE},
        "deleted": {"walk.mp4": GONE},
        "moved": {"walk.mp4": GONE, "moved.mp4": DONE},
    }
    assert watcher.states() == expected[what]
    assert len(list(out.iterdir())) == (0 if what == "deleted" else 1)


def test_two_machines_render_each_file_once_and_both_know_the_outcome(
    clip: Path, share: Path, out: Path, paths: AppPaths, start_watcher: StartWatcher
) -> None:
    with start_watcher("one") as one, start_watcher("two") as two:
        for number in range(4):
            put(clip, share / f"shot{number}.mp4", tail=bytes([number]))
        (share / "bad.mp4").write_bytes(b"no picture")
        for _ in range(3):
            one.step(seconds=6.0)
            two.step(seconds=6.0)
        expected = {f"shot{number}.mp4": DONE for number in range(4)} | {"bad.mp4": FAILED}
        assert one.states() == expected
        assert two.states() == expected
        assert num_jobs(paths) == 4
        assert sorted(path.name for path in out.iterdir()) == ["failed", *(f"shot{n}" for n in range(4))]
        os.utime(share / "bad.mp4")
        two.step(seconds=6.0)
        record = two.journal.item(share, "bad.mp4")
        assert record is not None
        assert (record.state, bool(record.reason)) == (FAILED, True), (
            "it was touched, and nothing else is known of it"
        )


def test_what_another_machine_renders_is_looked_at_again_until_it_ends_or_its_machine_dies(
    clip: Path, share: Path, start_watcher: StartWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, share / "walk.mp4")

    def crash(*_: Any) -> Any:
        raise SystemExit

    with start_watcher("one", expiry_s=60.0) as one, start_watcher("two", expiry_s=60.0) as two:
        with monkeypatch.context() as patch:
            patch.setattr(ItemRenderer, "render", crash)
            patch.setattr("selva_render.watch.item_outcomes.OutcomeRecorder.drop", lambda *_: None)
            with pytest.raises(SystemExit):
                one.rest()
        two.rest()
        assert two.states() == {"walk.mp4": ELSEWHERE}
        two.step(seconds=61.0)  # by its own clock; the first machine has not renewed its claim
        two.step(seconds=61.0)
        assert two.states() == {"walk.mp4": DONE}


def test_after_a_crash_results_that_were_published_are_found_and_not_made_again(
    clip: Path,
    share: Path,
    paths: AppPaths,
    start_watcher: StartWatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = share.with_name("out")
    put(clip, share / "walk.mp4")

    def crash(*_: Any, **__: Any) -> Any:
        raise SystemExit

    with start_watcher() as watcher, monkeypatch.context() as patch:
        patch.setattr("selva_render.watch.item_outcomes.OutcomeRecorder.end_done", crash)
        with pytest.raises(SystemExit):
            watcher.rest()
    with start_watcher() as watcher:
        watcher.rest()
        assert watcher.states() == {"walk.mp4": DONE}
    assert num_jobs(paths) == 1
    assert [path.name for path in out.iterdir()] == ["walk"]


def test_after_a_crash_half_results_are_removed_and_its_jobs_are_cancelled(
    clip: Path, share: Path, out: Path, start_watcher: StartWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, share / "walk.mp4")

    def crash(*_: Any, **__: Any) -> Any:
        raise SystemExit

    with start_watcher() as watcher, monkeypatch.context() as patch:
        patch.setattr("selva_render.watch.item_worker.publish", crash)
        patch.setattr("selva_render.watch.item_worker.discard", lambda staged: None)
        with pytest.raises(SystemExit):
            watcher.rest()
    assert [path.name.startswith(STAGING_PREFIX) for path in out.iterdir()] == [True]
    with start_watcher() as watcher:
        watcher.rest()
        assert watcher.states() == {"walk.mp4": DONE}
    assert [path.name for path in out.iterdir()] == ["walk"]


def test_a_journal_that_was_lost_is_found_again_from_what_lies_on_the_share(
    clip: Path, share: Path, out: Path, paths: AppPaths, start_watcher: StartWatcher
) -> None:
    put(clip, share / "walk.mp4")
    (share / "bad.mp4").write_bytes(b"no picture")
    with start_watcher("one") as watcher:
        watcher.rest()
    with start_watcher("a new machine") as watcher:
        watcher.rest()
        assert watcher.states() == {"walk.mp4": DONE, "bad.mp4": FAILED}
    assert num_jobs(paths) == 1
    assert sorted(path.name for path in out.iterdir()) == ["failed", "walk"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OutputError("x: the disk is full; free some space")],
)
def test_a_full_disk_lets_items_wait_and_fails_none(
    error: Exception, clip: Path, share: Path, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(clip, share / "walk.mp4")

    def refuse(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ItemRenderer, "render", refuse)
        watcher.rest()
    assert watcher.states() == {"walk.mp4": WAITING}
    assert len(watcher.messages) == 1
    assert "is full" in watcher.messages[0]
    watcher.step(seconds=120.0)
    assert watcher.states() == {"walk.mp4": DONE}


def test_an_outcome_that_cannot_be_recorded_is_recorded_later(
    clip: Path, share: Path, watcher: Watcher, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = share.with_name("out")
    put(clip, share / "walk.mp4")
    update = WatchJournal.update_item

    def refuse(self: WatchJournal, *arguments: Any, **fields: Any) -> Any:
        if fields.get("state") == DONE:
            raise StorageError("the disk is full")
        return update(self, *arguments, **fields)

    with monkeypatch.context() as patch:
        patch.setattr(WatchJournal, "update_item", refuse)
        watcher.step()
        watcher.step()
    watcher.step(seconds=60.0)
    assert watcher.states() == {"walk.mp4": DONE}
    assert num_jobs(paths) == 1
    assert [path.name for path in out.iterdir()] == ["walk"]


def test_items_without_prompts_and_those_that_rules_leave_out_are_no_failures(
    clip: Path, share: Path, watcher: Watcher
) -> None:
    (share / "selva.toml").write_text('[[rule]]\nmatch = "proxy*"\nignore = true\n')
    put(clip, share / "walk.mp4")
    put(clip, share / "proxy.mp4")
    cut = CutBuilder(rate_hz=25.0, media_url=clip.as_uri(), media_num_frames=10)
    timeline = cut.timeline(cut.track(cut.clip("a", offset=0, frames=10)))
    (share / "cut.otio").write_text(timeline.to_json_string())
    timeline.tracks.markers.append(
        otio.schema.Marker(
            name="Dog: small dog barking",
            color=otio.schema.MarkerColor.MAGENTA,
            marked_range=otio.opentime.TimeRange(
                otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(10, 25)
            ),
        )
    )
    (share / "marked.otio").write_text(timeline.to_json_string())
    watcher.rest()
    assert watcher.states() == {
        "walk.mp4": UNPROMPTED,
        "proxy.mp4": IGNORED,
        "cut.otio": UNPROMPTED,
        "marked.otio": DONE,
    }
    done = [line for line in watcher.messages if " is done" in line]
    assert [line.partition(" is done")[0] for line in done] == ["marked.otio"]
    others = sorted(line for line in watcher.messages if line not in done)
    assert [line.partition(": ")[0] for line in others] == [
        "cut.otio is not rendered",
        "walk.mp4 is not rendered",
    ]
    assert "walk.cues.csv with the columns track and prompt" in others[1]


def test_a_cut_waits_for_media_that_is_still_being_copied(
    clip: Path, share: Path, tmp_path: Path, start_watcher: StartWatcher
) -> None:
    media = tmp_path / "media" / "shot.mp4"
    cut = CutBuilder(rate_hz=25.0, media_url=media.as_uri(), media_num_frames=10)
    (share / "cut.otio").write_text(
        cut.timeline(cut.track(cut.clip("a", offset=0, frames=10))).to_json_string()
    )
    with start_watcher(media_patience_s=600.0) as watcher:
        watcher.rest()
        assert watcher.states() == {"cut.otio": WAITING}
        put(clip, media)
        watcher.step(seconds=60.0)
        assert watcher.states() == {"cut.otio": DONE}


def test_sources_are_moved_only_where_the_settings_say_so_and_come_back_to_be_rendered_again(
    clip: Path, share: Path, out: Path, start_watcher: StartWatcher
) -> None:
    put(clip, share / "day1" / "walk.mp4")
    (share / "day1" / "walk.cues.csv").write_text("track,prompt\nSteps,boots\n")
    (share / "bad.mp4").write_bytes(b"no picture")
    with start_watcher(move_sources=True) as watcher:
        watcher.rest()
        assert watcher.states() == {"day1/walk.mp4": DONE, "bad.mp4": FAILED}
    moved = share / "done" / "day1" / "walk.mp4"
    assert moved.is_file()
    assert (moved.parent / "walk.cues.csv").is_file()
    assert (share / "failed" / "bad.mp4").is_file()
    timeline = otio.adapters.read_from_file(str(out / "day1" / "walk" / "walk.otio"))
    assert [clip.media_reference.target_url for clip in timeline.video_tracks()[0].find_clips()] == [
        moved.as_uri()
    ]
    with start_watcher(move_sources=True) as watcher:
        record = watcher.journal.item(share, "day1/walk.mp4")
        assert record is not None
        restore_source(record)
        watcher.journal.request_again(share, [record.name])
        watcher.rest()
        assert watcher.states() == {"day1/walk.mp4": DONE, "bad.mp4": FAILED}
    assert moved.is_file()
    assert (out / "day1" / "walk-2").is_dir()


def test_a_long_path_and_odd_names_are_rendered(clip: Path, share: Path, watcher: Watcher) -> None:
    deep = share
    while len(str(deep)) < 300:
        deep /= "a folder with a long name"
    names = [f"{deep.relative_to(share).as_posix()}/walk.mp4", f"{'x' * 200}.mp4", "it's 100% ü.mp4"]
    if sys.platform != "win32":
        names.append("line\nend.mp4")
    for number, name in enumerate(names):
        put(clip, share / name, tail=bytes([number]))
    watcher.rest()
    assert watcher.states() == dict.fromkeys(names, DONE)
    assert all(line.isprintable() for line in watcher.messages)


def test_a_note_that_is_deleted_asks_two_machines_for_one_more_attempt(
    share: Path, out: Path, start_watcher: StartWatcher
) -> None:
    (share / "bad.mp4").write_bytes(b"no picture")
    with start_watcher("one") as one, start_watcher("two") as two:
        for watcher in (one, two):
            watcher.rest()
        note = out / "failed" / "bad.mp4.failed.txt"
        note.unlink()
        for watcher in (one, two):
            watcher.session.scan()
        for watcher in (one, two, one, two):
            watcher.step(seconds=6.0)
        records = [watcher.journal.item(share, "bad.mp4") for watcher in (one, two)]
        assert [record and (record.state, record.attempt) for record in records] == [(FAILED, 2), (FAILED, 2)]
        assert note.is_file()


def test_hooks_hear_of_each_ended_item_once_and_after_a_crash_again(
    clip: Path, share: Path, tmp_path: Path, start_watcher: StartWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "events.jsonl"
    program = f"import sys; open({str(log)!r}, 'a').write(sys.stdin.read())"
    hook = (sys.executable, "-c", program)
    put(clip, share / "walk.mp4")
    (share / "bad.mp4").write_bytes(b"no picture")
    with start_watcher(hook=hook) as watcher:
        watcher.rest()
        assert len(log.read_text().splitlines()) == 2
        watcher.journal.update_item(share, "bad.mp4", unsent=True)
    with start_watcher(hook=hook) as watcher:
        watcher.rest()
        assert len(log.read_text().splitlines()) == 3


def test_outside_its_hours_and_while_it_is_paused_no_item_is_begun(
    clip: Path, share: Path, start_watcher: StartWatcher
) -> None:
    put(clip, share / "walk.mp4")
    with start_watcher(hours="00:00-24:00") as watcher:
        watcher.journal.set_paused(share, True)
        watcher.rest()
        assert watcher.states() == {"walk.mp4": WAITING}
        watcher.journal.set_paused(share, False)
    with start_watcher() as watcher:
        monday = 4 * 86_400.0  # 1970-01-05
        assert watcher.session.may_work() is False  # it has not looked yet
        watcher.clock[0] = monday
        watcher.step()
        assert watcher.states() == {"walk.mp4": DONE}

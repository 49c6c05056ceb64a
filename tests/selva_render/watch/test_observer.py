"""Changes in a folder end the watcher's wait, by events and by polling, also after the folder went away and came back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from watchdog.observers import Observer

from selva_render.watch.file_names import SHARED_FOLDER
from selva_render.watch.observer import FolderObserver
from tests.support.daemons import PATIENCE_S


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    (folder / "day1").mkdir(parents=True)
    return folder


@contextmanager
def observing(folder: Path, changes: str) -> Iterator[tuple[FolderObserver, Event]]:
    wake = Event()
    observer = FolderObserver(folder, wake, subfolders=True, changes=changes, poll_s=0.05)
    try:
        observer.ensure()
        yield observer, wake
    finally:
        observer.close()


@pytest.mark.parametrize("changes", ["events", "polling"])
def test_a_change_below_the_folder_is_noticed_also_after_the_folder_came_back(
    changes: str, share: Path
) -> None:
    with observing(share, changes) as (observer, wake):
        assert observer.source is not None
        assert observer.source.kind == changes
        (share / "day1" / "walk.mov").write_bytes(b"x")
        assert wake.wait(PATIENCE_S)
        share.rename(share.with_name("away"))
        observer.ensure()
        (share / "day1").mkdir(
            parents=True
        )  # another folder of the same name, as a share that is mounted again
        observer.ensure()
        wake.clear()
        (share / "day1" / "run.mov").write_bytes(b"x")
        assert wake.wait(PATIENCE_S)


def test_a_folder_that_is_registered_twice_is_not_shown_but_other_warnings_are(share: Path) -> None:
    text = "Callback with id '1' already exists for watch <...>. It will be Overwritten."
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with observing(share, "events"):
            for message in (text, "another"):
                warnings.warn_explicit(
                    message, RuntimeWarning, "inotify.py", 365, module="watchdog.observers.inotify"
                )
    assert [str(each.message) for each in shown] == ["another"]


def test_what_watchers_write_themselves_is_no_change(share: Path) -> None:
    (share / SHARED_FOLDER).mkdir()
    with observing(share, "events") as (_, wake):
        (share / SHARED_FOLDER / "x.json").write_bytes(b"x")
        (share / "walk.mov").write_bytes(b"x")
        assert wake.wait(PATIENCE_S), "the watch is on"
        while wake.wait(0.2):  # a file that is written has several events
            wake.clear()
        (share / SHARED_FOLDER / "x.json").write_bytes(b"xy")
        assert not wake.wait(0.2)


def test_a_system_that_has_no_more_watches_is_polled_and_says_so(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(Observer, "start", refuse)
    with observing(share, "events") as (observer, wake):
        assert observer.source is not None
        assert (observer.source.kind, observer.source.reason) == (
            "polling",
            "the system has no more watches for this user",
        )
        (share / "walk.mov").write_bytes(b"x")
        assert wake.wait(PATIENCE_S)


def test_a_folder_that_is_not_there_is_no_error(share: Path) -> None:
    with observing(share / "none", "events") as (observer, _):
        assert observer.source is None

"""`selva watch add`, `list`, `remove`, `pause`, `resume`, `forget`, `again`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.paths import AppPaths
from selva_core.base.settings import load_settings
from selva_render.watch.folder import opened_journal
from selva_render.watch.journal import WatchJournal
from selva_render.watch.journal_records import DONE, FAILED, GONE, WAITING, ItemRecord
from tests.selva_cli.command_line import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def journal(paths: AppPaths) -> Iterator[WatchJournal]:
    with opened_journal(paths) as opened:
        yield opened


def read(*command: str | Path) -> Any:
    done = run("watch", *command, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def put_items(journal: WatchJournal, folder: Path) -> None:
    journal.write_items(
        ItemRecord(
            folder=folder,
            name=name,
            state=state,
            outcome=state,
            fingerprint=(),
            reason=reason,
            changed_s=float(number),
        )
        for number, (name, state, reason) in enumerate(
            [("walk.mov", DONE, ""), ("a\nb.mov", FAILED, "no\npicture"), ("old.mov", GONE, "")], start=1
        )
    )


def test_a_folder_is_added_to_the_settings_changed_and_taken_out_again(folder: Path, paths: AppPaths) -> None:
    added = read(
        "add", folder, "-o", folder.parent / "out", "--hook", "mail", "--hook", "-s", "--hours", "20:00-07:00"
    )
    assert added == {
        "path": str(folder),
        "results": str(folder.parent / "out"),
        "hook": ["mail", "-s"],
        "hours": "20:00-07:00",
    }
    read("add", folder, "--takes", "3")
    (watched,) = load_settings(paths.settings_file).watch_folders
    assert (watched.path, watched.results, watched.takes, watched.hook) == (folder, None, 3, ())
    assert run("config", "get", "watch_folders").stdout == f"{folder}\n"
    assert str(folder) in run("config", "show", "--changed").stdout
    (row,) = read("list")["folders"]
    assert (row["path"], row["paused"], row["items"]["waiting"]) == (str(folder), False, 0)
    assert read("remove", folder) == {"removed": str(folder)}
    assert load_settings(paths.settings_file).watch_folders == ()
    assert read("list") == {"folders": []}


def test_a_running_daemon_is_missed_in_one_line(folder: Path) -> None:
    done = run("watch", "add", folder)
    assert done.stdout == f"the daemon watches {folder} while it runs\n"
    assert "no daemon runs; start it with:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hours", "never"], "hours are written as"),
        (["--changes", "magic"], "auto, events, polling"),
        (["--webhook", "ftp://x/"], "http or https"),
        (["--webhook", "https://example.com/x"], "config set watch_webhook_hosts example.com"),
        (["-o", "."], "another folder"),
        (["--model", "selva-nanu"], "no model is called 'selva-nanu'"),
    ],
)
def test_what_cannot_be_watched_so_is_refused(
    arguments: list[str], message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = run("watch", "add", folder, *arguments)
    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())
    assert "there is no folder" in run("watch", "add", folder / "none").stderr
    assert read("list") == {"folders": []}
    assert read("add", folder, "--model", "selva-nano")["model"] == "selva-nano"


def test_webhooks_may_go_to_this_machine_and_to_hosts_that_the_settings_allow(folder: Path) -> None:
    assert read("add", folder, "--webhook", "http://127.0.0.1:8080/x")["webhook"] == "http://127.0.0.1:8080/x"
    address = "https://Example.com/x"
    assert run("watch", "add", folder, "--webhook", address).exit_code == 1
    assert run("config", "set", "watch_webhook_hosts", "example.com").exit_code == 0
    assert read("add", folder, "--webhook", address)["webhook"] == address


def test_items_are_listed_by_state_and_names_with_line_ends_in_one_line(
    folder: Path, journal: WatchJournal
) -> None:
    read("add", folder)
    put_items(journal, folder)
    assert [row["name"] for row in read("list", folder)["items"]] == ["walk.mov", "a\nb.mov", "old.mov"]
    assert [row["state"] for row in read("list", folder, "--state", "failed")["items"]] == ["failed"]
    assert [row["name"] for row in read("list", folder, "--limit", "1")["items"]] == ["old.mov"]
    shown = run("watch", "list", folder).stdout.splitlines()
    assert len(shown) == 4
    assert any("'a\\nb.mov'" in line and "no picture" in line for line in shown)
    assert run("watch", "list", folder, "--state", "lost").exit_code == 2


def test_items_are_rendered_again_forgotten_and_a_folder_is_paused(
    folder: Path, journal: WatchJournal
) -> None:
    read("add", folder)
    put_items(journal, folder)
    assert read("again", folder) == {"again": ["a\nb.mov"]}
    assert read("again", folder, "walk.mov") == {"again": ["walk.mov"]}
    found = journal.item(folder, "walk.mov")
    assert found is not None
    assert (found.state, found.again) == (WAITING, True)
    assert read("forget", folder) == {"forgotten": 1}
    assert journal.item(folder, "old.mov") is None
    assert read("forget", folder, "walk.mov") == {"forgotten": 1}
    assert read("pause", folder)["paused"]
    assert read("list")["folders"][0]["paused"]
    assert not read("resume", folder)["paused"]
    assert not journal.folder(folder).is_paused


def test_folders_and_items_that_are_not_known_are_refused_with_what_is(
    folder: Path, journal: WatchJournal
) -> None:
    done = run("watch", "pause", folder)
    assert done.exit_code == 1
    assert "none is watched" in done.stderr
    read("add", folder)
    put_items(journal, folder)
    done = run("watch", "again", folder, "wolk.mov")
    assert done.exit_code == 1
    assert "did you mean 'walk.mov'?" in done.stderr

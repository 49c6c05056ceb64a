"""The journal of watch folders: what restarts, other processes and damage leave of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from selva_core.base.errors import StorageError
from selva_render.watch.journal import WatchJournal, open_journal
from selva_render.watch.journal_records import (
    DONE,
    ELSEWHERE,
    FAILED,
    GONE,
    RENDERING,
    WAITING,
    ItemRecord,
)

FOLDER = Path("/in")


def item(name: str, **fields: object) -> ItemRecord:
    values = {"state": WAITING, "fingerprint": ((name, 1, 2),), "changed_s": 1.0, **fields}
    return ItemRecord(folder=FOLDER, name=name, **values)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[WatchJournal]:
    opened = open_journal(tmp_path / "watch.sqlite3")
    yield opened
    opened.close()


def test_what_is_written_is_read_back_also_names_that_are_no_text(journal: WatchJournal) -> None:
    records = [
        item("a\nb.mov", jobs=("1", "2"), again=True, unsent=True),
        item("\udcff.mov", reason="why", results="/out/\udcff"),
    ]
    journal.write_items(records)
    assert journal.item(FOLDER, "a\nb.mov") == records[0]
    assert journal.items(FOLDER) == [records[0], replace(records[1], results="/out/\\udcff")]
    assert journal.counts(FOLDER)[WAITING] == 2
    assert journal.item(FOLDER, "none") is None


def test_items_are_taken_one_by_one_those_of_people_first_and_none_before_its_time(
    journal: WatchJournal,
) -> None:
    journal.write_items(
        [
            item("late", not_before_s=50.0),
            item("second", changed_s=2.0),
            item("first", changed_s=1.0),
            item("wanted", changed_s=9.0, again=True),
            item("done", state=DONE),
            replace(item("other"), folder=Path("/other")),
        ]
    )
    taken = []
    while (record := journal.take_next([FOLDER], now_s=10.0)) is not None:
        taken.append(record.name)
    assert taken == ["wanted", "first", "second"]
    assert journal.next_start_s([FOLDER]) == 50.0
    late = journal.take_next([FOLDER], now_s=51.0)
    assert late is not None
    assert (late.name, late.state) == ("late", RENDERING)
    assert journal.take_next([], now_s=51.0) is None


def test_after_a_crash_what_was_rendered_waits_and_its_jobs_are_known(journal: WatchJournal) -> None:
    journal.write_items([item("a", state=RENDERING, jobs=("7",)), item("b", state=DONE)])
    assert [record.jobs for record in journal.recover(FOLDER)] == [("7",)]
    assert [(record.name, record.state, record.jobs) for record in journal.items(FOLDER)] == [
        ("a", WAITING, ()),
        ("b", DONE, ()),
    ]


def test_a_change_that_another_thread_made_meanwhile_stays(journal: WatchJournal) -> None:
    journal.write_items([item("a"), item("b")])
    before = journal.items(FOLDER)
    journal.update_item(FOLDER, "a", state=RENDERING)
    written = journal.write_unless_changed([(record, replace(record, state=GONE)) for record in before])
    assert [record.name for record in written] == ["b"]
    assert {record.name: record.state for record in journal.items(FOLDER)} == {"a": RENDERING, "b": GONE}
    assert journal.write_unless_changed([(None, item("c")), (None, item("b"))]) == [item("c")]


def test_the_same_content_is_found_under_another_name(journal: WatchJournal) -> None:
    journal.write_items(
        [
            item("failed", state=FAILED, outcome=FAILED, outcome_content="x"),
            item("moved", state=GONE, outcome=DONE, outcome_content="x"),
            item("there", state=DONE, outcome=DONE, outcome_content="x", changed_s=9.0),
        ]
    )
    same = journal.find_same(item("new", content="x"))
    assert same is not None
    assert same.name == "there"
    assert journal.find_same(item("there", content="y")) is None


def test_commands_ask_for_another_attempt_and_forget_but_never_what_is_rendered(
    journal: WatchJournal,
) -> None:
    journal.write_items([item("a", state=FAILED), item("b", state=RENDERING), item("c", state=ELSEWHERE)])
    assert journal.request_again(FOLDER, ["a", "b", "none"]) == ["none"]
    found = journal.item(FOLDER, "a")
    assert found is not None
    assert (found.state, found.again) == (WAITING, True)
    assert journal.forget(FOLDER, ["b", "c"]) == 1
    assert [record.name for record in journal.items(FOLDER)] == ["a", "b"]
    journal.set_paused(FOLDER, True)
    journal.update_folder(FOLDER, note="x")
    assert journal.folder(FOLDER).is_paused
    journal.remove_folder(FOLDER)
    assert journal.items(FOLDER) == []
    assert not journal.folder(FOLDER).is_paused


def test_two_processes_may_have_it_open_and_it_keeps_its_identity(
    tmp_path: Path, journal: WatchJournal
) -> None:
    other = open_journal(tmp_path / "watch.sqlite3")
    other.write_items([item("a")])
    assert other.journal_id == journal.journal_id
    other.close()
    assert journal.item(FOLDER, "a") is not None


def test_a_damaged_journal_is_set_aside_and_a_sound_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "watch.sqlite3"
    first = open_journal(file)
    first.write_items([item("a")])
    first.close()
    again = open_journal(file)
    assert again.counts(FOLDER)[WAITING] == 1
    again.close()
    file.write_bytes(b"no database at all" * 100)
    fresh = open_journal(file)
    assert fresh.counts(FOLDER)[WAITING] == 0
    fresh.close()
    assert [path.name for path in tmp_path.glob("*.damaged-*")] != []


def test_a_journal_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "watch.sqlite3"
    open_journal(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="newer version"):
        open_journal(file)

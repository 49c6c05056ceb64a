"""What the journal holds of watch folders and of their items, and the states of an item.

waiting -> rendering -> done | failed       elsewhere: another watcher renders it; looked at again
        -> no-prompts | ignored              gone: its file is not there any more; what came of it is remembered
"""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from selva_render.watch.inbox import Fingerprint

WAITING, RENDERING, ELSEWHERE = "waiting", "rendering", "elsewhere"
DONE, FAILED, UNPROMPTED, IGNORED, GONE = "done", "failed", "no-prompts", "ignored", "gone"
ITEM_STATES = (WAITING, RENDERING, ELSEWHERE, DONE, FAILED, UNPROMPTED, IGNORED, GONE)
ENDED_STATES = (DONE, FAILED, UNPROMPTED, IGNORED)


@dataclass(frozen=True, kw_only=True)
class ItemRecord:
    """What is known of one item.

    name: its path in the watch folder, with slashes. content: the key of what it holds now, once that was read. outcome,
    outcome_content: what came of which content last (DONE, FAILED or none). reason: of a failure or a wait. results: the
    folder of the results. note: the file that says why it failed. moved_to: where its source was put when it ended. same_as:
    the item with the same content that was rendered instead. jobs: those that run for it. attempt: the number of the claim of
    its outcome. again: whether it is rendered although nothing has changed. unsent: whether its hooks have not been run yet.
    not_before_s: seconds since 1970; until then it waits.
    """

    folder: Path
    name: str
    state: str
    fingerprint: Fingerprint
    content: str = ""
    outcome: str = ""
    outcome_content: str = ""
    reason: str = ""
    results: str = ""
    same_as: str = ""
    moved_to: str = ""
    note: str = ""
    jobs: tuple[str, ...] = ()
    again: bool = False
    attempt: int = 0
    attempts: int = 0
    unsent: bool = False
    not_before_s: float = 0.0
    changed_s: float = 0.0

    @property
    def path(self) -> Path:
        return self.folder / self.name


@dataclass(frozen=True, kw_only=True)
class FolderRecord:
    """What is known of a watch folder. device: the number of its file system when it was last seen with items. changes: how
    changes are noticed, for people. note: why it is not watched now. scanned_s: when it was last looked through, since 1970.
    """

    path: Path
    device: int | None = None
    is_paused: bool = False
    is_available: bool = True
    changes: str = ""
    note: str = ""
    scanned_s: float | None = None


def as_text(text: str) -> str:
    """SQLite stores UTF-8; a name that is none is shown with escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def read_folder(row: sqlite3.Row) -> FolderRecord:
    return FolderRecord(
        path=Path(os.fsdecode(row["path"])),
        device=row["device"],
        is_paused=bool(row["paused"]),
        is_available=bool(row["available"]),
        changes=row["changes"],
        note=row["note"],
        scanned_s=row["scanned_s"],
    )


@lru_cache
def _decode_folder(path: bytes) -> Path:
    """One object for the thousands of items of a folder."""
    return Path(os.fsdecode(path))


def read_item(row: sqlite3.Row) -> ItemRecord:
    values = {field.name: row[field.name] for field in fields(ItemRecord)}
    values |= {
        "folder": _decode_folder(row["folder"]),
        "name": os.fsdecode(row["name"]),
        "fingerprint": tuple(
            (str(name), int(size), int(time)) for name, size, time in json.loads(row["fingerprint"])
        ),
        "jobs": tuple(json.loads(row["jobs"])),
        "again": bool(row["again"]),
        "unsent": bool(row["unsent"]),
    }
    return ItemRecord(**values)

"""What a watch folder has done, on disk, so that nothing is rendered twice and nothing is forgotten.

`RESULTS/NAME/report.json` holds the outcome of an item, and of which files, by size and time. Beside an item that failed
lies `ITEM.failed.txt` for people; to delete it is to ask for another try.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import write_atomic
from selva_render.watch.inbox import Fingerprint, InboxItem

SCHEMA = "selva.watch/1"
REPORT_NAME = "report.json"
NOTE_SUFFIX = ".failed.txt"
DONE, FAILED = "done", "failed"
MAX_REPORT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of an item. failures: a line per reason; with some, a note is written beside the item. output: the
    timeline that was written; output_fingerprint: its size and time of change then.
    """

    fingerprint: Fingerprint
    failures: tuple[str, ...] = ()
    output: str | None = None
    output_fingerprint: tuple[int, int] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return FAILED if self.failures else DONE


class WatchRecords:
    """The records of one folder of results."""

    def __init__(self, results: Path) -> None:
        self._results = results

    def folder_of(self, item: InboxItem) -> Path:
        return self._results / item.result_name

    def is_handled(self, item: InboxItem, fingerprint: Fingerprint) -> bool:
        """Whether these files, unchanged, were rendered, or failed and no other try is asked for."""
        known = self.load(item)
        if known is None or known.fingerprint != fingerprint:
            return False
        return known.state == DONE or note_path(item).exists()

    def load(self, item: InboxItem) -> Outcome | None:
        """None where there is no record, or none that can be read: then the item is rendered again."""
        path = self.folder_of(item) / REPORT_NAME
        try:
            if path.stat().st_size > MAX_REPORT_BYTES:
                return None
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["schema"] != SCHEMA:
                return None
            written = values["output_fingerprint"]
            return Outcome(
                fingerprint=tuple((str(name), int(size), int(time)) for name, size, time in values["files"]),
                failures=tuple(map(str, values["failures"])),
                output=values["output"],
                output_fingerprint=None if written is None else (int(written[0]), int(written[1])),
            )
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, item: InboxItem, outcome: Outcome) -> None:
        """The note for people first: after a crash between the two, the item is rendered again. Raises OutputError, OSError."""
        _write_note(item, outcome.failures)
        folder = self.folder_of(item)
        folder.mkdir(parents=True, exist_ok=True)
        values = {
            "schema": SCHEMA,
            "source": item.path.name,
            "state": outcome.state,
            "files": outcome.fingerprint,
            "failures": outcome.failures,
            "output": outcome.output,
            "output_fingerprint": outcome.output_fingerprint,
            **outcome.details,
        }
        write_atomic(folder / REPORT_NAME, (json.dumps(values, indent=1) + "\n").encode())

    def choose_output(self, item: InboxItem, suffix: str) -> Path:
        """Where the timeline with stems goes: over the one that was written here, but never over one that was changed since."""
        folder = self.folder_of(item)
        known = self.load(item)
        unchanged = {} if known is None else {known.output: known.output_fingerprint}
        stems = (item.path.stem if number == 1 else f"{item.path.stem}-{number}" for number in count(1))
        targets = (folder / f"{stem}{suffix}" for stem in stems)
        return next(
            target
            for target in targets
            if not target.exists() or unchanged.get(target.name) == file_state(target)
        )


def file_state(path: Path) -> tuple[int, int]:
    """Size and time of change, which tell whether a file was changed since. Raises OSError."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def note_path(item: InboxItem) -> Path:
    return item.path.with_name(item.path.name + NOTE_SUFFIX)


def _write_note(item: InboxItem, failures: Sequence[str]) -> None:
    path = note_path(item)
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = "".join(f"{line}\n" for line in failures)
    advice = "It is tried again when one of its files changes, or when this note is deleted."
    write_atomic(path, f"{text}\n{advice}\n".encode())

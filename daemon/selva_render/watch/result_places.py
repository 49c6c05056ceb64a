"""Where the results of an item go, and how they get there: filled under a temporary name, then renamed, so that they appear
whole.

A folder of results is never changed again. What a changed input gives goes into the next one (`walk-2`), so that nothing that an
editor already works with disappears.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import (
    explain_os_error,
    flush_file,
    flush_folder,
    replace_patiently,
    write_atomic,
)
from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutputError
from selva_core.base.regular_file import read_bounded
from selva_render.watch.file_names import DONE_FOLDER, FAILED_FOLDER, RESULTS_SUFFIX
from selva_render.watch.inbox import is_images, title_of

REPORT_NAME, PAGE_NAME = "report.json", "report.html"
NOTE_SUFFIX = ".failed.txt"
STAGING_PREFIX = ".selva-results-"
SCHEMA = "selva.watch/2"
MAX_REPORT_BYTES = 256 * 1024 * 1024
MAX_NAME_BYTES = 180
"""Names on disks have up to 255 bytes; suffixes and numbers come behind."""
MAX_NUMBERED = 1_000
ABANDONED_S = 7 * 86_400.0


@dataclass(frozen=True, kw_only=True)
class ResultPlaces:
    """For one watch folder. results: the root of the tree that mirrors it; None for beside each source."""

    root: Path
    results: Path | None

    def parent_of(self, name: str) -> Path:
        """The folder in which the results of an item appear."""
        relative = Path(name).parent
        return (self.root if self.results is None else self.results) / relative

    def base_of(self, name: str) -> str:
        """The name of its folder of results, without a number."""
        path = Path(name)
        if self.results is None:
            return shorten(title_of(path) if is_images(path) else path.name) + RESULTS_SUFFIX
        return shorten(title_of(path))

    def iter_targets(self, name: str) -> Iterator[Path]:
        """The folders that may be that of its results, in the order in which they are taken."""
        parent, base = self.parent_of(name), self.base_of(name)
        stem, suffix = (base[: -len(RESULTS_SUFFIX)], RESULTS_SUFFIX) if self.results is None else (base, "")
        for number in range(1, MAX_NUMBERED):
            yield parent / (base if number == 1 else f"{stem}-{number}{suffix}")

    def choose_target(self, name: str) -> Path:
        """The first that is free. Raises OutputError."""
        for target in self.iter_targets(name):
            if not os.path.lexists(target):
                return target
        raise OutputError(
            f"{self.parent_of(name)} has {MAX_NUMBERED} results of {Path(name).name}; move some away"
        )

    def find_published(self, name: str, content: str) -> dict[str, Any] | None:
        """The report of results that were made of this content and published before a crash; None where there are none."""
        for target in self.iter_targets(name):
            if not os.path.lexists(target):
                return None
            report = load_report(target)
            if report is not None and report.get("source") == name and report.get("content") == content:
                return {**report, "results": str(target)}
        return None

    def note_of(self, name: str) -> Path:
        """The note of a failure."""
        path = Path(name)
        return self.parent_of(name) / FAILED_FOLDER / f"{shorten(path.name)}{NOTE_SUFFIX}"

    def moved_source(self, name: str, *, failed: bool) -> Path:
        """Where a source is put that has ended, when sources are moved."""
        folder = self.root / (FAILED_FOLDER if failed else DONE_FOLDER) / Path(name).parent
        path = Path(name)
        for number in count(1):
            target = folder / (path.name if number == 1 else f"{path.stem}-{number}{path.suffix}")
            if not os.path.lexists(target):
                return target
        raise AssertionError

    def write_note(self, name: str, reasons: tuple[str, ...]) -> Path:
        """Write why an item failed and what to do about it. Raises OutputError."""
        note = self.note_of(name)
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {note.parent}: {error.strerror or error}") from error
        lines = [
            *reasons,
            "",
            "It is tried again when it changes, when this note is deleted, or with:",
            selva_command("watch", "again", str(self.root), name),
        ]
        text = "".join(f"{line}\n" for line in lines)
        write_atomic(note, text.encode("utf-8", "backslashreplace"))
        return note


@dataclass(frozen=True, kw_only=True)
class StagedResults:
    """Results that are being made. folder: where they are now; target: the path that they will have."""

    folder: Path
    target: Path

    def last_path(self, path: Path) -> Path:
        """The path that a file in the staged folder will have."""
        return self.target / path.relative_to(self.folder) if path.is_relative_to(self.folder) else path


def open_staging(places: ResultPlaces, name: str, *, journal_id: str) -> StagedResults:
    """A new hidden folder beside the results, which carries the watcher's id. Raises OutputError."""
    parent = places.parent_of(name)
    hidden_name = f"{STAGING_PREFIX}{journal_id[:12]}-{secrets.token_hex(6)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Links are followed here, as the daemon follows them, so that its paths begin with ours.
        staged = StagedResults(
            folder=parent.resolve() / hidden_name, target=parent.resolve() / places.choose_target(name).name
        )
        staged.folder.mkdir()
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"cannot write into {parent}: {explain_os_error(error)}", path=str(parent)
        ) from error
    return staged


def publish(staged: StagedResults) -> bool:
    """Let staged results appear under their name; False when another folder has it by now. Raises OSError."""
    for file in staged.folder.rglob("*"):
        if file.is_file():
            flush_file(file)
    if os.path.lexists(staged.target):
        return False
    try:
        replace_patiently(staged.folder, staged.target, replace=os.rename)
    except OSError:
        if os.path.lexists(staged.target):
            return False
        raise
    flush_folder(staged.target.parent)
    return True


def discard(staged: StagedResults) -> None:
    shutil.rmtree(staged.folder, ignore_errors=True)


def sweep_staging(parent: Path, *, journal_id: str) -> None:
    """Remove what this watcher left when it was killed, whose jobs are cancelled by then, and what others left long ago."""
    own = f"{STAGING_PREFIX}{journal_id[:12]}-"
    try:
        left = [path for path in parent.iterdir() if path.name.startswith(STAGING_PREFIX)]
    except OSError:
        return
    for path in left:
        with suppress(OSError):
            if path.name.startswith(own) or time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


def load_report(folder: Path) -> dict[str, Any] | None:
    """The report in a folder of results; None where there is none that can be read."""
    try:
        report = json.loads(read_bounded(folder / REPORT_NAME, MAX_REPORT_BYTES))
        return report if report["schema"] == SCHEMA else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def shorten(name: str) -> str:
    """A name that leaves room behind it; a long one keeps its beginning, and a hash tells it from others."""
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    start = encoded[: MAX_NAME_BYTES - 9].decode("utf-8", "ignore")
    return f"{start}-{hashlib.sha256(encoded).hexdigest()[:8]}"

"""Records what becomes of an item, in the journal, its claim, notes and messages, and finds out when a full disk is the cause."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selva_core.base.errors import OutputError, SelvaError, StorageError
from selva_core.base.render_options import RenderOptions
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_daemon.client.client import Client
from selva_otio import SpotOptions
from selva_render.watch import claims as claim_states
from selva_render.watch.claims import Claim, ClaimFolder, ClaimKeeper
from selva_render.watch.inbox import CUE_SHEET_SUFFIXES, is_images, is_there
from selva_render.watch.journal import WatchJournal
from selva_render.watch.journal_records import DONE, FAILED, GONE, UNPROMPTED, WAITING, ItemRecord
from selva_render.watch.result_places import ResultPlaces
from selva_render.watch.scanner import Clock, FolderScanner, MessageListener

DISK_RETRY_S = 60.0
MIN_FREE_BYTES = 32 << 20
"""With less, a failure to write counts as that of the disk: results are a few megabytes at least."""


class Postponed(Exception):  # noqa: N818 - an outcome of a step, not a fault
    """The item waits again. blocks_all: so do the others."""

    def __init__(
        self, reason: str, wait_s: float, *, blocks_all: bool = False, error: SelvaError | None = None
    ) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.blocks_all, self.error = reason, wait_s, blocks_all, error


@dataclass(kw_only=True)
class FolderContext:
    """What workers need of one watch folder. cut_off_jobs: of items that a crash cut off; they are cancelled first."""

    watched: WatchedFolder
    journal: WatchJournal
    scanner: FolderScanner
    claims: ClaimFolder
    keeper: ClaimKeeper
    places: ResultPlaces
    options: RenderOptions
    spot_options: SpotOptions
    clock: Clock
    on_message: MessageListener
    on_ended: Callable[[ItemRecord], None] = lambda record: None
    connect: Callable[[], Client]
    media_patience_s: float = 0.0
    makes_pages: bool = True
    cut_off_jobs: list[str] = field(default_factory=list)
    blocked_until_s: float = float("-inf")
    blocked_by: str | None = None

    @property
    def root(self) -> Path:
        return self.watched.path


def _disk_is_full(reason: str) -> Postponed:
    return Postponed(
        reason, DISK_RETRY_S, blocks_all=True, error=OutputError(f"{reason}; free some space, and try again")
    )


class OutcomeRecorder:
    """Records what becomes of items. raises_daemon_errors: whether what stops all items is raised instead of waited for."""

    def __init__(self, context: FolderContext, *, raises_daemon_errors: bool = False) -> None:
        self._context = context
        self._journal = context.journal
        self._raises_daemon_errors = raises_daemon_errors

    def end_done(
        self,
        record: ItemRecord,
        *,
        results: str,
        claim: Claim | None,
        same_as: str = "",
        moved_to: Path | None = None,
    ) -> None:
        context = self._context
        if claim is not None:
            self._finish_claim(claim, claim_states.DONE, {"results": results})
        if record.note:
            with suppress(OSError):
                Path(record.note).unlink(missing_ok=True)
        with suppress(OSError):  # of an attempt of another machine, or of a journal that was lost
            context.places.note_of(record.name).unlink(missing_ok=True)
        self._end(
            record,
            state=DONE,
            outcome=DONE,
            results=results,
            same_as=same_as,
            reason="",
            note="",
            moved_to="" if moved_to is None else str(moved_to),
        )
        where = show(results) if not same_as else f"{show(results)} (the same as {show(same_as)})"
        context.on_message(f"{show(record.name)} is done: {where}")
        if moved_to is not None:
            move_source(context, record.name, moved_to)

    def end_failed(
        self, record: ItemRecord, failures: tuple[str, ...], *, claim: Claim | None, results: str = ""
    ) -> None:
        context = self._context
        for line in failures:
            context.on_message(f"{show(record.name)} failed: {line}")
        note = ""
        try:
            note = str(context.places.write_note(record.name, failures))
        except (SelvaError, OSError) as error:
            context.on_message(f"the note of {show(record.name)} cannot be written: {error}")
        if claim is not None:
            self._finish_claim(claim, claim_states.FAILED, {"results": results, "failures": list(failures)})
        moved_to = None
        if context.watched.move_sources and not is_images(record.path):
            moved_to = context.places.moved_source(record.name, failed=True)
        self._end(
            record,
            state=FAILED,
            outcome=FAILED,
            results=results,
            same_as="",
            reason="\n".join(failures),
            note=note,
            moved_to="" if moved_to is None else str(moved_to),
        )
        if moved_to is not None:
            move_source(context, record.name, moved_to)

    def _end(self, record: ItemRecord, **fields: Any) -> None:
        """Record an outcome, with the hooks still to be run, and run them."""
        ended = self._journal.update_item(
            record.folder,
            record.name,
            fingerprint=record.fingerprint,
            content=record.content,
            attempt=record.attempt,
            outcome_content=record.content,
            again=False,
            jobs=(),
            not_before_s=0.0,
            unsent=True,
            **fields,
        )
        if ended is not None:
            self._context.on_ended(ended)

    def set_state(self, record: ItemRecord, state: str, *, reason: str) -> None:
        self._journal.update_item(
            record.folder,
            record.name,
            state=state,
            content=record.content,
            reason=reason,
            again=False,
            jobs=(),
        )
        if state == UNPROMPTED:  # nothing else in sight would say why no results come
            self._context.on_message(f"{show(record.name)} is not rendered: {reason}")

    def postpone(self, record: ItemRecord, postponed: Postponed) -> None:
        context = self._context
        is_raised = postponed.error is not None and self._raises_daemon_errors
        is_gone = not is_there(record.path) and context.root.is_dir() and context.scanner.is_available
        self._journal.update_item(
            record.folder,
            record.name,
            state=GONE if is_gone else WAITING,
            reason="" if is_gone else postponed.reason,
            jobs=(),
            not_before_s=0.0 if is_raised else context.clock.wall_s() + postponed.wait_s,
        )
        if postponed.error is not None and is_raised:
            raise postponed.error
        if postponed.blocks_all:
            context.blocked_until_s = context.clock.wall_s() + postponed.wait_s
        # The same reason again and again is shown once; that a file changes needs no line.
        if (postponed.error is not None or postponed.blocks_all) and postponed.reason != context.blocked_by:
            context.blocked_by = postponed.reason
            context.on_message(f"{show(record.name)} waits: {postponed.reason}")

    # -- claims and disks ----------------------------------------------------------------------------------

    def _finish_claim(self, claim: Claim, state: str, outcome: dict[str, Any]) -> None:
        """Where it cannot be written, the claim expires, and another watcher finds the results."""
        self._context.keeper.release(claim)
        with suppress(OSError, OutputError):
            self._context.claims.finish(claim, state, outcome)

    def drop(self, claim: Claim) -> None:
        self._finish_claim(claim, claim_states.DROPPED, {})

    def require_room_after(self, error: Exception) -> None:
        """Raises Postponed where an error is that of a full disk."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _disk_is_full("the disk is full") from error
            cause = cause.__cause__
        if isinstance(error, OutputError | StorageError):
            self.require_room(str(error))

    def require_room(self, message: str) -> None:
        """Raises Postponed where a file could not be written because the disk is full."""
        folder = self._context.watched.results or self._context.root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            free_bytes = shutil.disk_usage(folder).free
        except OSError:
            free_bytes = MIN_FREE_BYTES
        if free_bytes < MIN_FREE_BYTES or "disk is full" in message:
            raise _disk_is_full(f"the disk of {folder} is full")


def move_source(context: FolderContext, name: str, target: Path) -> None:
    """Put a source that has ended, and its own cue sheet, where ended sources go; it may be done again after a crash."""
    item = context.scanner.items.get(name)
    source = context.root / name
    cues = None if item is None else item.cues
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        if cues is not None:
            cues.rename(target.parent / cues.name)
    except OSError as error:
        context.on_message(f"{show(name)} cannot be moved to {target.parent}: {error.strerror or error}")
        context.journal.update_item(context.root, name, moved_to="")


def restore_source(record: ItemRecord) -> None:
    """Put a source that was moved, and its cue sheets, back where it came from, to be rendered again. Raises StorageError."""
    moved = Path(record.moved_to) if record.moved_to else None
    if moved is None or not os.path.lexists(moved) or os.path.lexists(record.path):
        return
    try:
        moved.rename(record.path)
        for suffix in CUE_SHEET_SUFFIXES:
            sheet = moved.with_name(f"{record.path.stem}{suffix}")
            if sheet.is_file() and not os.path.lexists(record.path.parent / sheet.name):
                sheet.rename(record.path.parent / sheet.name)
    except OSError as error:
        raise StorageError(f"{moved} cannot be moved back to {record.path}: {error}") from error


def show(name: str) -> str:
    """A name for a line of text: one with line ends or other control characters is quoted."""
    return name if name.isprintable() else ascii(name)

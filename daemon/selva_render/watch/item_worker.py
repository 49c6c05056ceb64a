"""What becomes of one item that waits: it is identified, claimed, rendered, published, and its outcome recorded.

Each step may find that another one has happened meanwhile: the file was changed, moved or deleted, another machine was
quicker, the daemon or the share went away, the disk is full. Then the item waits again or its state says so; it is called done
only when its results are in place, and failed only when that is its own fault.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import (
    InstallationBrokenError,
    MediaNotFoundError,
    OutOfMemoryError,
    OutputError,
    SelvaError,
    StorageError,
)
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import (
    DaemonError,
    DaemonRefusedError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    QueueFullError,
    WorkerDiedError,
)
from selva_otio.errors import NoPromptError
from selva_render.watch import claims as claim_states
from selva_render.watch.claims import Claim
from selva_render.watch.content import compute_content_key
from selva_render.watch.inbox import IMAGES, VIDEO, InboxItem
from selva_render.watch.item_outcomes import DISK_RETRY_S, FolderContext, OutcomeRecorder, Postponed, show
from selva_render.watch.item_renderer import ItemRenderer, MediaNotThereError, RenderedItem, RenderTask
from selva_render.watch.journal_records import DONE, ELSEWHERE, FAILED, IGNORED, UNPROMPTED, ItemRecord
from selva_render.watch.prompts import ItemPrompts, find_prompts
from selva_render.watch.result_places import StagedResults, discard, open_staging, publish

DAEMON_RETRY_S = 30.0
BROKEN_RETRY_S = 300.0
MEDIA_RETRY_S = 30.0
ELSEWHERE_RETRY_S = 5.0
MIN_WAIT_S = 1.0
_OF_EVERY_ITEM = (
    DaemonRefusedError,
    DaemonStartError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    InstallationBrokenError,
    QueueFullError,
)
"""What stops the other items as well: none is tried before the next attempt at this one."""
_RETRIED_CODES = frozenset((WorkerDiedError.code, OutOfMemoryError.code))
"""Failures that are seldom the item's: other programs fill the memory, or end the worker."""
MAX_ATTEMPTS = 3
ATTEMPT_RETRY_S = 60.0
_log = logging.getLogger(__name__)


class ItemWorker:
    """Handles one item after another of one folder; several workers may share a folder.

    raises_daemon_errors: whether what stops all items is raised instead of waited for.
    """

    def __init__(self, context: FolderContext, *, raises_daemon_errors: bool = False) -> None:
        self._context = context
        self._journal = context.journal
        self._outcomes = OutcomeRecorder(context, raises_daemon_errors=raises_daemon_errors)

    def handle(self, record: ItemRecord) -> None:
        """Bring an item that `take_next` gave to its next state. Raises StorageError when that cannot be recorded; with
        `raises_daemon_errors` DaemonError and InstallationBrokenError.
        """
        try:
            self._handle(record)
        except Postponed as postponed:
            self._outcomes.postpone(record, postponed)
        except StorageError:
            raise
        except Exception as error:
            _log.exception("a fault while handling %r", record.name)
            if not isinstance(error, SelvaError | OSError):
                reason = f"a fault in this program ({type(error).__name__}: {error})"
                self._outcomes.end_failed(record, (reason,), claim=None)
                return
            self._fail(record, error, claim=None)

    def _handle(self, record: ItemRecord) -> None:
        item = self._find_unchanged(record)
        try:
            prompts = find_prompts(item, self._context.root)
        except SelvaError as error:
            self._fail(record, error, claim=None)
            return
        if prompts.is_ignored:
            self._outcomes.set_state(record, IGNORED, reason=f"left out by {prompts.origin}")
            return
        if item.kind in (VIDEO, IMAGES) and not prompts.rows:
            self._outcomes.set_state(
                record,
                UNPROMPTED,
                reason=(
                    "nothing says what to hear in it: it has no cue sheet, and no rule has cues; put one beside it, "
                    f"{show(item.title)}.cues.csv with the columns track and prompt"
                ),
            )
            return
        task = self._build_task(record, item, prompts)
        record = replace(record, content=task.content)
        if not record.again and self._is_known(record):
            return
        claim = self._claim(record)
        if claim is None:
            return
        with self._held(claim):
            self._render_claimed(replace(record, attempt=claim.number), task, claim)

    def _find_unchanged(self, record: ItemRecord) -> InboxItem:
        """The item as it was when it was taken. Raises Postponed when it changes, or is gone."""
        item = self._context.scanner.items.get(record.name)
        try:
            if item is not None and item.take_fingerprint() == record.fingerprint:
                return item
        except OSError:
            pass
        raise Postponed("it changes, or is gone", max(self._context.watched.settle_s, MIN_WAIT_S))

    def _build_task(self, record: ItemRecord, item: InboxItem, prompts: ItemPrompts) -> RenderTask:
        context = self._context
        options, spot_options = context.options, context.spot_options
        if prompts.model is not None:
            options = replace(options, model=prompts.model)
        if prompts.takes is not None:
            options = replace(options, num_takes=prompts.takes)
        if prompts.handles_s is not None:
            spot_options = replace(spot_options, handles_s=Fraction(str(prompts.handles_s)))
        try:
            content = compute_content_key(
                item, record.name, prompts=prompts.describe(), options=repr((options, spot_options))
            )
        except OSError as error:
            raise Postponed(
                f"it cannot be opened yet: {error.strerror or error}",
                max(context.watched.settle_s, MIN_WAIT_S),
            ) from error
        moved_to = None
        if context.watched.move_sources and item.kind != IMAGES:
            moved_to = context.places.moved_source(record.name, failed=False)
        return RenderTask(
            item=item,
            name=record.name,
            content=content,
            prompts=prompts,
            options=options,
            spot_options=spot_options,
            moved_to=moved_to,
        )

    # -- what is known already -----------------------------------------------------------------------------

    def _is_known(self, record: ItemRecord) -> bool:
        """Whether this content has an outcome already: under this name (it was touched, or came back), or under another (it was
        moved or copied). Then that is the item's outcome.
        """
        if record.outcome_content == record.content and record.outcome in (DONE, FAILED):
            self._outcomes.set_state(
                record, record.outcome, reason=record.reason if record.outcome == FAILED else ""
            )
            return True
        same = self._journal.find_same(record)
        if same is None or (same.results and not Path(same.results).exists()):
            return False
        self._outcomes.end_done(record, results=same.results, same_as=same.name, claim=None)
        return True

    def _claim(self, record: ItemRecord) -> Claim | None:
        """An attempt of our own, or None: then the item has the outcome that another watcher reached, or waits for it."""
        context = self._context
        try:
            # Of two machines that are asked to try again by one deleted note, one tries, and the other has its outcome.
            after = record.attempt if record.again else 0
            claim = context.claims.try_claim(record.content, record.name, after=after)
            if claim is not None:
                return claim
            other = context.claims.read(record.content)
        except (OSError, OutputError) as error:
            self._outcomes.require_room_after(error)
            reason = f"{context.root} cannot be written to: {error}"
            raise Postponed(reason, DISK_RETRY_S, blocks_all=True, error=OutputError(reason)) from error
        if other is None or not other.is_final:
            machine = "another watcher" if other is None or other.owner is None else other.owner.machine
            self._journal.update_item(
                record.folder,
                record.name,
                state=ELSEWHERE,
                content=record.content,
                reason=f"{machine} renders it",
                not_before_s=context.clock.wall_s() + min(ELSEWHERE_RETRY_S, context.watched.rescan_s),
            )
            return None
        outcome = other.outcome or {}
        record = replace(record, attempt=other.number)
        same_as = other.source if other.source != record.name else ""
        if other.state == claim_states.DONE:
            self._outcomes.end_done(
                record, results=str(outcome.get("results", "")), same_as=same_as, claim=None
            )
        else:
            self._outcomes.end_failed(
                record, tuple(map(str, outcome.get("failures", ()))) or ("it failed elsewhere",), claim=None
            )
        return None

    # -- rendering -----------------------------------------------------------------------------------------

    def _render_claimed(self, record: ItemRecord, task: RenderTask, claim: Claim) -> None:
        for name in () if record.again else dict.fromkeys((record.name, claim.earlier_source or record.name)):
            published = self._context.places.find_published(name, record.content)
            if published is not None:  # a crash came between publishing and recording it
                results, failures = Path(published["results"]), tuple(published["failures"])
                self._end_published(record, task, claim, results, failures)
                return
        try:
            staged = open_staging(self._context.places, record.name, journal_id=self._journal.journal_id)
        except SelvaError as error:
            self._fail(record, error, claim=claim)
            return
        try:
            rendered = self._render(record, task, staged)
            self._publish(record, task, claim, staged, rendered)
        except NoPromptError as error:
            self._outcomes.drop(claim)
            self._outcomes.set_state(record, UNPROMPTED, reason=error.message)
        except Postponed:
            self._outcomes.drop(claim)
            raise
        except (SelvaError, OSError) as error:
            self._fail(record, error, claim=claim)
        except BaseException:
            self._outcomes.drop(claim)
            raise
        finally:
            discard(staged)

    def _render(self, record: ItemRecord, task: RenderTask, staged: StagedResults) -> RenderedItem:
        """Raises Postponed when the daemon or the machine is at fault, SelvaError or OSError when the item is."""
        context = self._context
        jobs: list[str] = []

        def note_job(job_id: str) -> None:
            jobs.append(job_id)
            self._journal.update_item(
                record.folder, record.name, jobs=tuple(jobs), attempts=record.attempts + 1
            )

        try:
            with context.connect() as client:
                self._cancel_cut_off_jobs(client)
                renderer = ItemRenderer(
                    client,
                    on_submitted=note_job,
                    media_patience_s=context.media_patience_s,
                    makes_pages=context.makes_pages,
                )
                rendered = renderer.render(task, staged)
        except MediaNotThereError as error:
            raise Postponed(error.message, MEDIA_RETRY_S) from error
        except (DaemonError, InstallationBrokenError) as error:
            is_broken = isinstance(error, InstallationBrokenError)
            raise Postponed(
                error.message,
                BROKEN_RETRY_S if is_broken else DAEMON_RETRY_S,
                blocks_all=isinstance(error, _OF_EVERY_ITEM),
                error=error,
            ) from error
        context.blocked_by = None
        if rendered.codes & {OutputError.code, StorageError.code}:
            self._outcomes.require_room(" ".join(rendered.failures))
        if rendered.codes & _RETRIED_CODES and record.attempts < MAX_ATTEMPTS:
            raise Postponed(rendered.failures[0], ATTEMPT_RETRY_S * (record.attempts + 1))
        if MediaNotFoundError.code in rendered.codes:
            self._require_unchanged(record)
        return rendered

    def _publish(
        self,
        record: ItemRecord,
        task: RenderTask,
        claim: Claim,
        staged: StagedResults,
        rendered: RenderedItem,
    ) -> None:
        if not task.item.is_repacked:
            self._require_unchanged(record)
        if not self._context.claims.counts(claim):
            raise Postponed("another watcher took it over meanwhile", MIN_WAIT_S)
        if not publish(staged):
            raise Postponed(f"{staged.target} came meanwhile", MIN_WAIT_S)
        if task.item.is_repacked:
            record = replace(record, fingerprint=task.item.take_fingerprint())
        self._end_published(record, task, claim, staged.target, rendered.failures)

    def _end_published(
        self, record: ItemRecord, task: RenderTask, claim: Claim, results: Path, failures: tuple[str, ...]
    ) -> None:
        if failures:
            self._outcomes.end_failed(record, failures, claim=claim, results=str(results))
        else:
            self._outcomes.end_done(record, results=str(results), claim=claim, moved_to=task.moved_to)

    def _require_unchanged(self, record: ItemRecord) -> None:
        """Results of a file that has changed or gone meanwhile belong to no input. Raises Postponed."""
        self._find_unchanged(record)

    def _cancel_cut_off_jobs(self, client: Client) -> None:
        jobs = self._context.cut_off_jobs
        with suppress(IndexError):  # another worker may take the last one
            while jobs:
                job = jobs.pop()
                with suppress(SelvaError):  # it has ended, or was forgotten
                    client.cancel(job)

    def _fail(self, record: ItemRecord, error: SelvaError | OSError, *, claim: Claim | None) -> None:
        """An error that may be the item's, unless the folder, the file or the disk is what has failed."""
        message = error.message if isinstance(error, SelvaError) else str(error)
        try:
            if not self._context.root.is_dir():
                raise Postponed(f"{self._context.root} is not there", DISK_RETRY_S)
            self._outcomes.require_room_after(error)
            self._require_unchanged(record)
        except Postponed as postponed:
            if claim is not None:
                self._outcomes.drop(claim)
            self._outcomes.postpone(record, postponed)
            return
        self._outcomes.end_failed(record, (message,), claim=claim)

    @contextmanager
    def _held(self, claim: Claim) -> Iterator[None]:
        self._context.keeper.hold(self._context.claims, claim)
        try:
            yield
        finally:
            self._context.keeper.release(claim)

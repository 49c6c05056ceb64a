"""What the pages ask the daemon for: looking, rendering, redoing a stretch, cancelling. Jobs outlive the page and the panel."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from selva_core.audio.stem_file import read_stem_file
from selva_core.base.errors import SelvaError
from selva_core.base.render_options import PanOptions, RenderOptions, SamplingOptions
from selva_core.base.settings import load_settings
from selva_daemon.protocol.errors import DaemonError, UnknownJobError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import JobStatus
from selva_otio import Cue, measure_span
from selva_otio.time.clock import frame_index, sample_index
from selva_panel.errors import NothingToDoError, NotThereError
from selva_panel.jobs.daemon_link import DaemonLink
from selva_panel.jobs.measures import measure_stems, note_measures
from selva_panel.jobs.results import add_sights, add_stems
from selva_panel.session.missing import (
    effective_prompts,
    explain_all_seen,
    explain_nothing,
    find_missing,
    first_seed_of,
)
from selva_panel.session.records import CueInJob, JobRecord, StemRecord
from selva_panel.session.session import MAX_FINISHED_JOBS, Session
from selva_panel.timeline.rows import Row
from selva_panel.timeline.sheet import PanelSheet, build_panel_sheet, iter_cells
from selva_render.jobs import ClipJob, build_jobs
from selva_render.options import OutputOptions, check_options, choose_model
from selva_render.redo import Redo, build_redo_job

PROGRESS_EVERY_S = 0.1
RETRY_AFTER_S = 2.0
MORE_TAKES = 3
SUBMIT_PATIENCE_S = 600.0
_log = logging.getLogger(__name__)


class PanelWork:
    """Submits jobs and watches them. For the thread of the event loop; `close` ends the watching, not the jobs."""

    def __init__(self, session: Session, link: DaemonLink, stems_folder: Path) -> None:
        self._session = session
        self._link = link
        self._stems_folder = stems_folder
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent_s: dict[str, float] = {}

    def resume(self) -> None:
        """Watch the jobs that an earlier run of the panel has left with the daemon."""
        self._watch([job.id for job in self._session.unfinished_jobs])

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what pages ask for --------------------------------------------------------------------------------

    async def look(self) -> list[str]:
        """Have the model look for every prompt where it has not yet. Raises NothingToDoError, DaemonError."""
        session = self._session
        known = {(seen.row_id, seen.clip_id): seen.prompt for seen in session.record.evidence}
        cells = [
            (row.id, clip.id)
            for row, clip in iter_cells(session.record.rows, session.cut)
            if known.get((row.id, clip.id)) != effective_prompts(row, clip.id)[0]
        ]
        if not cells:
            raise explain_all_seen(session.record, session.cut)
        sheet = await self._sheet_of(cells)
        single = replace(sheet.sheet, cues=tuple(replace(cue, num_takes=1) for cue in sheet.sheet.cues))
        sheet = replace(sheet, sheet=single)
        return await self._submit(sheet, self._options(), kind="look")

    async def render(
        self, *, row_ids: Collection[str] = (), clip_ids: Collection[str] = (), more_like: str | None = None
    ) -> list[str]:
        """Render what is wanted and not there; or more takes of one stem's cue, with seeds that were not used.

        Raises NothingToDoError, NotThereError, CueError, OutputError, DaemonError.
        """
        session = self._session
        if more_like is not None:
            return await self._render_more(session.stem(more_like))
        session.check_ids(row_ids=row_ids, clip_ids=clip_ids)
        gone = await asyncio.to_thread(_list_gone, tuple(session.record.stems))
        missing = find_missing(
            session.record,
            session.cut,
            session.model,
            row_ids=row_ids or None,
            clip_ids=clip_ids or None,
            gone=gone,
        )
        if not missing:
            raise explain_nothing(session.record, session.cut, row_ids=row_ids, clip_ids=clip_ids)
        sheet = await self._sheet_of([(row.id, clip.id) for row, clip in missing])
        alike: dict[tuple[int, str], set[tuple[str, str]]] = {}
        for row, clip in missing:
            alike.setdefault((first_seed_of(row, clip.id), row.pan), set()).add((row.id, clip.id))
        job_ids: list[str] = []
        for (seed, pan), cells in alike.items():
            part = sheet.only({cue for cue, cell in sheet.cells.items() if cell in cells})
            options = self._options(seed=seed, pan=PanOptions(mode=pan))
            job_ids += await self._submit(part, options, kind="render")
        await asyncio.to_thread(self._session.remember_prompts)
        return job_ids

    async def _render_more(self, stem: StemRecord) -> list[str]:
        """The takes after the last one: their seeds follow, and the takes before come from the cache."""
        row = self._row(stem.row_id)
        takes = max(take.take for take in self._session.takes_of(stem)) + MORE_TAKES
        sheet = await self._sheet_of([(stem.row_id, stem.clip_id)])
        more = replace(sheet.sheet, cues=tuple(replace(cue, num_takes=takes) for cue in sheet.sheet.cues))
        seed = first_seed_of(row, stem.clip_id)
        options = self._options(seed=seed, pan=PanOptions(mode=row.pan))
        return await self._submit(replace(sheet, sheet=more), options, kind="render")

    async def redo(
        self, stem_id: str, *, from_samples: int, to_samples: int, prompt: str | None, seed: int | None
    ) -> str:
        """Make a stretch of a stem anew, as a further take of its clip. Raises NotThereError, RequestError, DaemonError."""
        stem = self._session.stem(stem_id)
        clip = next((clip for clip in self._session.cut.clips if clip.id == stem.clip_id), None)
        if clip is None or clip.spotted is None:
            raise NotThereError("the clip of this stem is not in the cut any more, or its media is missing")
        file = await asyncio.to_thread(read_stem_file, Path(stem.file))
        redo = Redo(
            stem=file,
            start_sample=from_samples,
            end_sample=to_samples,
            prompt=prompt or None,
            seed=seed,
            take=max(take.take for take in self._session.takes_of(stem)) + 1,
            absent=load_settings().absent,
        )
        request = build_redo_job(redo, media=clip.spotted.picture_path)
        client = await self._link.client()
        submitted = await client.submit(request, timeout_s=SUBMIT_PATIENCE_S)
        cue = CueInJob(
            row_id=stem.row_id,
            clip_id=stem.clip_id,
            prompt=stem.prompt,
            negative=stem.negative,
            start_frames=stem.start_frames,
            start_sample=stem.start_sample,
            offset_samples=stem.offset_samples,
            length_samples=stem.length_samples,
        )
        self._add_record(
            submitted.job_id, request, {request.cues[0].cue: cue}, kind="redo", redone_from=stem.id
        )
        self._session.touch("jobs")
        self._watch([submitted.job_id])
        return submitted.job_id

    async def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel jobs of this panel; those that are finished stay. Raises DaemonError."""
        waiting = [job.id for job in self._session.unfinished_jobs if job.id in job_ids]
        if waiting:
            client = await self._link.client()
            await client.cancel(*waiting)

    async def release_device(self) -> None:
        """Free the GPU; the next render takes it back. Raises DaemonError."""
        client = await self._link.client()
        await client.release_device()
        await self._link.poll()

    # -- submitting ----------------------------------------------------------------------------------------

    def _options(self, **changes: Any) -> RenderOptions:
        """As `selva render` has them without options, with the model of this session."""
        settings = load_settings()
        return RenderOptions(
            model=self._session.record.model,
            sampling=SamplingOptions(separate=settings.separate),
            absent=settings.absent,
            sample_rate_hz=self._session.cut.sample_rate_hz,
            **changes,
        )

    def _output(self) -> OutputOptions:
        return OutputOptions(stems_folder=self._stems_folder, profile=self._session.cut.profile)

    async def _sheet_of(self, cells: Collection[tuple[str, str]]) -> PanelSheet:
        session = self._session
        sheet = await asyncio.to_thread(build_panel_sheet, session.cut, session.record.rows)
        wanted = set(cells)
        return sheet.only({cue for cue, cell in sheet.cells.items() if cell in wanted})

    async def _submit(self, sheet: PanelSheet, options: RenderOptions, *, kind: str) -> list[str]:
        looks = kind == "look"
        options = replace(options, model=options.model or self._session.model)
        output = OutputOptions(stems_folder=Path(tempfile.gettempdir())) if looks else self._output()
        if not looks:
            await asyncio.to_thread(check_options, options, output)
        record = self._session.record
        if record.model is None:  # one that is fetched meanwhile must not make all stems outdated
            record.model = await asyncio.to_thread(choose_model, None)
        client = await self._link.client()
        if self._session.daemon.get("yielded"):
            await client.resume()
        jobs = await asyncio.to_thread(
            build_jobs,
            sheet.sheet,
            options,
            output,
            timeline_name=self._session.cut.timeline_name,
            looks=looks,
        )
        job_ids = []
        try:
            for job in jobs:
                submitted = await client.submit(job.request, timeout_s=SUBMIT_PATIENCE_S)
                self._add_job(submitted.job_id, job, sheet, kind=kind)
                job_ids.append(submitted.job_id)
        finally:  # what the daemon has accepted is watched, whatever happens to the rest
            self._session.touch("jobs", "estimate")
            self._watch(job_ids)
        return job_ids

    def _add_job(self, job_id: str, job: ClipJob, sheet: PanelSheet, *, kind: str) -> None:
        rate_hz = job.request.output.sample_rate_hz
        cues = {cue.id: self._describe_cue(cue, sheet, rate_hz) for cue in job.cues}
        self._add_record(job_id, job.request, cues, kind=kind)

    def _add_record(
        self,
        job_id: str,
        request: JobRequest,
        cues: dict[str, CueInJob],
        *,
        kind: str,
        redone_from: str | None = None,
    ) -> None:
        jobs = self._session.record.jobs
        jobs[:] = [other for other in jobs if other.id != job_id]
        jobs.append(
            JobRecord(
                id=job_id,
                kind=kind,
                cues=cues,
                model=request.model,
                num_steps=request.num_steps,
                guidance=request.guidance,
                pan_mode=request.pan,
                redone_from=redone_from,
            )
        )

    def _describe_cue(self, cue: Cue, sheet: PanelSheet, sample_rate_hz: int) -> CueInJob:
        clock = sheet.sheet.clock
        span = measure_span(cue.clip, clock, sample_rate_hz)
        row_id, clip_id = sheet.cells[cue.id]
        return CueInJob(
            row_id=row_id,
            clip_id=clip_id,
            prompt=cue.prompt,
            negative=cue.negative_prompt,
            start_frames=frame_index(span.start_s, clock.frame_rate_hz),
            start_sample=span.start_sample,
            offset_samples=span.offset_samples,
            length_samples=sample_index(cue.clip.record_end_s, sample_rate_hz) - span.start_sample,
        )

    def _row(self, row_id: str) -> Row:
        row = next((row for row in self._session.record.rows if row.id == row_id), None)
        if row is None or not row.is_complete:
            raise NothingToDoError("the row of this stem is gone, or has no prompt; undo its removal first")
        return row

    # -- watching ------------------------------------------------------------------------------------------

    def _watch(self, job_ids: Sequence[str]) -> None:
        if job_ids:
            self._keep_task(self._watch_until_done(list(job_ids)))

    def _keep_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Until it is done, or the panel is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_until_done(self, job_ids: list[str]) -> None:
        """Follow jobs to their end; a daemon that goes away is waited for."""
        while job_ids:
            try:
                client = await self._link.client()
                async for status in client.watch(job_ids):
                    self._on_status(status)
            except UnknownJobError as error:
                with suppress(DaemonError):  # gone just now: the next round connects again
                    await self._forget_unknown(job_ids, error)
            except DaemonError as error:
                _log.info("the daemon went away: %s", error)
                await asyncio.sleep(RETRY_AFTER_S)
            except SelvaError as error:
                _log.warning("jobs cannot be watched: %s", error)
                await asyncio.sleep(RETRY_AFTER_S)
            unfinished = {job.id for job in self._session.unfinished_jobs}
            job_ids = [job_id for job_id in job_ids if job_id in unfinished]

    async def _forget_unknown(self, job_ids: Sequence[str], error: SelvaError) -> None:
        """Jobs that the daemon does not know any more: somebody has cleared its list."""
        client = await self._link.client()
        for job_id in job_ids:
            try:
                self._on_status(await client.job(job_id))
            except UnknownJobError:
                job = self._session.job(job_id)
                job.state, job.message, job.code = "failed", error.message, error.code
        self._session.touch("jobs")

    def _on_status(self, status: JobStatus) -> None:
        session = self._session
        job = next((job for job in session.record.jobs if job.id == status.job_id), None)
        if job is None or job.is_finished:
            return
        has_new_state = job.state != status.state
        job.state = status.state
        job.message, job.code = (
            ("", "") if status.error is None else (status.error.message, status.error.code)
        )
        session.progress[job.id] = {
            "stage": status.stage,
            "done": round(status.fraction, 3),
            "seconds_left": status.seconds_left,
            "step": status.step,
            "num_steps": status.num_steps,
            "position": status.position,
        }
        if status.is_finished:
            self._finish(job, status)
        self._send_job(job, is_due=has_new_state)

    def _finish(self, job: JobRecord, status: JobStatus) -> None:
        session = self._session
        session.progress.pop(job.id, None)
        if job.kind == "look":
            add_sights(session.record, job, status.stems)
            if job.state == "done" and all(result.presence is None for result in status.stems):
                job.message = (
                    f"{job.model} cannot say where a prompt is seen; choose another model to look with"
                )
                job.code = "look-uncalibrated"
            session.touch_soon("evidence", "estimate")
        else:
            add_stems(session.record, job, status.stems)
            self._keep_task(self._measure({cue.clip_id for cue in job.cues.values()}))
            session.touch_soon("stems", "evidence", "estimate")
        finished = [other.id for other in session.record.jobs if other.is_finished]
        old = set(finished[: max(len(finished) - MAX_FINISHED_JOBS, 0)])
        if old:
            session.record.jobs = [other for other in session.record.jobs if other.id not in old]
        session.touch_soon("jobs")

    async def _measure(self, clip_ids: Collection[str]) -> None:
        """Meters and hints of the stems of these clips; those of siblings change with what the new ones show."""
        stems = list(self._session.record.stems)
        for stem_id, hints in (await asyncio.to_thread(measure_stems, stems, clip_ids)).items():
            stem = next((stem for stem in self._session.record.stems if stem.id == stem_id), None)
            if stem is not None:
                note_measures(stem, hints)
        self._session.touch_soon("stems")

    def _send_job(self, job: JobRecord, *, is_due: bool) -> None:
        """To the pages, at most ten times a second for each job, but every change of state."""
        now_s = time.monotonic()
        if is_due or now_s - self._sent_s.get(job.id, 0.0) >= PROGRESS_EVERY_S:
            self._sent_s[job.id] = now_s
            self._session.hub.send({"type": "job", "job": self._session.describe_job(job)})
        if job.is_finished:
            self._sent_s.pop(job.id, None)


def _list_gone(stems: Sequence[StemRecord]) -> set[str]:
    """Ids of the stems whose files somebody has moved or deleted."""
    return {stem.id for stem in stems if not Path(stem.file).is_file()}

"""What the tasks of a farm's job do: the stems of some clips, and in the end the timeline with all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from selva_core.base.errors import RequestError
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_otio import Cue, CueSheet, write_timeline
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.formats.request_bundle.bundle_folder import drop_relative_paths
from selva_otio.formats.request_bundle.found_stems import find_stems
from selva_otio.placement.place_stems import place_stems
from selva_render.farm.job_folder import FarmJob
from selva_render.farm.plan import DEFAULT_NAMING
from selva_render.jobs import ClipJob, build_jobs, cancelled_on_error
from selva_render.media import probe_or_none
from selva_render.options import OutputOptions, choose_model
from selva_render.render import StatusListener, collect_results, split_unusable_clips
from selva_render.report import RenderReport
from selva_render.written_timelines import note_written_files


def render_task(
    job: FarmJob,
    number: int,
    *,
    clips_per_task: int,
    client: Client,
    on_status: StatusListener,
    profile: HostProfile = PLAIN,
    naming: str = DEFAULT_NAMING,
) -> RenderReport:
    """Make the stems of task `number`, counted from 1, into the job's folder; a clip that fails does not stop the others.

    profile: the host they are for, which decides whether their files say when they begin. naming: see `OutputOptions`.
    Raises RequestError for a task that the job does not have, UnknownModelError, DaemonError.
    """
    part = select_clips(job.sheet, number, clips_per_task)
    output = OutputOptions(stems_folder=job.stems_folder, profile=profile, naming=naming)
    renderable, failed = split_unusable_clips(part)
    options = replace(job.options, model=choose_model(job.options.model))
    report = RenderReport(sheet=part, model=str(options.model), stems_folder=job.stems_folder, failed=failed)
    wanted = set(renderable.clips)
    with cancelled_on_error(client) as submitted:
        jobs = [each for each in _build_all_jobs(job, output, options.model) if each.clip in wanted]
        collect_results(client, jobs, submitted, report, on_status=on_status)
    report.sort()
    return report


def select_clips(sheet: CueSheet, number: int, clips_per_task: int) -> CueSheet:
    """The cue sheet of one task. Raises RequestError for a task that there is not."""
    clips = sheet.clips
    num_tasks = -(-len(clips) // clips_per_task)
    if not 1 <= number <= num_tasks:
        raise RequestError(
            f"the cue sheet has {len(clips)} clips, which are tasks 1 to {num_tasks} at {clips_per_task} a task; got task "
            f"{number}: export the job again when cues were added or removed"
        )
    wanted = set(clips[(number - 1) * clips_per_task : number * clips_per_task])
    return replace(
        sheet, cues=tuple(cue for cue in sheet.cues if cue.clip in wanted), skipped=(), warnings=()
    )


def _build_all_jobs(job: FarmJob, output: OutputOptions, model: str | None) -> list[ClipJob]:
    """The jobs of all tasks: names of stems are unique within the whole cut, whichever worker makes them."""
    return build_jobs(
        job.sheet,
        replace(job.options, model=model),
        output,
        timeline_name=job.timeline.name,
    )


@dataclass(frozen=True, kw_only=True)
class GatherReport:
    """The timeline of a job. missing: cues and takes without a stem. files: what was written; none when no stem is there."""

    num_stems: int
    missing: tuple[tuple[Cue, int], ...]
    sheet: CueSheet
    files: tuple[Path, ...] = ()
    sidecar: Path | None = None
    losses: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def gather_job(job: FarmJob, target: Path, *, profile: HostProfile = PLAIN) -> GatherReport:
    """Write the cut with the stems that are in the job's folder to `target`. Raises TimelineWriteError, UnknownModelError."""
    options = replace(job.options, model=choose_model(job.options.model))
    stems = find_stems(job.sheet, options, job.stems_folder)
    found = {(stem.cue, stem.take) for stem in stems}
    missing = tuple(
        (cue, take)
        for cue in job.sheet.cues
        for take in range(1, (cue.num_takes or options.num_takes) + 1)
        if (cue.id, take) not in found
    )
    report = GatherReport(num_stems=len(stems), missing=missing, sheet=job.sheet, warnings=job.sheet.warnings)
    if not stems:
        return report
    placement = place_stems(job.timeline, job.sheet, stems)
    drop_relative_paths(placement.timeline)
    written = write_timeline(
        placement.timeline,
        target,
        base_folder=job.bundle.base_folder,
        profile=profile,
        probe=probe_or_none,
    )
    note_written_files(written.files, AppPaths.find())
    return replace(report, files=written.files, sidecar=written.sidecar, losses=written.losses)

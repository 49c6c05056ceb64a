"""Render a timeline: have the daemon make the stems of its cue sheet, place them, write the new timeline.

Runs in the client's process and loads neither torch nor av. The input is never changed; what is written goes
to the stems folder and to the one output file, which appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import check_folder_writable
from selva_core.base.errors import MediaNotFoundError, SelvaError
from selva_core.base.media import ImageSequence
from selva_core.models.catalog import default_models_dir, find_model, listed_models, missing_files
from selva_core.video.sequence_files import find_images
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet, Stem, measure_span, place_stems, write_timeline
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.options import ProbeMedia
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_render.jobs import ClipJob, RenderSettings, build_jobs
from selva_render.report import FailedClip, RenderedStem, RenderReport

StatusListener = Callable[[ClipJob, JobStatus], None]


def choose_model(model_id: str | None) -> str:
    """The model that was asked for, or else the largest one that is installed. Raises UnknownModelError."""
    if model_id is not None:
        return find_model(model_id).model_id
    installed = [model for model in listed_models() if not missing_files(model, default_models_dir())]
    return (installed or listed_models())[-1 if installed else 0].model_id


def check_stems_folder(folder: Path) -> None:
    """Whether stems can go to `folder`, which need not be there yet; makes nothing. Raises
    TimelineWriteError."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise TimelineWriteError(f"{nearest} is a file, not a folder for stems; choose another folder")
    check_folder_writable(nearest, error=TimelineWriteError)


def render_timeline(
    timeline: otio.schema.Timeline,
    sheet: CueSheet,
    settings: RenderSettings,
    target: Path,
    *,
    client: Client,
    on_status: StatusListener,
    base_folder: Path | None = None,
    profile: HostProfile = PLAIN,
    probe: ProbeMedia | None = None,
) -> RenderReport:
    """Render the cue sheet of `timeline` and write the timeline with its stems to `target`.

    base_folder: where relative media URLs of the timeline start, by default the target's folder. profile: the host it
    is written for. probe: asks media for its timecode, where that host counts from it. Nothing is written
    to `target` when no stem was made; the report's `timeline` tells. Raises as
    `render_sheet` does, and TimelineWriteError.
    """
    report = render_sheet(sheet, settings, client=client, timeline_name=timeline.name, on_status=on_status)
    if report.stems:
        placed = place_stems(timeline, sheet, [_to_stem(stem, settings) for stem in report.stems])
        written = write_timeline(
            placed.timeline, target, base_folder=base_folder, profile=profile, probe=probe
        )
        report.note_written(placed, written)
    return report


def render_sheet(
    sheet: CueSheet,
    settings: RenderSettings,
    *,
    client: Client,
    timeline_name: str,
    on_status: StatusListener,
) -> RenderReport:
    """Have the daemon make every stem of a cue sheet; a clip that fails does not stop the others.

    `on_status` hears of every change of every job. When it raises, or the user interrupts, what still waits
    or runs is cancelled. Raises DaemonError when the daemon goes away; the stems that are done stay.
    """
    present, missing = split_missing_media(sheet)
    report = RenderReport(
        sheet=sheet,
        model=settings.model,
        stems_folder=settings.stems_folder,
        skipped=[item for item in sheet.skipped if not item.is_fault],
        failed=[*missing, *(FailedClip.of_unseen(item) for item in sheet.skipped if item.is_fault)],
    )
    submitted: dict[str, ClipJob] = {}
    had_folder = settings.stems_folder.exists()
    try:
        for job in build_jobs(present, settings, timeline_name=timeline_name):
            try:
                submitted[client.submit(job.request).job_id] = job
            except InvalidRequestError as error:
                report.failed.append(FailedClip.of(job.clip, error))
        _follow(client, submitted, report, on_status)
    except BaseException:
        with suppress(SelvaError):  # the daemon may be what went away
            client.cancel(*submitted)
        raise
    if not report.stems and not had_folder:
        with suppress(OSError):
            settings.stems_folder.rmdir()  # the worker made it before its job failed
    report.stems.sort(key=lambda stem: (stem.span.start_s, stem.cue.track, stem.result.take))
    report.failed.sort(key=lambda failed: failed.record_start_s)
    return report


def split_missing_media(sheet: CueSheet) -> tuple[CueSheet, list[FailedClip]]:
    """The cue sheet of the clips whose files are there, and the clips whose files are not."""
    faults: dict[tuple[Path, ImageSequence | None], SelvaError | None] = {}
    for clip in sheet.clips:
        picture = clip.picture_path, clip.picture_images
        if picture not in faults:
            faults[picture] = _why_missing(*picture)
    missing = {
        clip: error
        for clip in sheet.clips
        if (error := faults[clip.picture_path, clip.picture_images]) is not None
    }
    present = replace(sheet, cues=tuple(cue for cue in sheet.cues if cue.clip not in missing))
    return present, [FailedClip.of(clip, error) for clip, error in missing.items()]


def _why_missing(path: Path, images: ImageSequence | None) -> SelvaError | None:
    sequence = images
    if sequence is None:
        found = path.is_file()
        return None if found else MediaNotFoundError(f"there is no file at {path}; relink the clip")
    try:
        find_images(path, sequence)
    except SelvaError as error:
        return error
    return None


def _follow(
    client: Client, submitted: Mapping[str, ClipJob], report: RenderReport, on_status: StatusListener
) -> None:
    """Wait for all jobs; each is collected when it is finished."""
    waiting = set(submitted)
    if not waiting:
        return
    for status in client.watch(list(submitted)):
        job = submitted[status.job_id]
        on_status(job, status)
        if status.is_finished and status.job_id in waiting:
            waiting.remove(status.job_id)
            _collect(job, status, report)


def _collect(job: ClipJob, status: JobStatus, report: RenderReport) -> None:
    if status.error is not None:
        report.failed.append(FailedClip.of(job.clip, status.error))
        return
    cues = {cue.id: cue for cue in job.cues}
    for result in status.stems:
        span = measure_span(job.clip, report.sheet.clock, result.sample_rate_hz)
        report.stems.append(RenderedStem(cue=cues[result.cue], span=span, result=result))


def _to_stem(stem: RenderedStem, settings: RenderSettings) -> Stem:
    result = stem.result
    return Stem(
        cue=stem.cue.id,
        take=result.take,
        seed=result.seed,
        file=Path(result.file),
        sample_rate_hz=result.sample_rate_hz,
        num_samples=result.num_samples,
        provenance=(
            ("model", settings.model),
            ("num_steps", settings.sampling.num_steps),
            ("guidance", settings.sampling.guidance),
        ),
    )

"""Render a timeline: the daemon makes the stems of its cue sheet, they are placed, and the new timeline is written.

Runs in the client's process and loads neither torch nor av. The input is never changed; what is written goes
to the stems folder and to the one output file, which appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import opentimelineio as otio

from selva_core.base.errors import MediaNotFoundError, SelvaError
from selva_core.base.media import ImageSequence
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import NOT_PANNED, PanOptions, RenderOptions, SamplingSettings
from selva_core.video.sequence_files import find_images
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import (
    InvalidRequestError,
    UnknownRequestError,
)
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_otio import CueSheet, Stem, measure_span, place_stems, write_timeline
from selva_otio.picture.media_probe import ProbeMedia
from selva_otio.picture.media_search import MediaLookup
from selva_render.jobs import ClipJob, SubmitListener, cancelled_on_error, iter_jobs, run_jobs
from selva_render.options import OutputOptions, choose_model, settle_sampling
from selva_render.report import FailedClip, RenderedStem, RenderReport
from selva_render.takes.hints import (
    choose_best,
    describe_hints,
    iter_hint_lines,
    measure_agreements,
    measure_hints,
)
from selva_render.written_timelines import note_written_files

StatusListener = Callable[[ClipJob, JobStatus], None]


def render_timeline(
    timeline: otio.schema.Timeline,
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    client: Client,
    on_status: StatusListener,
    base_folder: Path | None = None,
    probe: ProbeMedia | None = None,
    media: MediaLookup | None = None,
) -> RenderReport:
    """Render the cue sheet of `timeline` and write the timeline with its stems to `output.timeline`.

    base_folder: where relative media URLs of the timeline start, by default the folder of the timeline that is written.
    probe: reads the timecode of media, where the host counts from it. media: where media is that is not at its URL. Without
    a timeline to write, or when no stem was made, none is written, and the report's `timeline` is None. Raises as
    `render_sheet` does, and TimelineWriteError.
    """
    report = render_sheet(
        sheet, options, output, client=client, timeline_name=timeline.name, on_status=on_status
    )
    if report.stems and output.timeline is not None:
        write_with_stems(timeline, report, options, output, base_folder=base_folder, probe=probe, media=media)
        written = [report.timeline, *report.parts]
        note_written_files([file for file in written if file is not None], AppPaths.find())
    return report


def write_with_stems(
    timeline: otio.schema.Timeline,
    report: RenderReport,
    options: RenderOptions,
    output: OutputOptions,
    *,
    base_folder: Path | None = None,
    probe: ProbeMedia | None = None,
    media: MediaLookup | None = None,
) -> None:
    """Write `timeline` with the stems of a report to `output.timeline`, and add to the report where it is.

    Parameters as of `render_timeline`. Raises UnknownModelError, TimelineWriteError.
    """
    assert output.timeline is not None  # noqa: S101 - what this is called for
    sampling = settle_sampling(options)
    stems = [to_stem(stem, report.model, sampling, options.pan) for stem in report.stems]
    active = report.best_takes if output.best_first else None
    placement = place_stems(timeline, report.sheet, stems, active_takes=active)
    written = write_timeline(
        placement.timeline,
        output.timeline,
        base_folder=base_folder,
        profile=output.profile,
        probe=probe,
        media=media,
    )
    report.add_timeline(placement, written)


def render_sheet(
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    client: Client,
    timeline_name: str,
    on_status: StatusListener,
    on_submitted: SubmitListener = lambda job_id: None,
    jobs: Iterable[ClipJob] | None = None,
) -> RenderReport:
    """Have the daemon make every stem of a cue sheet; a clip that fails does not stop the others.

    jobs: those of the cue sheet, where they are built already. on_status: called with every change of every job. on_submitted:
    called with the id of each job when the daemon has it. When it raises, or the user interrupts, jobs that wait or run are
    cancelled; a daemon that does not answer is waited for. Raises UnknownModelError; DaemonError when the daemon goes away.
    Stems that are done stay.
    """
    model = choose_model(options.model)
    renderable, failed = split_unusable_clips(sheet)
    report = RenderReport(
        sheet=sheet,
        model=model,
        stems_folder=output.stems_folder,
        skipped=[item for item in sheet.skipped if not item.is_fault],
        failed=failed,
    )
    had_folder = output.stems_folder.exists()
    load_in_advance(client, model)
    with cancelled_on_error(client) as submitted:
        settled = replace(options, model=model)
        if jobs is None:
            jobs = iter_jobs(renderable, settled, output, timeline_name=timeline_name)
        collect_results(client, jobs, submitted, report, on_status=on_status, on_submitted=on_submitted)
    if not report.stems and not had_folder:
        with suppress(OSError):
            output.stems_folder.rmdir()  # the worker made it before its job failed
    report.sort()
    hints = measure_hints(report.stems)
    agreements = measure_agreements(report.stems)
    report.hints = {file: describe_hints(each, agreements.get(file)) for file, each in hints.items()}
    report.hint_lines = list(iter_hint_lines(report.stems, hints))
    report.best_takes = choose_best(report.stems, hints, agreements)
    return report


def load_in_advance(client: Client, model: str) -> None:
    """Have the daemon load the model while the jobs are made; a daemon that cannot says why when it gets them."""
    with suppress(UnknownRequestError, InvalidRequestError):
        client.prepare(model)


def split_unusable_clips(sheet: CueSheet) -> tuple[CueSheet, list[FailedClip]]:
    """The cue sheet of the clips that can be rendered, and those that cannot: their media is missing, or spotting found a
    fault in them.
    """
    errors: dict[tuple[Path, ImageSequence | None], SelvaError | None] = {}
    for clip in sheet.clips:
        picture = clip.picture_path, clip.picture_images
        if picture not in errors:
            errors[picture] = find_media_error(*picture)
    missing = {
        clip: error
        for clip in sheet.clips
        if (error := errors[clip.picture_path, clip.picture_images]) is not None
    }
    renderable = replace(sheet, cues=tuple(cue for cue in sheet.cues if cue.clip not in missing))
    return renderable, [
        *(FailedClip.of(clip, error) for clip, error in missing.items()),
        *(FailedClip.of_skipped(item) for item in sheet.skipped if item.is_fault),
    ]


def find_media_error(path: Path, images: ImageSequence | None) -> SelvaError | None:
    """Why the media cannot be read, judged by whether its files exist; None when they do."""
    if images is None:
        if path.is_file():
            return None
        return MediaNotFoundError(f"there is no file at {path}; relink the clip")
    try:
        find_images(path, images)
    except SelvaError as error:
        return error
    return None


def collect_results(
    client: Client,
    jobs: Iterable[ClipJob],
    submitted: dict[str, ClipJob],
    report: RenderReport,
    *,
    on_status: StatusListener,
    on_submitted: SubmitListener = lambda job_id: None,
) -> None:
    """Have the jobs done, and put what comes of each into the report when it is finished."""
    for job, status in run_jobs(client, jobs, submitted, report.failed, on_submitted):
        on_status(job, status)
        if status.is_finished:
            _add_result(job, status, report)


def _add_result(job: ClipJob, status: JobStatus, report: RenderReport) -> None:
    if status.error is not None:
        report.failed.append(FailedClip.of(job.clip, status.error))
        return
    cues = {cue.id: cue for cue in job.cues}
    for result in status.stems:
        span = measure_span(job.clip, report.sheet.clock, result.sample_rate_hz)
        report.stems.append(RenderedStem(cue=cues[result.cue], span=span, result=result))


def to_stem(stem: RenderedStem, model: str, sampling: SamplingSettings, pan: PanOptions = NOT_PANNED) -> Stem:
    """A rendered stem as it is placed, with how it was made."""
    return to_placed_stem(stem.result, cue_id=stem.cue.id, model=model, sampling=sampling, pan=pan)


def to_placed_stem(
    result: StemResult,
    *,
    cue_id: str,
    model: str,
    sampling: SamplingSettings,
    pan: PanOptions = NOT_PANNED,
) -> Stem:
    """A stem of the daemon's as it is placed, with how it was made."""
    return Stem(
        cue=cue_id,
        take=result.take,
        seed=result.seed,
        file=Path(result.file),
        sample_rate_hz=result.sample_rate_hz,
        num_samples=result.num_samples,
        num_channels=result.num_channels,
        pan=result.pan,
        provenance=(
            ("model", model),
            ("num_steps", sampling.num_steps),
            ("guidance", sampling.guidance),
            *(() if sampling.quality == "final" else (("quality", sampling.quality),)),
            *((("separate", sampling.separate),) if sampling.separate else ()),
            *((("pan_width", pan.width),) if result.pan and pan.width != NOT_PANNED.width else ()),
            *summarise_evidence(result),
        ),
    )


def summarise_evidence(result: StemResult) -> Iterator[tuple[str, str | float | bool]]:
    """What the timeline's metadata says of it; the file lies beside the stem, wherever both are moved."""
    if result.presence is not None:
        yield "presence", result.presence
    if result.evidence is not None:
        yield "evidence", Path(result.evidence).name
    if result.silenced:
        yield "silenced", True
    hints = result.hints
    if hints is not None:
        if hints.sync is not None:
            yield "sync", hints.sync
        if hints.leak_db is not None:
            yield "leak_db", hints.leak_db
        if hints.clipped_samples:
            yield "clipped_samples", hints.clipped_samples

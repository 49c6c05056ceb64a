"""From a cue sheet to jobs: one per clip, with all its prompts and takes, so that its picture is decoded once; and having them
done by the daemon, some at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_core.base.media import Label, PictureRange
from selva_core.base.render_options import RenderOptions
from selva_core.base.schema import MAX_DENOMINATOR
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import (
    DaemonTimeoutError,
    DaemonUnavailableError,
    InvalidRequestError,
    QueueFullError,
)
from selva_daemon.protocol.job import (
    MAX_CUES,
    MAX_LABEL_CHARS,
    MAX_NAME_CHARS,
    MAX_STEMS,
    CueRequest,
    JobRequest,
    OutputRequest,
    SignerFiles,
    TakeRequest,
)
from selva_daemon.protocol.status import JobStatus
from selva_otio import Cue, CueSheet, SpottedClip, StemSpan, measure_span
from selva_otio.placement.stem_names import NameParts, build_stem_name, ensure_unique
from selva_otio.time.clock import sample_index
from selva_render.options import OutputOptions, choose_model, settle_sampling
from selva_render.report import FailedClip

SUBMIT_PATIENCE_S = 600.0
"""A cut of a hundred clips is not given up because the daemon's disk is slow for some seconds in its middle."""
MAX_WATCHED = 1000
"""Jobs that are watched at a time; as many more wait behind them at most. One cut then never fills the daemon's queue (10,000
jobs) nor its history (5,000), and a request to cancel names all that are left (a message lists 4,096 at most).
"""
SubmitListener = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ClipJob:
    """One job for the daemon: a clip and its cues (some of them, when one job cannot hold all)."""

    clip: SpottedClip
    cues: tuple[Cue, ...]
    request: JobRequest


def build_jobs(
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    timeline_name: str,
    looks: bool = False,
) -> list[ClipJob]:
    """The jobs of a cue sheet, in record order. looks: they only say what the picture shows. Raises UnknownModelError."""
    return list(iter_jobs(sheet, options, output, timeline_name=timeline_name, looks=looks))


def iter_jobs(
    sheet: CueSheet,
    options: RenderOptions,
    output: OutputOptions,
    *,
    timeline_name: str,
    looks: bool = False,
) -> Iterator[ClipJob]:
    """As `build_jobs`, each when it is asked for: the first of a long cut can run before the last is made."""
    builder = _JobBuilder(sheet, options, output, timeline_name, looks=looks)
    most_takes = max([options.num_takes, *(cue.num_takes or 1 for cue in sheet.cues)])
    chunk_size = min(MAX_CUES, MAX_STEMS // most_takes)
    for clip, cues in sheet.iter_jobs():
        for first in range(0, len(cues), chunk_size):
            yield builder.build(clip, cues[first : first + chunk_size])


def build_picture_range(clip: SpottedClip, *, path: Path | None = None) -> PictureRange:
    """The range of media that models look at for a clip, handles included. path: of its file, with links followed."""
    return PictureRange(
        path=path or clip.picture_path.resolve(),
        start_s=_limit_denominator(clip.picture_start_s),
        duration_s=_limit_denominator(clip.sound_duration_s),
        speed=_limit_denominator(clip.picture_speed),
        images=clip.picture_images,
    )


def _limit_denominator(value: Fraction) -> Fraction:
    """The nearest rational that a job can carry; retimes at odd speeds have denominators beyond what the protocol takes."""
    return value.limit_denominator(MAX_DENOMINATOR)


class _JobBuilder:
    """Gives every stem of one render its own file name."""

    def __init__(
        self,
        sheet: CueSheet,
        options: RenderOptions,
        output: OutputOptions,
        timeline_name: str,
        *,
        looks: bool,
    ) -> None:
        self._clock = sheet.clock
        self._options = options
        self._output = output
        self._model = choose_model(options.model)
        self._sampling = settle_sampling(options)
        self._timeline_name = timeline_name
        self._looks = looks
        self._names: set[str] = set()
        # Following links asks the disk for every folder of a path, and many clips show one file.
        self._stems_folder = output.stems_folder.resolve()
        self._picture_paths: dict[Path, Path] = {}

    def build(self, clip: SpottedClip, cues: Sequence[Cue]) -> ClipJob:
        options = self._options
        span = measure_span(clip, self._clock, options.sample_rate_hz)
        time_reference_samples = self._time_reference_samples(clip)
        record_timecode = self._clock.timecode(clip.record_start_s)
        request = JobRequest(
            label=" ".join(clip.name.split())[:MAX_LABEL_CHARS],
            media=build_picture_range(clip, path=self._resolve(clip.picture_path)),
            model=self._model,
            output=self._build_output(clip, span, time_reference_samples),
            cues=tuple(self._build_cue(cue, record_timecode) for cue in cues),
            num_steps=self._sampling.num_steps,
            guidance=self._sampling.guidance,
            quality=self._sampling.quality,
            separate=self._sampling.separate,
            precision=options.precision,
            priority=options.priority,
            absent=options.absent,
            pan=options.pan.mode,
            pan_width=options.pan.width,
            distance=options.pan.distance,
            look=self._looks,
            provenance=self._build_provenance(clip, span, time_reference_samples, record_timecode),
        )
        return ClipJob(clip=clip, cues=tuple(cues), request=request)

    def _resolve(self, path: Path) -> Path:
        if path not in self._picture_paths:
            self._picture_paths[path] = path.resolve()
        return self._picture_paths[path]

    def _build_output(self, clip: SpottedClip, span: StemSpan, time_reference_samples: int) -> OutputRequest:
        """Where the stem's file goes and what it says. With handles, the range that lies in the cut is labelled."""
        sample_rate_hz, output = self._options.sample_rate_hz, self._output
        signer = output.signer
        is_stamped = output.profile.has_time_reference and time_reference_samples >= 0
        used_range = Label(
            start_sample=span.offset_samples,
            num_samples=sample_index(clip.record_end_s, sample_rate_hz) - span.start_sample,
            text=" ".join(f"in the cut: {clip.name}".split())[:MAX_NAME_CHARS],
        )
        return OutputRequest(
            folder=self._stems_folder,
            num_samples=span.num_samples,
            sample_rate_hz=sample_rate_hz,
            time_reference_samples=time_reference_samples if is_stamped else None,
            labels=(used_range,) if clip.handle_before_s or clip.handle_after_s else (),
            signer=None if signer is None else SignerFiles(certificate=signer.certificate, key=signer.key),
        )

    def _time_reference_samples(self, clip: SpottedClip) -> int:
        """Samples since midnight at the file's first sample, in real time: counted from frames, not from labels."""
        since_midnight_s = self._clock.since_midnight_s(clip.sound_start_s)
        return sample_index(since_midnight_s, self._options.sample_rate_hz)

    def _build_cue(self, cue: Cue, record_timecode: str) -> CueRequest:
        takes = range(1, (cue.num_takes or self._options.num_takes) + 1)
        return CueRequest(
            cue=cue.id,
            track=cue.track,
            prompt=cue.prompt,
            negative_prompt=cue.negative_prompt,
            takes=tuple(
                TakeRequest(
                    take=take,
                    seed=self._options.seed + take - 1,
                    name=self._build_name(cue, take, record_timecode),
                )
                for take in takes
            ),
        )

    def _build_name(self, cue: Cue, take: int, record_timecode: str) -> str:
        parts = NameParts(
            track=cue.track,
            prompt=cue.prompt,
            clip=cue.clip.name,
            take=take,
            timecode=record_timecode,
            timeline=self._timeline_name,
        )
        name = ensure_unique(build_stem_name(parts, self._output.naming), self._names)
        self._names.add(name.casefold())
        return name

    def _build_provenance(
        self, clip: SpottedClip, span: StemSpan, time_reference_samples: int, record_timecode: str
    ) -> dict[str, str]:
        """What an editor needs to place the file by hand. Nothing in it depends on when or where this runs, or on the name
        of the new timeline: the file is named after what it holds, so rendering again would leave a second one.
        """
        clock = self._clock
        return {
            "timeline": self._timeline_name,
            "frame_rate": str(clock.frame_rate_hz),
            "drop_frame": "yes" if clock.drop_frame else "no",
            "record_timecode": record_timecode,
            "record_start_s": str(clip.record_start_s),
            "offset_samples": str(span.offset_samples),
            "file_start_timecode": clock.timecode(clip.sound_start_s)
            if clip.handle_before_s
            else record_timecode,
            "time_reference_samples": str(time_reference_samples),
            "source_name": clip.name,
            "source_file": clip.media_path.name,
            "source_timecode": clip.source_timecode,
            "source_start_s": str(clip.media_start_s),
            "source_speed": str(clip.speed),
        }


@contextmanager
def cancelled_on_error(client: Client) -> Iterator[dict[str, ClipJob]]:
    """Jobs by id, empty at first; those that are in it when an error or the user ends the block are cancelled.

    A daemon that is silent or gone cancels nothing: the jobs are on its disk, and it goes on with them when it can.
    """
    submitted: dict[str, ClipJob] = {}
    try:
        yield submitted
    except (DaemonTimeoutError, DaemonUnavailableError):
        raise
    except BaseException:
        if submitted:
            with suppress(SelvaError):  # the daemon may go away just now
                client.cancel(*submitted)
        raise


def submit_jobs(client: Client, jobs: Iterable[ClipJob], submitted: dict[str, ClipJob]) -> list[FailedClip]:
    """Submit jobs, each of which is then in `submitted`; returns the clips that the daemon refuses. Raises DaemonError."""
    refused: list[FailedClip] = []
    for job in jobs:
        _submit(client, job, submitted, refused)
    return refused


def run_jobs(
    client: Client,
    jobs: Iterable[ClipJob],
    submitted: dict[str, ClipJob],
    refused: list[FailedClip],
    on_submitted: SubmitListener = lambda job_id: None,
) -> Iterator[tuple[ClipJob, JobStatus]]:
    """Submit jobs and yield each new state of each, until all are finished. A full queue is waited for while one of them runs.

    submitted: those that are not finished, by id; see `cancelled_on_error`. refused: gets the clips that the daemon refuses.
    Raises DaemonError.
    """
    supply = _JobSupply(
        client=client, jobs=iter(jobs), submitted=submitted, refused=refused, on_submitted=on_submitted
    )
    watched = supply.submit_some()
    while watched:
        following: dict[str, ClipJob] = {}
        num_left = len(watched)
        for status in client.watch(list(watched)):
            if status.is_finished and submitted.pop(status.job_id, None) is not None:
                num_left -= 1
                # The daemon has the next ones before it has done these, so that it never waits for more.
                if 2 * num_left <= len(watched) and not following:
                    following = supply.submit_some()
            yield watched[status.job_id], status
        watched = following or supply.submit_some()


@dataclass(kw_only=True)
class _JobSupply:
    """The jobs of a run that the daemon does not have yet. held: one for which the queue had no room."""

    client: Client
    jobs: Iterator[ClipJob]
    submitted: dict[str, ClipJob]
    refused: list[FailedClip]
    on_submitted: SubmitListener
    held: ClipJob | None = None

    def submit_some(self) -> dict[str, ClipJob]:
        """Submit the next MAX_WATCHED jobs, or as many as the queue takes; returns them by id.

        Raises DaemonError; QueueFullError when it takes none, and none of ours will make room.
        """
        taken: dict[str, ClipJob] = {}
        while len(taken) < MAX_WATCHED and (job := self.held or next(self.jobs, None)) is not None:
            try:
                job_id = _submit(self.client, job, self.submitted, self.refused)
            except QueueFullError:
                if not self.submitted:
                    raise
                self.held = job
                break
            self.held = None
            if job_id is not None:
                taken[job_id] = job
                self.on_submitted(job_id)
        return taken


def _submit(
    client: Client, job: ClipJob, submitted: dict[str, ClipJob], refused: list[FailedClip]
) -> str | None:
    """The id of the job; None where the daemon refuses its clip."""
    try:
        job_id = client.submit(job.request, timeout_s=SUBMIT_PATIENCE_S).job_id
    except InvalidRequestError as error:
        refused.append(FailedClip.of(job.clip, error))
        return None
    submitted[job_id] = job
    return job_id

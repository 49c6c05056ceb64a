"""From requests to stems on disk, for one job or several that are rendered together; runs in the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from selva_core.base.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, Engine, RenderProgress, StemRequest
from selva_core.video.damage import damage_warnings
from selva_daemon.protocol.job import JobRequest, OutputRequest
from selva_daemon.protocol.status import StemResult
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.output_files import (
    have_same_bytes,
    have_same_stem,
    publish,
    resolve_output_folder,
    staging_folder,
)
from selva_daemon.worker.planned_stems import PlannedStem, plan_stems
from selva_daemon.worker.stem_cache import StemCache

if TYPE_CHECKING:
    from selva_core.engine import Waveform

_log = logging.getLogger(__name__)
RENDERED_FRACTION = 0.95
WHOLE_RENDER = (0.03, RENDERED_FRACTION)


class Engines(Protocol):
    def facts_of(self, model_id: str) -> ModelInfo:
        """What keys and results need of that model; loads it only when that is not remembered."""
        ...

    def engine_for(self, model_id: str) -> Engine:
        """The engine of that model, loaded if it is not yet. Raises ModelError."""
        ...


class StemWriter(Protocol):
    def __call__(
        self,
        path: Path,
        waveform: Waveform,
        *,
        output: OutputRequest,
        provenance: Mapping[str, str],
    ) -> WriteReport:
        """Write the sound to a file, flushed to disk. Raises OutputError."""
        ...


class WriteReport(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user, such as about clipping."""
        ...


@dataclass(frozen=True, kw_only=True)
class OutputRules:
    """Where stems may go (see resolve_output_folder)."""

    allowed: tuple[str, ...]
    forbidden: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What a running job carries along: who it is, whom it tells about its progress, and whether it should
    go on.
    """

    job_id: str
    job: JobRequest
    on_progress: Callable[[RenderProgress], None]
    is_cancelled: Callable[[], bool]

    def tell(self, stage: str, fraction: float, *, step: int = 0, num_steps: int = 0) -> None:
        if self.is_cancelled():
            raise RenderCancelled("the job was cancelled")
        self.on_progress(RenderProgress(stage=stage, fraction=fraction, step=step, num_steps=num_steps))


@dataclass(frozen=True, kw_only=True)
class PreparedJob:
    """A job that was planned and looked up: what is known of it already, by waveform key."""

    context: JobContext
    folder: Path
    facts: ModelInfo
    stems: Sequence[PlannedStem]
    cached: Mapping[str, Waveform]

    @property
    def missing(self) -> dict[str, StemRequest]:
        """What the engine must make, by waveform key; equal stems are made once."""
        return {
            stem.waveform_key: stem.request for stem in self.stems if stem.waveform_key not in self.cached
        }


Made: TypeAlias = "Mapping[str, Waveform] | Exception"
"""What the engine made of a job, by waveform key, or why it made nothing."""


class JobRenderer:
    """`prepare` each job, `make` what is missing for all of them in one call of the engine, `publish` each."""

    def __init__(
        self, *, engines: Engines, cache: StemCache, write_stem: StemWriter, output_rules: OutputRules
    ) -> None:
        self._engines = engines
        self._cache = cache
        self._write_stem = write_stem
        self._output_rules = output_rules

    def prepare(self, context: JobContext) -> PreparedJob:
        """Raises MediaError, ModelError, OutputError, RenderCancelled."""
        output = context.job.output
        folder = resolve_output_folder(
            output.folder, allowed=self._output_rules.allowed, forbidden=self._output_rules.forbidden
        )
        context.tell("loading", 0.0)
        facts = self._engines.facts_of(context.job.model)
        stems = plan_stems(context.job, facts)
        known = {stem.waveform_key: self._cache.get(stem.waveform_key) for stem in stems}
        cached = {key: waveform for key, waveform in known.items() if waveform is not None}
        return PreparedJob(context=context, folder=folder, facts=facts, stems=stems, cached=cached)

    def make(self, jobs: Sequence[PreparedJob]) -> list[Made]:
        """One outcome per job. The jobs are of one model, length and sampling.

        What goes wrong for all at once (memory, a fault) is tried again one by one, so that it stays with the
        job it belongs to.
        """
        together = [job for job in jobs if job.missing]
        made: dict[str, Made] = {}
        if len(together) > 1:
            try:
                made = self._make_together(together)
            except Exception:
                _log.warning("%d jobs failed together; trying each alone", len(together), exc_info=True)
        return [self._finish_alone(job, made.get(job.context.job_id)) for job in jobs]

    def _make_together(self, jobs: Sequence[PreparedJob]) -> dict[str, Made]:
        engine = self._engines.engine_for(jobs[0].context.job.model)
        orders = [_order(job.context, list(job.missing.values()), WHOLE_RENDER) for job in jobs]
        outcomes = engine.render_batch(orders, settings=jobs[0].context.job.sampling)
        return {
            job.context.job_id: outcome
            if isinstance(outcome, SelvaError)
            else dict(zip(job.missing, outcome, strict=True))
            for job, outcome in zip(jobs, outcomes, strict=True)
        }

    def _finish_alone(self, job: PreparedJob, made: Made | None) -> Made:
        """Make the job's stems unless they are made, and keep them in the cache."""
        try:
            if made is None:
                made = self._make_alone(job)
        except Exception as error:  # of this job; the others may be fine
            return error
        if isinstance(made, Exception):
            return made
        # Before they are kept: a stem that shows damage says so also when it comes out of the cache.
        damage = damage_warnings(_picture_of(job.context))
        if damage:
            made = {key: replace(each, warnings=(*each.warnings, *damage)) for key, each in made.items()}
        for key, waveform in made.items():
            self._cache.put(key, waveform)
        return made

    def _make_alone(self, job: PreparedJob) -> dict[str, Waveform]:
        if not job.missing:
            return {}
        engine = self._engines.engine_for(job.context.job.model)
        waveforms = _render_in_halves(job.context, engine, list(job.missing.values()), WHOLE_RENDER)
        return dict(zip(job.missing, waveforms, strict=True))

    def publish(self, job: PreparedJob, made: Mapping[str, Waveform]) -> list[StemResult]:
        """Write the stems and show them; returns one result per take, in the job's order.

        Raises OutputError, RenderCancelled; then nothing of the job is published.
        """
        is_signed = job.context.job.output.signer is not None
        are_same = have_same_stem if is_signed else have_same_bytes
        with staging_folder(job.folder, job_id=job.context.job_id) as staging:
            staged = self._stage(job, staging, waveforms={**job.cached, **made})
            return [
                stem.result(
                    publish(path, stem.file_in(job.folder), are_same=are_same),
                    cached=stem.waveform_key in job.cached,
                    warnings=warnings,
                )
                for stem, path, warnings in staged
            ]

    def _stage(
        self, job: PreparedJob, staging: Path, *, waveforms: Mapping[str, Waveform]
    ) -> list[tuple[PlannedStem, Path, tuple[str, ...]]]:
        """Write all stems out of sight, so that a job that fails half-way publishes nothing."""
        staged = []
        for index, stem in enumerate(job.stems):
            job.context.tell(
                "writing", RENDERED_FRACTION + (1.0 - RENDERED_FRACTION) * index / len(job.stems)
            )
            waveform = waveforms[stem.waveform_key]
            path = staging / f"{index}.wav"
            report = self._write_stem(
                path, waveform, output=job.context.job.output, provenance=stem.provenance(job.facts)
            )
            staged.append((stem, path, (*job.facts.notices, *waveform.warnings, *report.warnings)))
        return staged


def _picture_of(context: JobContext) -> PictureRange:
    media = context.job.media
    return PictureRange(
        path=media.path,
        start_s=media.start_s,
        duration_s=media.duration_s,
        speed=media.speed,
        images=media.images,
    )


def _order(
    context: JobContext, requests: Sequence[StemRequest], fractions: tuple[float, float]
) -> BatchRequest:
    """`fractions`: of the job's progress, where this order begins and ends."""
    first, last = fractions

    def on_progress(progress: RenderProgress) -> None:
        fraction = first + (last - first) * progress.fraction
        context.tell(progress.stage, fraction, step=progress.step, num_steps=progress.num_steps)

    return BatchRequest(
        picture=_picture_of(context),
        requests=requests,
        on_progress=on_progress,
        is_cancelled=context.is_cancelled,
    )


def _render_in_halves(
    context: JobContext, engine: Engine, requests: Sequence[StemRequest], fractions: tuple[float, float]
) -> list[Waveform]:
    """Render all at once; when the device's memory is too small, each half by itself."""
    try:
        [outcome] = engine.render_batch([_order(context, requests, fractions)], settings=context.job.sampling)
        if isinstance(outcome, SelvaError):
            raise outcome
        return outcome
    except OutOfMemoryError:
        if len(requests) == 1:
            raise
        _log.warning("too little device memory for %d stems at once; halving", len(requests))
    first, last = fractions
    middle, halfway = len(requests) // 2, (first + last) / 2
    return [
        *_render_in_halves(context, engine, requests[:middle], (first, halfway)),
        *_render_in_halves(context, engine, requests[middle:], (halfway, last)),
    ]

"""From requests to stems on disk, for one job or for several that share batches; runs in the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from selva_core.base.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_core.base.evidence import EVIDENCE_SUFFIX
from selva_core.base.media import PictureRange
from selva_core.base.pan import plan_panning
from selva_core.base.render_options import KEEP
from selva_core.engine import BatchRequest, Engine, RenderProgress, StemRequest
from selva_core.models.catalog import has_calibrated_presence
from selva_core.video.damage import damage_warnings
from selva_core.video.notes.transparency import transparency_warnings
from selva_daemon.protocol.status import StemResult
from selva_daemon.worker.earlier_stems import make_earlier_stems
from selva_daemon.worker.evidence_files import (
    StagedStem,
    build_sight,
    evidence_warnings,
    pan_warnings,
    write_evidence,
)
from selva_daemon.worker.job_context import PREPARED_FRACTION, JobContext, OutputRules, StemWriter
from selva_daemon.worker.media_identity import MediaState, read_state, require_unchanged
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.output_files import (
    have_same_bytes,
    have_same_stem,
    publish_all,
    resolve_output_folder,
    staging_folder,
)
from selva_daemon.worker.planned_stems import PlannedStem, plan_stems
from selva_daemon.worker.stem_cache import StemCache
from selva_daemon.worker.stem_hints import measure_staged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from selva_core.engine import Waveform

_log = logging.getLogger(__name__)
RENDERED_FRACTION = 0.95
WRITING_COST = 1.0
"""Of one stem, in the engine's units of cost."""
WHOLE_RENDER = (PREPARED_FRACTION, RENDERED_FRACTION)


class Engines(Protocol):
    def info_of(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> ModelInfo:
        """What keys and results need of that model; it is loaded only when that is not remembered."""
        ...

    def engine_for(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> Engine:
        """The engine of that model in the precision that a job asks for, loaded if it is not yet; `on_load` is called before
        that. Raises ModelError.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PreparedJob:
    """A job whose stems are planned. cached: the waveforms that the cache had, by key."""

    context: JobContext
    folder: Path
    model: ModelInfo
    stems: Sequence[PlannedStem]
    cached: Mapping[str, Waveform]
    media_state: MediaState

    @property
    def missing(self) -> dict[str, StemRequest]:
        """What the engine must render, by waveform key; equal stems are rendered once, and none where the job only looks."""
        if self.context.job.look:
            return {}
        return {
            stem.waveform_key: stem.request for stem in self.stems if stem.waveform_key not in self.cached
        }


RenderOutcome: TypeAlias = "Mapping[str, Waveform] | Exception"
"""A job's waveforms by key, or why there are none."""


class JobRenderer:
    """`prepare` each job, `render` what is missing for all of them in one call of the engine, `publish` each."""

    def __init__(
        self, *, engines: Engines, cache: StemCache, write_stem: StemWriter, output_rules: OutputRules
    ) -> None:
        self._engines = engines
        self._cache = cache
        self._write_stem = write_stem
        self._output_rules = output_rules

    def load(self, model_id: str) -> None:
        """Load a model before a job asks for it. Raises ModelError, OutOfMemoryError."""
        self._engines.engine_for(model_id, precision="auto", on_load=lambda: None)

    def prepare(self, context: JobContext) -> PreparedJob:
        """Raises MediaError, ModelError, OutputError, RenderCancelled."""
        folder = context.job.output.folder
        if not context.job.look:
            rules = self._output_rules
            folder = resolve_output_folder(folder, allowed=rules.allowed, forbidden=rules.forbidden)
        model = self._engines.info_of(
            context.job.model,
            precision=context.job.precision,
            on_load=partial(context.report_loading, "weights", 0.0),
        )
        context.report_loading("media", 0.0)
        # Before it is hashed: what is rendered is what was hashed.
        media_state = read_state(context.job.media)
        stems = plan_stems(
            context.job, model, on_hashed=context.report_hashed, find_latents=self._find_latents
        )
        known = {stem.waveform_key: self._cache.get(stem.waveform_key) for stem in stems}
        # Entries of earlier versions hold no evidence. Only a model that acts on evidence is run again for it.
        needs_evidence = has_calibrated_presence(context.job.model)
        cached = {
            key: waveform
            for key, waveform in known.items()
            if waveform is not None and not (needs_evidence and waveform.evidence is None)
        }
        return PreparedJob(
            context=context,
            folder=folder,
            model=model,
            stems=stems,
            cached=cached,
            media_state=media_state,
        )

    def _find_latents(self, key: str) -> npt.NDArray[np.float32] | None:
        waveform = self._cache.get(key)
        return None if waveform is None else waveform.latents

    def render(self, jobs: Sequence[PreparedJob]) -> list[RenderOutcome]:
        """One outcome per job. The jobs are of one model, length and sampling.

        An error of the whole batch (memory, a fault) is tried again job by job, so that it stays with the job that causes it.
        """
        outcomes: dict[str, RenderOutcome] = {}
        completed = [self._with_earlier_stems(job, outcomes) for job in jobs]
        missing = [job for job in completed if job.missing and job.context.job_id not in outcomes]
        if len(missing) > 1:
            try:
                outcomes |= self._render_batch(missing)
            except Exception:
                _log.warning("%d jobs failed in one batch; trying each alone", len(missing), exc_info=True)
        return [self._complete(job, outcomes.get(job.context.job_id)) for job in completed]

    def _with_earlier_stems(self, job: PreparedJob, outcomes: dict[str, RenderOutcome]) -> PreparedJob:
        """The job with the latents of the stems that go on in its own; an error goes into `outcomes`."""

        def render(media: PictureRange, request: StemRequest) -> Waveform:
            wanted = job.context.job
            engine = self._engines.engine_for(
                wanted.model, precision=wanted.precision, on_load=partial(_report_weights, [job])
            )
            fractions = (PREPARED_FRACTION, PREPARED_FRACTION)
            batch_request = replace(_batch_request(job.context, [request], fractions), picture=media)
            [outcome] = engine.render_batch([batch_request], settings=wanted.sampling)
            if isinstance(outcome, SelvaError):
                raise outcome
            return outcome[0]

        try:
            stems = [
                replace(stem, request=make_earlier_stems(stem.request, job.context.job.media, render))
                if stem.waveform_key in job.missing
                else stem
                for stem in job.stems
            ]
        except Exception as error:  # of this job; the others may be fine
            outcomes[job.context.job_id] = error
            return job
        return replace(job, stems=stems)

    def _render_batch(self, jobs: Sequence[PreparedJob]) -> dict[str, RenderOutcome]:
        first = jobs[0].context.job
        engine = self._engines.engine_for(
            first.model, precision=first.precision, on_load=partial(_report_weights, jobs)
        )
        requests = [_batch_request(job.context, list(job.missing.values()), WHOLE_RENDER) for job in jobs]
        outcomes = engine.render_batch(requests, settings=jobs[0].context.job.sampling)
        return {
            job.context.job_id: outcome
            if isinstance(outcome, SelvaError)
            else dict(zip(job.missing, outcome, strict=True))
            for job, outcome in zip(jobs, outcomes, strict=True)
        }

    def _complete(self, job: PreparedJob, outcome: RenderOutcome | None) -> RenderOutcome:
        """Render the job alone unless the batch did, and cache its waveforms."""
        try:
            if outcome is None:
                outcome = self._render_alone(job)
            if job.missing:
                require_unchanged(job.context.job.media, job.media_state)
        except Exception as error:  # of this job; the others may be fine
            return error
        if isinstance(outcome, Exception):
            return outcome
        # Before they are cached: a stem that shows damage says so also when it comes out of the cache.
        media = job.context.job.media
        notes = (*damage_warnings(media), *transparency_warnings(media))
        if notes:
            outcome = {key: replace(each, warnings=(*each.warnings, *notes)) for key, each in outcome.items()}
        for key, waveform in outcome.items():
            self._cache.put(key, waveform)
        return outcome

    def _render_alone(self, job: PreparedJob) -> dict[str, Waveform]:
        if not job.missing:
            return {}
        request = job.context.job
        engine = self._engines.engine_for(
            request.model, precision=request.precision, on_load=partial(_report_weights, [job])
        )
        waveforms = _render_in_halves(job.context, engine, list(job.missing.values()), WHOLE_RENDER)
        return dict(zip(job.missing, waveforms, strict=True))

    def publish(self, job: PreparedJob, rendered: Mapping[str, Waveform]) -> list[StemResult]:
        """Write the stems and give them their names; returns one result per take, in the job's order.

        Raises OutputError, RenderCancelled; then nothing of the job is published. For a job that only looks, ModelError and
        MediaError too: nothing was asked of the engine before.
        """
        if job.context.job.look:
            return self._look(job)
        is_signed = job.context.job.output.signer is not None
        are_same = have_same_stem if is_signed else have_same_bytes
        with staging_folder(job.folder, job_id=job.context.job_id) as staging:
            staged = self._stage(job, staging, waveforms={**job.cached, **rendered})
            hints = measure_staged(staged)
            pairs = [
                pair for each in staged for pair in each.pairs(job.folder)
            ]  # all of a job appear together, or none
            published = iter(publish_all(pairs, are_same=are_same))
            return [
                each.stem.result(
                    next(published),
                    cached=each.stem.waveform_key in job.cached,
                    warnings=each.warnings,
                    evidence=each.evidence,
                    evidence_file=None if each.evidence is None else next(published),
                    is_silenced=each.is_silenced,
                    panning=each.panning,
                    hints=measured,
                )
                for each, measured in zip(staged, hints, strict=True)
            ]

    def _look(self, job: PreparedJob) -> list[StemResult]:
        """Presence of each take, from the cache or by the video encoder alone."""
        context = job.context
        found = {key: waveform.evidence for key, waveform in job.cached.items()}
        unseen = {
            stem.waveform_key: stem.request for stem in job.stems if found.get(stem.waveform_key) is None
        }
        if unseen:
            engine = self._engines.engine_for(
                context.job.model,
                precision=context.job.precision,
                on_load=partial(_report_weights, [job]),
            )
            request = _batch_request(context, list(unseen.values()), WHOLE_RENDER)
            found |= dict(zip(unseen, engine.look(request), strict=True))
        return [
            stem.result(
                None,
                cached=stem.waveform_key not in unseen,
                warnings=tuple(
                    evidence_warnings(found[stem.waveform_key], stem.cue.prompt, is_silenced=None)
                ),
                evidence=found[stem.waveform_key],
                evidence_file=None,
                is_silenced=False,
                sight=build_sight(found[stem.waveform_key]),
            )
            for stem in job.stems
        ]

    def _stage(
        self, job: PreparedJob, staging: Path, *, waveforms: Mapping[str, Waveform]
    ) -> list[StagedStem]:
        """Write all stems into the hidden folder, so that a job that fails half-way publishes nothing."""
        staged = []
        for index, stem in enumerate(job.stems):
            fraction = RENDERED_FRACTION + (1.0 - RENDERED_FRACTION) * index / len(job.stems)
            left = {"writing": float(len(job.stems) - index) * WRITING_COST}
            job.context.report(RenderProgress(stage="writing", fraction=fraction, work_left=left))
            waveform = waveforms[stem.waveform_key]
            is_silenced = waveform.is_absent and job.context.job.absent != KEEP
            panning = plan_panning(job.context.job.pan_options, waveform.evidence)
            path = staging / f"{index}.wav"
            report = self._write_stem(
                path,
                waveform.silenced() if is_silenced else waveform,
                output=job.context.job.output,
                provenance=stem.provenance(job.model, is_silenced=is_silenced),
                panning=panning,
                splice=None if stem.redo is None else stem.redo.splice,
            )
            evidence_path = path.with_name(f"{index}{EVIDENCE_SUFFIX}")
            if waveform.evidence is not None:
                write_evidence(evidence_path, waveform.evidence, stem=stem, model=job.model)
            staged.append(
                StagedStem(
                    stem=stem,
                    path=path,
                    evidence_path=evidence_path,
                    evidence=waveform.evidence,
                    is_silenced=is_silenced,
                    panning=panning,
                    warnings=(
                        *job.model.notices,
                        *evidence_warnings(waveform.evidence, stem.cue.prompt, is_silenced=is_silenced),
                        *pan_warnings(panning, job.context.job, model=job.model, is_silenced=is_silenced),
                        *waveform.warnings,
                        *report.warnings,
                        *(() if stem.redo is None else stem.redo.warnings),
                    ),
                )
            )
        return staged


def _report_weights(jobs: Sequence[PreparedJob]) -> None:
    """A job that is cancelled meanwhile is left out by the engine, not here: the others still need the model."""
    for job in jobs:
        with suppress(RenderCancelled):
            job.context.report_loading("weights", PREPARED_FRACTION)


def _batch_request(
    context: JobContext, requests: Sequence[StemRequest], fractions: tuple[float, float]
) -> BatchRequest:
    """`fractions`: of the job's progress, where this part of it begins and ends."""
    first, last = fractions
    # Where memory is short, this is a part of the stems, and the engine knows nothing of the others.
    writing = {"writing": context.job.num_stems * WRITING_COST}

    def on_progress(progress: RenderProgress) -> None:
        left = {**progress.work_left, **writing} if fractions == WHOLE_RENDER else {}
        context.report(replace(progress, fraction=first + (last - first) * progress.fraction, work_left=left))

    return BatchRequest(
        picture=context.job.media,
        requests=requests,
        on_progress=on_progress,
        is_cancelled=context.is_cancelled,
    )


def _render_in_halves(
    context: JobContext, engine: Engine, requests: Sequence[StemRequest], fractions: tuple[float, float]
) -> list[Waveform]:
    """Render all in one call; when the device's memory is too small, each half by itself."""
    try:
        [outcome] = engine.render_batch(
            [_batch_request(context, requests, fractions)], settings=context.job.sampling
        )
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

"""One job, from request to stems on disk; runs in the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selva_core.engine import Engine, PictureRange, RenderProgress, StemRequest
from selva_core.errors import OutOfMemoryError, RenderCancelled
from selva_daemon.content_key import KEY_CHARS_IN_NAMES, file_key, waveform_key
from selva_daemon.media_identity import identify_media
from selva_daemon.model_facts import ModelFacts
from selva_daemon.output_files import publish, resolve_output_folder, staging_folder
from selva_daemon.schema import CueRequest, JobRequest, OutputRequest, TakeRequest
from selva_daemon.status import StemResult
from selva_daemon.stem_cache import StemCache

if TYPE_CHECKING:
    from selva_core.engine import Waveform

_log = logging.getLogger(__name__)
LOADED_FRACTION = 0.03
RENDERED_FRACTION = 0.95


class Engines(Protocol):
    def facts_of(self, model_id: str) -> ModelFacts:
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
class _Stem:
    """One stem of the job: who asked for it, and the name of the waveform it is made of."""

    cue: CueRequest
    take: TakeRequest
    request: StemRequest
    waveform_key: str


class JobRenderer:
    """Answers from the cache what it can, and asks the engine for the rest in one call."""

    def __init__(
        self, *, engines: Engines, cache: StemCache, write_stem: StemWriter, output_rules: OutputRules
    ) -> None:
        self._engines = engines
        self._cache = cache
        self._write_stem = write_stem
        self._output_rules = output_rules

    def render(self, context: JobContext) -> list[StemResult]:
        """Returns one result per take, in the job's order; their files are on disk.

        Raises MediaError, ModelError, OutputError, OutOfMemoryError, RenderCancelled; then nothing of the
        job is published.
        """
        output = context.job.output
        folder = resolve_output_folder(
            output.folder, allowed=self._output_rules.allowed, forbidden=self._output_rules.forbidden
        )
        context.tell("loading", 0.0)
        facts = self._engines.facts_of(context.job.model)
        stems = _plan(context.job, facts)
        known = {stem.waveform_key: self._cache.get(stem.waveform_key) for stem in stems}
        cached = {key: waveform for key, waveform in known.items() if waveform is not None}
        made = self._make(context, [stem for stem in stems if stem.waveform_key not in cached])
        with staging_folder(folder, job_id=context.job_id) as staging:
            staged = self._stage(context, facts, staging, stems, waveforms={**cached, **made})
            return [
                _result(
                    context.job,
                    stem,
                    file=publish(path, _target(folder, context.job, stem)),
                    cached=stem.waveform_key in cached,
                    warnings=warnings,
                )
                for stem, path, warnings in staged
            ]

    def _make(self, context: JobContext, missing: Sequence[_Stem]) -> dict[str, Waveform]:
        """Waveforms by key; equal stems are made once."""
        requests = {stem.waveform_key: stem.request for stem in missing}
        if not requests:
            return {}
        engine = self._engines.engine_for(context.job.model)
        waveforms = _render_batch(
            context, engine, list(requests.values()), fractions=(LOADED_FRACTION, RENDERED_FRACTION)
        )
        made = dict(zip(requests, waveforms, strict=True))
        for key, waveform in made.items():
            self._cache.put(key, waveform)
        return made

    def _stage(
        self,
        context: JobContext,
        facts: ModelFacts,
        staging: Path,
        stems: Sequence[_Stem],
        *,
        waveforms: Mapping[str, Waveform],
    ) -> list[tuple[_Stem, Path, tuple[str, ...]]]:
        """Write all stems out of sight, so that a job that fails half-way publishes nothing."""
        staged = []
        for index, stem in enumerate(stems):
            context.tell("writing", RENDERED_FRACTION + (1.0 - RENDERED_FRACTION) * index / len(stems))
            waveform = waveforms[stem.waveform_key]
            path = staging / f"{index}.wav"
            report = self._write_stem(
                path,
                waveform,
                output=context.job.output,
                provenance=_provenance(context.job, stem, facts),
            )
            staged.append((stem, path, (*facts.notices, *waveform.warnings, *report.warnings)))
        return staged


def _plan(job: JobRequest, facts: ModelFacts) -> list[_Stem]:
    identity = identify_media(job.media.path)
    stems = []
    for cue in job.cues:
        for take in cue.takes:
            request = StemRequest(prompt=cue.prompt, negative_prompt=cue.negative_prompt, seed=take.seed)
            key = waveform_key(
                identity=identity,
                media=job.media,
                request=request,
                model=facts.model_id,
                weights_sha256=facts.weights_sha256,
                sampling=job.sampling,
            )
            stems.append(_Stem(cue=cue, take=take, request=request, waveform_key=key))
    return stems


def _render_batch(
    context: JobContext, engine: Engine, requests: Sequence[StemRequest], *, fractions: tuple[float, float]
) -> list[Waveform]:
    """Render all at once; when the device's memory is too small, each half by itself."""
    first, last = fractions
    media = context.job.media

    def on_progress(progress: RenderProgress) -> None:
        fraction = first + (last - first) * progress.fraction
        context.tell(progress.stage, fraction, step=progress.step, num_steps=progress.num_steps)

    try:
        return engine.render(
            PictureRange(
                path=media.path, start_s=media.start_s, duration_s=media.duration_s, speed=media.speed
            ),
            requests,
            settings=context.job.sampling,
            on_progress=on_progress,
            is_cancelled=context.is_cancelled,
        )
    except OutOfMemoryError:
        if len(requests) == 1:
            raise
        _log.warning("too little device memory for %d stems at once; halving", len(requests))
    middle, halfway = len(requests) // 2, (first + last) / 2
    return [
        *_render_batch(context, engine, requests[:middle], fractions=(first, halfway)),
        *_render_batch(context, engine, requests[middle:], fractions=(halfway, last)),
    ]


def _provenance(job: JobRequest, stem: _Stem, facts: ModelFacts) -> dict[str, str]:
    """What the job was given, and what made the sound; nothing that differs between two runs of the same job."""
    return {
        **job.provenance,
        "track": stem.cue.track,
        "cue": stem.cue.cue,
        "take": str(stem.take.take),
        "prompt": stem.cue.prompt,
        "negative_prompt": stem.cue.negative_prompt,
        "seed": str(stem.take.seed),
        "model": facts.model_id,
        "weights_sha256": facts.weights_sha256,
        "licence": facts.licence,
        "num_steps": str(job.sampling.num_steps),
        "guidance": f"{job.sampling.guidance:g}",
    }


def _target(folder: Path, job: JobRequest, stem: _Stem) -> Path:
    key = file_key(
        stem.waveform_key,
        output=job.output,
        provenance={
            **job.provenance,
            "track": stem.cue.track,
            "cue": stem.cue.cue,
            "take": str(stem.take.take),
        },
    )
    return folder / f"{stem.take.name}_{key[:KEY_CHARS_IN_NAMES]}.wav"


def _result(
    job: JobRequest, stem: _Stem, *, file: Path, cached: bool, warnings: tuple[str, ...]
) -> StemResult:
    return StemResult(
        cue=stem.cue.cue,
        track=stem.cue.track,
        take=stem.take.take,
        seed=stem.take.seed,
        file=str(file),
        sample_rate_hz=job.output.sample_rate_hz,
        num_samples=job.output.num_samples,
        cached=cached,
        warnings=warnings,
    )

"""The process that renders: it owns one device, takes jobs over its standard input, reports over its output.

It outlives neither the server (the end of its input ends it) nor an order to stop. Engines are imported when
the first job needs one.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_core.engine import Engine, RenderProgress, Waveform
from selva_daemon.protocol.errors import InternalError, to_wire
from selva_daemon.protocol.job import OutputRequest, parse_job
from selva_daemon.protocol.status import StemResult
from selva_daemon.protocol.worker_link import take_over_standard_streams
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.model_info import ModelInfo, ModelInfoCache
from selva_daemon.worker.rendering import JobContext, JobRenderer, Made, OutputRules, PreparedJob, WriteReport
from selva_daemon.worker.reports import Commands, Events, ReportingLogHandler
from selva_daemon.worker.stem_cache import StemCache

T = TypeVar("T")

HEARTBEAT_S = 1.0
PROGRESS_INTERVAL_S = 0.05
_log = logging.getLogger(__name__)


class EngineCache:
    """Holds the one engine that is loaded; asking for another closes it first."""

    def __init__(self, *, device: str, reports: Events, memory: ModelInfoCache, features: BlobStore) -> None:
        self._device = device
        self._reports = reports
        self._memory = memory
        self._features = features
        self._engine: Engine | None = None

    def engine_for(self, model_id: str) -> Engine:
        """Raises ModelError, OutOfMemoryError."""
        if self._engine is not None and self._engine.model_id == model_id:
            return self._engine
        self.close()
        from selva_core.engines.registry import load_engine  # noqa: PLC0415 - heavy, and its cost is a job's

        engine = load_engine(model_id, device=self._device, features=self._features)
        self._engine = engine
        self._memory.learn(ModelInfo.of(engine))
        self._reports.send(
            "model",
            model=model_id,
            device_report=engine.device_report,
            notices=list(engine.notices),
            max_batch_pictures=engine.max_batch_pictures,
        )
        return engine

    def facts_of(self, model_id: str) -> ModelInfo:
        """Remembered, or read off the engine, which is then loaded. Raises ModelError."""
        return self._memory.recall(model_id) or ModelInfo.of(self.engine_for(model_id))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class Worker:
    """Runs one batch of jobs after the other; most are of one job."""

    def __init__(
        self, *, orders: Commands, reports: Events, renderer: JobRenderer, log_handler: ReportingLogHandler
    ) -> None:
        self._orders = orders
        self._reports = reports
        self._renderer = renderer
        self._log_handler = log_handler

    def run(self) -> None:
        while (command := self._orders.next_command()) is not None:
            try:
                self._run_batch(command["jobs"])
            finally:
                self._reports.send("memory", device_bytes=device_memory_bytes())
                self._orders.forget([job["job_id"] for job in command["jobs"]])

    def _run_batch(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Each job is told of as soon as it has ended."""
        prepared = [self._guarded(job["job_id"], partial(self._prepare, job, len(jobs))) for job in jobs]
        ready = [job for job in prepared if job is not None]
        with self._log_handler.about(ready[0].context.job_id if len(jobs) == len(ready) == 1 else ""):
            made = self._renderer.make(ready)
        for job, outcome in zip(ready, made, strict=True):
            stems = self._guarded(job.context.job_id, partial(self._publish, job, outcome))
            if stems is not None:
                self._reports.send(
                    "done", job_id=job.context.job_id, stems=[stem.to_wire() for stem in stems]
                )

    def _prepare(self, job: Mapping[str, Any], num_jobs: int) -> PreparedJob:
        job_id = job["job_id"]
        is_cancelled = partial(self._orders.is_cancelled, job_id)
        return self._renderer.prepare(
            JobContext(
                job_id=job_id,
                job=parse_job(job["request"]),
                on_progress=ThrottledProgress(self._reports, job_id),
                is_cancelled=is_cancelled if num_jobs == 1 else self._telling_at_once(job_id, is_cancelled),
            )
        )

    def _publish(self, job: PreparedJob, made: Made) -> list[StemResult]:
        if isinstance(made, Exception):
            raise made
        return self._renderer.publish(job, made)

    def _telling_at_once(self, job_id: str, is_cancelled: Callable[[], bool]) -> Callable[[], bool]:
        """In a batch a cancelled job is told of when it is left out, not when the others have ended."""
        was_told = False

        def ask() -> bool:
            nonlocal was_told
            if not was_told and is_cancelled():
                self._reports.send("cancelled", job_id=job_id)
                was_told = True
            return was_told

        return ask

    def _guarded(self, job_id: str, step: Callable[[], T]) -> T | None:
        """None when it did not work; that is reported, and the other jobs go on."""
        with self._log_handler.about(job_id):
            try:
                return step()
            except RenderCancelled:
                self._reports.send("cancelled", job_id=job_id)
            except SelvaError as exc:
                _log.info("the job failed: %s", exc)
                self._reports.send("failed", job_id=job_id, error=to_wire(exc))
            except MemoryError as exc:
                error = OutOfMemoryError(
                    f"there was too little memory for this job: {exc}. Ask for fewer stems at once"
                )
                self._reports.send("failed", job_id=job_id, error=to_wire(error))
            except Exception as exc:
                _log.exception("a fault while rendering")
                fault = InternalError(
                    f"a fault while rendering ({type(exc).__name__}); "
                    f"details: {selva_command('daemon', 'logs', '--job', job_id)}"
                )
                self._reports.send("failed", job_id=job_id, error=to_wire(fault))
        return None


class ThrottledProgress:
    """Reports each change of stage, and steps no more often than anybody can see."""

    def __init__(self, reports: Events, job_id: str) -> None:
        self._reports = reports
        self._job_id = job_id
        self._stage = ""
        self._sent_s = 0.0

    def __call__(self, progress: RenderProgress) -> None:
        now_s = time.monotonic()
        if progress.stage == self._stage and now_s - self._sent_s < PROGRESS_INTERVAL_S:
            return
        self._stage, self._sent_s = progress.stage, now_s
        self._reports.send("progress", job_id=self._job_id, **asdict(progress))


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse_arguments(argv)
    commands, report_stream = take_over_standard_streams()
    reports = Events(report_stream)
    log_handler = ReportingLogHandler(reports)
    log_handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=arguments.log_level.upper(), handlers=[log_handler], force=True)
    memory = ModelInfoCache(arguments.stem_cache.parent / "models.json")
    shelf = EngineCache(
        device=arguments.device,
        reports=reports,
        memory=memory,
        features=BlobStore(arguments.feature_cache, max_bytes=arguments.feature_cache_bytes),
    )
    worker = Worker(
        orders=Commands(commands),
        reports=reports,
        renderer=_build_renderer(arguments, shelf),
        log_handler=log_handler,
    )
    threading.Thread(target=_beat, args=(reports,), name="heartbeat", daemon=True).start()
    reports.send("ready", pid=os.getpid())
    worker.run()
    shelf.close()
    return 0


def _build_renderer(arguments: argparse.Namespace, shelf: EngineCache) -> JobRenderer:
    return JobRenderer(
        engines=shelf,
        write_stem=_write_stem,
        cache=StemCache(BlobStore(arguments.stem_cache, max_bytes=arguments.stem_cache_bytes)),
        output_rules=OutputRules(
            allowed=tuple(arguments.output_folder), forbidden=tuple(arguments.forbidden_folder)
        ),
    )


def _write_stem(
    path: Path, waveform: Waveform, *, output: OutputRequest, provenance: Mapping[str, str]
) -> WriteReport:
    from selva_core.audio.credentials import sign_stem  # noqa: PLC0415 - heavy, and its cost is a job's
    from selva_core.audio.metadata import DIGITAL_SOURCE_TYPE  # noqa: PLC0415
    from selva_core.audio.stem_writer import write_stem  # noqa: PLC0415
    from selva_core.base.media import Label  # noqa: PLC0415

    report = write_stem(
        path,
        waveform,
        sample_rate_hz=output.sample_rate_hz,
        num_samples=output.num_samples,
        provenance=provenance,
        time_reference_samples=output.time_reference_samples,
        labels=[
            Label(start_sample=label.start_sample, num_samples=label.num_samples, text=label.text)
            for label in output.labels
        ],
    )
    if output.signer is not None:
        sign_stem(path, output.signer, provenance=provenance, source_type=DIGITAL_SOURCE_TYPE)
    return report


def device_memory_bytes() -> int | None:
    """What torch holds on the device; None when torch is not loaded or the device does not tell."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if torch.cuda.is_available():
        return int(torch.cuda.memory_reserved())
    if torch.backends.mps.is_available():
        return int(torch.mps.driver_allocated_memory())
    return None


def _beat(reports: Events) -> None:
    while True:
        time.sleep(HEARTBEAT_S)
        reports.send("beat")


def _parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="selva_daemon.worker.worker", description="Started by the server; not by hand."
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--stem-cache", type=Path, required=True)
    parser.add_argument("--stem-cache-bytes", type=int, required=True)
    parser.add_argument("--feature-cache", type=Path, required=True)
    parser.add_argument("--feature-cache-bytes", type=int, required=True)
    parser.add_argument("--output-folder", action="append", default=[])
    parser.add_argument("--forbidden-folder", type=Path, action="append", default=[])
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())

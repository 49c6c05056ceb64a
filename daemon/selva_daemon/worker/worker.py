"""The process that renders: it owns one device, receives jobs over its standard input and sends events over its output.

It ends when the server ends (its input closes) and on a stop command. Engines are imported when the first job needs
one.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_core.base.pan import Panning
from selva_core.engine import RenderProgress, Waveform
from selva_daemon.protocol.errors import InternalError
from selva_daemon.protocol.job import OutputRequest, parse_job
from selva_daemon.protocol.status import StemResult
from selva_daemon.protocol.worker_link import (
    DeviceMemory,
    Heartbeat,
    JobCancelled,
    JobDone,
    JobFailed,
    JobLost,
    JobProgressed,
    LoadCommand,
    RenderCommand,
    RenderTask,
    WorkerReady,
    take_over_standard_streams,
)
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.device_lost import DeviceLostError
from selva_daemon.worker.engine_cache import EngineCache
from selva_daemon.worker.eviction import resist_scans
from selva_daemon.worker.job_context import JobContext, OutputRules, WriteReport
from selva_daemon.worker.model_info import ModelInfoCache
from selva_daemon.worker.planned_stems import signer_of
from selva_daemon.worker.rendering import Engines, JobRenderer, PreparedJob, RenderOutcome
from selva_daemon.worker.server_link import (
    Commands,
    EventLogHandler,
    EventReceiver,
    Events,
    JobCommands,
)
from selva_daemon.worker.stem_cache import StemCache

if TYPE_CHECKING:
    from selva_core.audio.splice import Splice

T = TypeVar("T")

HEARTBEAT_S = 1.0
PROGRESS_INTERVAL_S = 0.05
_log = logging.getLogger(__name__)


class Worker:
    """Runs one batch of jobs after the other; most are of one job."""

    def __init__(
        self,
        *,
        commands: JobCommands,
        events: EventReceiver,
        renderer: JobRenderer,
        log_handler: EventLogHandler,
    ) -> None:
        self._commands = commands
        self._events = events
        self._renderer = renderer
        self._log_handler = log_handler

    def run(self) -> None:
        while (command := self._commands.next_work()) is not None:
            tasks = command.jobs if isinstance(command, RenderCommand) else ()
            try:
                if isinstance(command, LoadCommand):
                    self._load(command.model)
                else:
                    self._run_batch(tasks)
            finally:
                self._events.send(DeviceMemory(device_bytes=device_memory_bytes()))
                self._commands.forget([task.job_id for task in tasks])

    def _load(self, model_id: str) -> None:
        """A fault is logged only: the job that needs the model will have it too, and will be told about it."""
        try:
            self._renderer.load(model_id)
        except Exception as exc:
            _log.info("%s is not loaded in advance: %s", model_id, exc)

    def _run_batch(self, tasks: Sequence[RenderTask]) -> None:
        """The end of each job is sent as soon as it is known."""
        prepared = [self._guarded(task.job_id, partial(self._prepare, task, len(tasks))) for task in tasks]
        ready = [job for job in prepared if job is not None]
        with self._log_handler.about(ready[0].context.job_id if len(tasks) == len(ready) == 1 else ""):
            outcomes = self._renderer.render(ready)
        for job, outcome in zip(ready, outcomes, strict=True):
            stems = self._guarded(job.context.job_id, partial(self._publish, job, outcome))
            if stems is not None:
                self._events.send(JobDone(job_id=job.context.job_id, stems=tuple(stems)))

    def _prepare(self, task: RenderTask, num_jobs: int) -> PreparedJob:
        is_cancelled = partial(self._commands.is_cancelled, task.job_id)
        return self._renderer.prepare(
            JobContext(
                job_id=task.job_id,
                job=parse_job(msgspec.msgpack.decode(task.request)),
                on_progress=ThrottledProgress(self._events, task.job_id),
                is_cancelled=is_cancelled
                if num_jobs == 1
                else self._reporting_cancel(task.job_id, is_cancelled),
            )
        )

    def _publish(self, job: PreparedJob, outcome: RenderOutcome) -> list[StemResult]:
        if isinstance(outcome, Exception):
            raise outcome
        return self._renderer.publish(job, outcome)

    def _reporting_cancel(self, job_id: str, is_cancelled: Callable[[], bool]) -> Callable[[], bool]:
        """In a batch, a cancelled job is reported when the engine leaves it out, not when the other jobs have ended."""
        was_reported = False

        def check() -> bool:
            nonlocal was_reported
            if not was_reported and is_cancelled():
                self._events.send(JobCancelled(job_id=job_id))
                was_reported = True
            return was_reported

        return check

    def _guarded(self, job_id: str, step: Callable[[], T]) -> T | None:
        """What `step` returns; None after an error, which is reported for this job while the other jobs go on."""
        with self._log_handler.about(job_id):
            try:
                return step()
            except RenderCancelled:
                self._events.send(JobCancelled(job_id=job_id))
            except DeviceLostError as exc:
                self._events.send(JobLost(job_id=job_id, reason=exc.message, outcome=exc.outcome))
            except SelvaError as exc:
                _log.info("the job failed: %s", exc)
                self._events.send(JobFailed(job_id=job_id, error=exc))
            except ImportError as exc:
                from selva_core.engines.registry import describe_broken_installation  # noqa: PLC0415 - as in engine_for

                _log.exception("a library does not load")
                self._events.send(JobFailed(job_id=job_id, error=describe_broken_installation(exc)))
            except MemoryError as exc:
                error = OutOfMemoryError(
                    f"there was too little memory for this job: {exc}. Ask for fewer stems at once"
                )
                self._events.send(JobFailed(job_id=job_id, error=error))
            except Exception as exc:
                _log.exception("a fault while rendering")
                fault = InternalError(
                    f"a fault while rendering ({type(exc).__name__}); "
                    f"details: {selva_command('daemon', 'logs', '--job', job_id)}"
                )
                self._events.send(JobFailed(job_id=job_id, error=fault))
        return None


class ThrottledProgress:
    """Sends each change of stage, and steps no more often than anybody can see."""

    def __init__(self, events: EventReceiver, job_id: str) -> None:
        self._events = events
        self._job_id = job_id
        self._stage = ("", "")
        self._sent_s = 0.0

    def __call__(self, progress: RenderProgress, *, part: str = "") -> None:
        now_s = time.monotonic()
        stage = (progress.stage, part)
        if stage == self._stage and now_s - self._sent_s < PROGRESS_INTERVAL_S:
            return
        self._stage, self._sent_s = stage, now_s
        self._events.send(
            JobProgressed(
                job_id=self._job_id,
                stage=progress.stage,
                fraction=progress.fraction,
                step=progress.step,
                num_steps=progress.num_steps,
                part=part,
                work_left=dict(progress.work_left),
            )
        )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    command_stream, event_stream = take_over_standard_streams()
    events = Events(event_stream)
    log_handler = EventLogHandler(events)
    log_handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=arguments.log_level.upper(), handlers=[log_handler], force=True)
    engines = EngineCache(
        device=arguments.device,
        precision=arguments.precision,
        acceleration=arguments.acceleration,
        memory=arguments.memory,
        events=events,
        model_info=ModelInfoCache(arguments.stem_cache.parent / "models.json", device=arguments.device),
        features=BlobStore(
            arguments.feature_cache, max_bytes=arguments.feature_cache_bytes, eviction=resist_scans
        ),
    )
    worker = Worker(
        commands=Commands(command_stream),
        events=events,
        renderer=build_renderer(arguments, engines),
        log_handler=log_handler,
    )
    threading.Thread(target=send_heartbeats, args=(events,), name="heartbeat", daemon=True).start()
    events.send(WorkerReady(pid=os.getpid()))
    worker.run()
    engines.close()
    return 0


def build_renderer(arguments: argparse.Namespace, engines: Engines) -> JobRenderer:
    return JobRenderer(
        engines=engines,
        write_stem=_write_stem,
        cache=StemCache(BlobStore(arguments.stem_cache, max_bytes=arguments.stem_cache_bytes)),
        output_rules=OutputRules(
            allowed=tuple(arguments.output_folder), forbidden=tuple(arguments.forbidden_folder)
        ),
    )


def _write_stem(
    path: Path,
    waveform: Waveform,
    *,
    output: OutputRequest,
    provenance: Mapping[str, str],
    panning: Panning,
    splice: Splice | None = None,
) -> WriteReport:
    from selva_core.audio.credentials import sign_stem  # noqa: PLC0415 - heavy, and its cost is a job's
    from selva_core.audio.metadata import DIGITAL_SOURCE_TYPE  # noqa: PLC0415
    from selva_core.audio.stem_writer import write_stem  # noqa: PLC0415

    report = write_stem(
        path,
        waveform,
        sample_rate_hz=output.sample_rate_hz,
        num_samples=output.num_samples,
        provenance=provenance,
        time_reference_samples=output.time_reference_samples,
        labels=output.labels,
        panning=panning,
        splice=splice,
    )
    if output.signer is not None:
        sign_stem(path, signer_of(output.signer), provenance=provenance, source_type=DIGITAL_SOURCE_TYPE)
    return report


def device_memory_bytes() -> int | None:
    """What torch holds on the device; None when torch is not loaded or the device does not report it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if torch.cuda.is_available():
        return int(torch.cuda.memory_reserved())
    if torch.backends.mps.is_available():
        return int(torch.mps.driver_allocated_memory())
    return None


def send_heartbeats(events: Events) -> None:
    """For ever."""
    while True:
        time.sleep(HEARTBEAT_S)
        events.send(Heartbeat())


def build_parser() -> argparse.ArgumentParser:
    """The options of every kind of worker."""
    parser = argparse.ArgumentParser(
        prog="selva_daemon.worker.worker", description="Started by the daemon, not by hand."
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--acceleration", default="plain")
    parser.add_argument("--memory", default="auto")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--stem-cache", type=Path, required=True)
    parser.add_argument("--stem-cache-bytes", type=int, required=True)
    parser.add_argument("--feature-cache", type=Path, required=True)
    parser.add_argument("--feature-cache-bytes", type=int, required=True)
    parser.add_argument("--output-folder", action="append", default=[])
    parser.add_argument("--forbidden-folder", type=Path, action="append", default=[])
    return parser


if __name__ == "__main__":
    sys.exit(main())

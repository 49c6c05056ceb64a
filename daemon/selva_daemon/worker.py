"""The process that renders: it owns one device, takes jobs over its standard input, reports over its output.

It outlives neither the server (the end of its input ends it) nor an order to stop. Engines are imported when
the first job needs one.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from selva_core.engine import Engine, RenderProgress, Waveform
from selva_core.errors import OutOfMemoryError, RenderCancelled, SelvaError
from selva_daemon.blob_store import BlobStore
from selva_daemon.errors import InternalError, to_wire
from selva_daemon.link import read_packed, take_over_standard_streams, unpack_message, write_message
from selva_daemon.model_facts import ModelFacts, ModelMemory
from selva_daemon.rendering import JobContext, JobRenderer, OutputRules, WriteReport
from selva_daemon.schema import OutputRequest, parse_job
from selva_daemon.stem_cache import StemCache

HEARTBEAT_S = 1.0
PROGRESS_INTERVAL_S = 0.05
EXIT_GRACE_S = 5.0
_log = logging.getLogger(__name__)


class Reports:
    """The worker's mouth: messages to the server, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, say: str, **facts: Any) -> None:
        """A server that is gone is not an error here: the reading thread notices and ends the worker."""
        try:
            with self._lock:
                write_message(self._stream, {"say": say, **facts})
        except OSError:
            _log.debug("the server is gone; dropped a %s report", say)


class ReportingLogHandler(logging.Handler):
    """Log records go to the server, which has the one log file."""

    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self._reports = reports
        self.job_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._reports.send("log", level=record.levelno, name=record.name, text=text, job_id=self.job_id)


class EngineShelf:
    """Holds the one engine that is loaded; asking for another closes it first."""

    def __init__(self, *, device: str, reports: Reports, memory: ModelMemory, features: BlobStore) -> None:
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
        from selva_core.engines import load_engine  # noqa: PLC0415 - heavy, and its cost is a job's

        engine = load_engine(model_id, device=self._device, features=self._features)
        self._engine = engine
        self._memory.learn(ModelFacts.of(engine))
        self._reports.send(
            "model", model=model_id, device_report=engine.device_report, notices=list(engine.notices)
        )
        return engine

    def facts_of(self, model_id: str) -> ModelFacts:
        """Remembered, or read off the engine, which is then loaded. Raises ModelError."""
        return self._memory.recall(model_id) or ModelFacts.of(self.engine_for(model_id))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None


class Orders:
    """The worker's ears: a thread that reads commands, so that a cancel is heard while a job runs."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._cancelled: set[str] = set()
        self._stopping = threading.Event()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def next_job(self) -> dict[str, Any] | None:
        """Wait for a job; None when it is time to stop."""
        return None if self._stopping.is_set() else self._jobs.get()

    def is_cancelled(self, job_id: str) -> bool:
        if self._stopping.is_set():
            return True
        with self._lock:
            return job_id in self._cancelled

    def forget(self, job_id: str) -> None:
        with self._lock:
            self._cancelled.discard(job_id)

    def _listen(self) -> None:
        while (packed := self._read()) is not None:
            command = unpack_message(packed)
            if command["do"] == "render":
                self._jobs.put(command)
            elif command["do"] == "cancel":
                with self._lock:
                    self._cancelled.add(command["job_id"])
            elif command["do"] == "stop":
                break
        self._stopping.set()
        self._jobs.put(None)
        time.sleep(EXIT_GRACE_S)
        os._exit(
            1
        )  # the running step did not end in time; files are published by rename, so nothing is half-written

    def _read(self) -> bytes | None:
        try:
            return read_packed(self._stream)
        except OSError:
            return None


class Worker:
    """Runs one job after the other."""

    def __init__(
        self, *, orders: Orders, reports: Reports, renderer: JobRenderer, log_handler: ReportingLogHandler
    ) -> None:
        self._orders = orders
        self._reports = reports
        self._renderer = renderer
        self._log_handler = log_handler

    def run(self) -> None:
        while (command := self._orders.next_job()) is not None:
            job_id = command["job_id"]
            self._log_handler.job_id = job_id
            try:
                self._run_job(job_id, command["request"])
            finally:
                self._reports.send("memory", device_bytes=device_memory_bytes())
                self._orders.forget(job_id)
                self._log_handler.job_id = ""

    def _run_job(self, job_id: str, request_body: Mapping[str, Any]) -> None:
        try:
            stems = self._renderer.render(
                JobContext(
                    job_id=job_id,
                    job=parse_job(request_body),
                    on_progress=ThrottledProgress(self._reports, job_id),
                    is_cancelled=lambda: self._orders.is_cancelled(job_id),
                )
            )
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
        except Exception as exc:  # the loop is guarded at the job: the next one may be fine
            _log.exception("a fault while rendering")
            error_text = (
                f"a fault while rendering ({type(exc).__name__}); details: selva daemon logs --job {job_id}"
            )
            self._reports.send("failed", job_id=job_id, error=to_wire(InternalError(error_text)))
        else:
            self._reports.send("done", job_id=job_id, stems=[stem.to_wire() for stem in stems])


class ThrottledProgress:
    """Reports each change of stage, and steps no more often than anybody can see."""

    def __init__(self, reports: Reports, job_id: str) -> None:
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
    reports = Reports(report_stream)
    log_handler = ReportingLogHandler(reports)
    log_handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=arguments.log_level.upper(), handlers=[log_handler], force=True)
    memory = ModelMemory(arguments.stem_cache.parent / "models.json")
    shelf = EngineShelf(
        device=arguments.device,
        reports=reports,
        memory=memory,
        features=BlobStore(arguments.feature_cache, max_bytes=arguments.feature_cache_bytes),
    )
    worker = Worker(
        orders=Orders(commands),
        reports=reports,
        renderer=_build_renderer(arguments, shelf),
        log_handler=log_handler,
    )
    threading.Thread(target=_beat, args=(reports,), name="heartbeat", daemon=True).start()
    reports.send("ready", pid=os.getpid())
    worker.run()
    shelf.close()
    return 0


def _build_renderer(arguments: argparse.Namespace, shelf: EngineShelf) -> JobRenderer:
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
    from selva_core.riff import Label  # noqa: PLC0415 - heavy, and its cost is a job's
    from selva_core.stem_file import write_stem  # noqa: PLC0415

    return write_stem(
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


def _beat(reports: Reports) -> None:
    while True:
        time.sleep(HEARTBEAT_S)
        reports.send("beat")


def _parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="selva_daemon.worker", description="Started by the server; not by hand."
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

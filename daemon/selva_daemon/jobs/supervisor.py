"""Keeps one worker process alive: starts it, notices when it dies, hangs or idles too long, and replaces it.

Everything here happens on the server's main thread; `tick` is called a few times a second. Clocks are
monotonic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from selva_core.base.errors import InstallationBrokenError
from selva_daemon.jobs.running_jobs import RunningJobs
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.worker_process import WorkerProcess, resident_bytes
from selva_daemon.jobs.worker_states import Outcome, WorkerListener, WorkerState
from selva_daemon.protocol.status import DeviceStatus, LoadedModel, ProcessStatus
from selva_daemon.protocol.worker_link import (
    CancelCommand,
    DeviceMemory,
    DevicesChanged,
    JobCancelled,
    JobEvent,
    JobFailed,
    JobLost,
    JobProgressed,
    LoadCommand,
    LogLine,
    ModelLoaded,
    RenderCommand,
    RenderTask,
    StopCommand,
    WorkerEvent,
    WorkerReady,
    parse_event,
)
from selva_daemon.settings import DaemonSettings

__all__ = ["Outcome", "Supervisor", "WorkerListener", "WorkerState"]

STABLE_AFTER_S = 60.0
"""A worker that lived so long did not die of its start: the wait before the next one begins again at none."""
MAX_BACK_OFF_S = 30.0
START_TIMEOUT_S = 60.0
"""Silence before the first message: a virus scanner or a cold disk may hold up the interpreter's start."""
STOP_GRACE_S = 6.0
"""For a worker that is asked to end. A step that runs cannot be interrupted; the worker itself gives it EXIT_GRACE_S."""
TERMINATE_GRACE_S = 2.0
ASLEEP_AFTER_S = 5.0
"""Between two ticks, of which the server makes several a second; a longer gap means that the machine slept."""
_log = logging.getLogger(__name__)

Launch = Callable[[], WorkerProcess]


class Supervisor:
    """Owns the worker of one device, or of the devices of a cluster."""

    def __init__(
        self,
        launch: Launch,
        listener: WorkerListener,
        *,
        settings: DaemonSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._launch = launch
        self._listener = listener
        self._settings = settings
        self._clock = clock
        self._state = WorkerState.STOPPED
        self._process: WorkerProcess | None = None
        self._running = RunningJobs()
        self._devices: tuple[DeviceStatus, ...] | None = None
        self._model: ModelLoaded | None = None
        self._model_to_load: str | None = None
        self._device_memory_bytes: int | None = None
        self._start_again = True
        self._outcome = Outcome.CRASHED
        self._end_reason = ""
        self._deaths_in_a_row = 0
        self._restarts = 0
        now_s = clock()
        self._launched_s = self._last_message_s = self._ticked_s = self._idle_since_s = self._deadline_s = (
            now_s
        )

    @property
    def state(self) -> WorkerState:
        return self._state

    @property
    def can_take_job(self) -> bool:
        return (
            self._state in (WorkerState.IDLE, WorkerState.BUSY)
            and self._running.num_batches < self.num_usable_devices
        )

    @property
    def num_usable_devices(self) -> int:
        """How many batches of jobs it can run at the same time."""
        return 1 if self._devices is None else sum(device.is_usable for device in self._devices)

    @property
    def max_batch_jobs(self) -> int:
        """Up to how many jobs gain from sharing batches, as the loaded model reports; 1 before one is loaded."""
        if self._model is None:
            return 1
        return min(self._settings.max_batch_jobs, self._model.max_batch_pictures)

    # -- commands --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker unless it runs; also after `release`."""
        self._start_again = True
        if self._state in (WorkerState.STOPPED, WorkerState.BACKING_OFF):
            self._launch_now()

    def give(self, jobs: Sequence[StoredJob]) -> None:
        """Give the worker jobs that share batches; only when `can_take_job`."""
        assert self._process is not None  # noqa: S101 - an idle worker has a process
        self._state = WorkerState.BUSY
        self._running.begin([job.job_id for job in jobs], self._clock())
        tasks = [RenderTask(job_id=job.job_id, request=msgspec.Raw(job.packed_request)) for job in jobs]
        self._process.send(RenderCommand(jobs=tuple(tasks)))

    def load(self, model_id: str) -> None:
        """Have an idle worker load a model in advance, unless another is loaded: that may be used again sooner."""
        if self._state is WorkerState.STARTING:
            self._model_to_load = model_id
        elif self._process is not None and self._state is WorkerState.IDLE and self._model is None:
            self._process.send(LoadCommand(model=model_id))

    def device_of(self, job_id: str) -> str | None:
        """The device that the worker has loaded its model on; None when it is not running this job."""
        if job_id not in self._running:
            return None
        return "" if self._model is None else self._model.device_report

    def cancel(self, job_id: str) -> bool:
        """Tell the worker to drop this job; False when it is not running it."""
        if job_id not in self._running or self._process is None:
            return False
        if self._running.ask_to_cancel(job_id, self._clock()):
            self._process.send(CancelCommand(job_id=job_id))
        return True

    def release(self) -> None:
        """End the worker so that the device's memory is free; a running job is queued again."""
        self._start_again = False
        if self._state is WorkerState.BACKING_OFF:
            self._state = WorkerState.STOPPED
        else:
            self._begin_stop("the device was released", Outcome.REQUEUED)

    def stop(self, timeout_s: float) -> None:
        """End the worker for good and wait until it is gone."""
        self.release()
        process = self._process
        if process is None:
            return
        if not process.wait(timeout_s):
            process.terminate()  # on Windows the same as `kill`: there is no signal that a process could handle
            if not process.wait(TERMINATE_GRACE_S):
                process.kill()
        self._ended("the daemon stops")

    # -- messages of the worker ------------------------------------------------------------------------------

    def on_message(self, generation: bytes, packed: bytes) -> None:
        """A message from the inbox, b"" when the worker closed its side. One of an earlier run of the worker is ignored."""
        if self._process is None or generation != self._process.generation:
            return
        self._last_message_s = self._clock()
        if not packed:
            # The system closes a dying process's pipes before its exit code can be read, and the code is what users are shown.
            self._process.wait(1.0)
            self._ended(self._end_reason or self._process.describe_end())
            return
        try:
            event = parse_event(packed)
        except msgspec.MsgspecError:
            self._kill_hung("it sent something that is not a message", Outcome.CRASHED)
        else:
            self._on_event(event)

    def _on_event(self, event: WorkerEvent) -> None:
        if isinstance(event, JobEvent | JobLost):
            if event.job_id in self._running:
                self._on_job_lost(event) if isinstance(event, JobLost) else self._on_job_event(event)
        elif isinstance(event, LogLine):
            extra = {"job_id": event.job_id, "process_role": "worker"}
            logging.getLogger(event.name).log(event.level, "%s", event.text, extra=extra)
        elif isinstance(event, WorkerReady):
            if self._state is WorkerState.STARTING:
                self._become_idle()
                if self._model_to_load is not None:
                    self.load(self._model_to_load)
                    self._model_to_load = None
        elif isinstance(event, ModelLoaded):
            self._model = event
            self._idle_since_s = (
                self._clock()
            )  # one that was loaded in advance is kept as long as one that was used
        elif isinstance(event, DeviceMemory):
            self._device_memory_bytes = event.device_bytes
        elif isinstance(event, DevicesChanged):
            self._devices = event.devices

    def _on_job_event(self, event: JobEvent) -> None:
        if isinstance(event, JobProgressed):
            self._running.progressed(event.job_id, self._clock())
            self._listener.on_job_event(event)
            return
        if self._state is WorkerState.STOPPING and isinstance(event, JobCancelled):
            return  # caused by the stop; `_ended` decides whether the job is queued again
        self._deaths_in_a_row = 0
        self._end_job(event.job_id)
        is_broken = isinstance(event, JobFailed) and isinstance(event.error, InstallationBrokenError)
        if is_broken and self._state is WorkerState.IDLE and self._devices is None:
            # A library that loaded in part does not load again in the same process, also when it has been mended.
            self._begin_stop("libraries did not load", Outcome.REQUEUED)
        self._listener.on_job_event(event)

    def _on_job_lost(self, event: JobLost) -> None:
        """The job waits again, or fails where it may be the cause: as when a worker ends, while this one goes on."""
        is_cancelled = self._running.is_asked_to_cancel(event.job_id)
        self._end_job(event.job_id)
        outcome = Outcome.CANCELLED if is_cancelled else Outcome(event.outcome)
        self._listener.on_worker_ended({event.job_id: outcome}, event.reason)

    def _end_job(self, job_id: str) -> None:
        self._running.end(job_id)
        if self._state is WorkerState.BUSY and not self._running:
            self._become_idle()

    def _become_idle(self) -> None:
        self._state = WorkerState.IDLE
        self._idle_since_s = self._clock()

    # -- time ----------------------------------------------------------------------------------------------

    def tick(self, *, jobs_are_waiting: bool) -> None:
        """Notice what has not happened in time."""
        now_s = self._clock()
        if now_s - self._ticked_s > ASLEEP_AFTER_S:
            self._allow_for_sleep(now_s)
        self._ticked_s = now_s
        if self._state is WorkerState.BACKING_OFF and now_s >= self._deadline_s:
            self._launch_now()
        elif self._state is WorkerState.STOPPING and now_s >= self._deadline_s:
            self._kill_slow_stop(now_s)
        elif self._state in (WorkerState.STARTING, WorkerState.IDLE, WorkerState.BUSY):
            self._check_alive(now_s)
        if self._state is WorkerState.IDLE and not jobs_are_waiting:
            self._check_keep_alive(now_s)

    def _allow_for_sleep(self, now_s: float) -> None:
        """Move all deadlines: the machine slept, or this process was stopped, and the worker could not report either. On some
        systems the monotonic clock goes on while a laptop sleeps.
        """
        asleep_s = now_s - self._ticked_s
        _log.info("this process stood still for %.0f s (sleep?); deadlines are moved", asleep_s)
        self._last_message_s += asleep_s
        self._deadline_s += asleep_s
        self._running.allow_for(asleep_s)

    def _check_alive(self, now_s: float) -> None:
        """Kill a worker that hangs. One with several devices ends a job that hangs by itself, so that the others go on.

        The heartbeat comes from a thread of its own, so it goes on while the thread that renders is stuck in a driver or on a
        network drive: progress needs a limit of its own. The first message waits for the interpreter to start.
        """
        settings = self._settings
        silence_limit_s = (
            START_TIMEOUT_S if self._state is WorkerState.STARTING else settings.heartbeat_timeout_s
        )
        if now_s - self._last_message_s > silence_limit_s:
            self._kill_hung(f"it was silent for {silence_limit_s:g} s", Outcome.CRASHED)
        elif self._devices is not None:
            return
        elif self._running.have_stalled(now_s, settings.stall_timeout_s):
            self._kill_hung(f"it made no progress for {settings.stall_timeout_s:g} s", Outcome.CRASHED)
        elif self._running.ignore_cancels(now_s, settings.cancel_grace_s):
            self._kill_hung(
                f"it did not react to a cancel for {settings.cancel_grace_s:g} s", Outcome.CANCELLED
            )

    def _check_keep_alive(self, now_s: float) -> None:
        """An idle worker with a model is replaced by a fresh process: only the end of a process releases all of the device's
        memory (CUDA keeps its context, torch its cache).
        """
        keep_s = self._settings.keep_alive_s
        if self._model is None or keep_s < 0 or now_s - self._idle_since_s < keep_s:
            return
        _log.info("model %s was idle for %.0f s; unloading it", self._model.model, now_s - self._idle_since_s)
        self._begin_stop("its model was unloaded", Outcome.REQUEUED)

    def _begin_stop(self, reason: str, outcome: Outcome) -> None:
        if self._process is None or self._state is WorkerState.STOPPING:
            return
        self._state = WorkerState.STOPPING
        self._outcome, self._end_reason = outcome, reason
        self._deadline_s = self._clock() + STOP_GRACE_S
        self._process.send(StopCommand())

    def _kill_slow_stop(self, now_s: float) -> None:
        assert self._process is not None  # noqa: S101 - a stopping worker has a process
        self._process.kill()
        self._deadline_s = now_s + TERMINATE_GRACE_S

    def _kill_hung(self, reason: str, outcome: Outcome) -> None:
        assert self._process is not None  # noqa: S101 - only a running worker hangs
        _log.error("ending the worker: %s", reason, extra={"job_id": " ".join(self._running)})
        self._state = WorkerState.STOPPING
        self._outcome, self._end_reason = outcome, reason
        self._deadline_s = self._clock() + TERMINATE_GRACE_S
        self._process.kill()

    def _launch_now(self) -> None:
        self._outcome, self._end_reason = Outcome.CRASHED, ""
        self._model = self._device_memory_bytes = self._model_to_load = None
        self._launched_s = self._last_message_s = self._clock()
        try:
            self._process = self._launch()
        except OSError as exc:
            _log.error("the worker cannot be started: %s", exc)
            self._back_off(f"it cannot be started: {exc}")
            return
        self._state = WorkerState.STARTING

    def _ended(self, reason: str) -> None:
        assert self._process is not None  # noqa: S101 - it was there to end
        self._process.close()
        self._process = None
        self._model = None
        outcomes = {job_id: self._outcome_of(job_id) for job_id in self._running}
        self._running.clear()
        self._devices = None
        if self._state is WorkerState.STOPPING and self._outcome is not Outcome.CRASHED:
            self._state = WorkerState.STOPPED
            if self._start_again:
                self._launch_now()
        else:
            self._back_off(reason)
        self._listener.on_worker_ended(outcomes, reason)

    def _outcome_of(self, job_id: str) -> Outcome:
        """Jobs that shared batches with one that did not react to its cancel are queued again, without a crash counted."""
        if self._running.is_asked_to_cancel(job_id):
            return Outcome.CANCELLED
        if self._devices is not None and self._outcome is Outcome.CRASHED:
            return Outcome.LOST  # the jobs ran on other machines; what ended here is the link to them
        return Outcome.REQUEUED if self._outcome is Outcome.CANCELLED else self._outcome

    def _back_off(self, reason: str) -> None:
        now_s = self._clock()
        if now_s - self._launched_s > STABLE_AFTER_S:
            self._deaths_in_a_row = 0
        wait_s = (
            0.0 if self._deaths_in_a_row == 0 else min(MAX_BACK_OFF_S, 2.0 ** (self._deaths_in_a_row - 1))
        )
        self._deaths_in_a_row += 1
        self._restarts += 1
        self._end_reason = reason
        self._state = WorkerState.BACKING_OFF if self._start_again else WorkerState.STOPPED
        self._deadline_s = now_s + wait_s
        _log.warning("the worker ended: %s; the next starts in %.0f s", reason, wait_s)

    def process_status(self) -> ProcessStatus:
        pid = None if self._process is None else self._process.pid
        return ProcessStatus(
            role="worker",
            pid=pid,
            state=self._state.value,
            memory_bytes=resident_bytes(pid),
            job_ids=tuple(self._running),
            restarts=self._restarts,
            problem=self._end_reason if self._state is WorkerState.BACKING_OFF else "",
            devices=UNSET if self._devices is None else self._devices,
        )

    def loaded_model(self) -> LoadedModel | None:
        if self._model is None:
            return None
        keep_s = self._settings.keep_alive_s
        idle = self._state is WorkerState.IDLE and keep_s >= 0
        return LoadedModel(
            model=self._model.model,
            device_report=self._model.device_report,
            notices=self._model.notices,
            unloads_in_s=max(0.0, self._idle_since_s + keep_s - self._clock()) if idle else None,
            device_memory_bytes=self._device_memory_bytes,
        )

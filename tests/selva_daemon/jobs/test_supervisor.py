"""The supervisor's decisions, on a clock that the test moves and a process that only records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest

from selva_core.base.errors import InstallationBrokenError, SelvaError
from selva_daemon.jobs.stored_job import StoredJob
from selva_daemon.jobs.supervisor import Outcome, Supervisor, WorkerState
from selva_daemon.jobs.worker_process import WorkerProcess
from selva_daemon.protocol.body import reply_encode_hook
from selva_daemon.protocol.errors import InternalError
from selva_daemon.protocol.worker_link import (
    CancelCommand,
    Command,
    Heartbeat,
    JobCancelled,
    JobDone,
    JobEvent,
    JobFailed,
    JobProgressed,
    LoadCommand,
    ModelLoaded,
    StopCommand,
    WorkerEvent,
    WorkerReady,
)
from selva_daemon.settings import DaemonSettings

TICK_S = 0.25


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class RecordedProcess:
    """Stands for a worker process: records commands and signals."""

    pid = 1

    def __init__(self, number: int) -> None:
        self.generation = f"0:{number}".encode()
        self.commands: list[Command] = []
        self.killed = False
        self.closed = False

    def send(self, command: Command) -> None:
        self.commands.append(command)

    def kill(self) -> None:
        self.killed = True

    def wait(self, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def describe_end(self) -> str:
        return "it ended with exit code 9"


class Listener:
    def __init__(self) -> None:
        self.received: list[tuple[object, ...]] = []

    def on_job_event(self, event: JobEvent) -> None:
        kinds = {JobProgressed: "progress", JobDone: "done", JobFailed: "failed", JobCancelled: "cancelled"}
        self.received.append((kinds[type(event)], event.job_id))

    def on_worker_ended(self, outcomes: Mapping[str, Outcome], reason: str) -> None:
        self.received.append(("ended", dict(outcomes)))


class Stage:
    """A supervisor with everything around it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.listener = Listener()
        self.launched: list[RecordedProcess] = []
        self.supervisor = Supervisor(
            self._launch, self.listener, settings=DaemonSettings(**settings), clock=self.clock
        )

    def _launch(self) -> WorkerProcess:
        self.launched.append(RecordedProcess(len(self.launched)))
        return cast(WorkerProcess, self.launched[-1])

    @property
    def process(self) -> RecordedProcess:
        return self.launched[-1]

    def say(self, event: WorkerEvent) -> None:
        self.supervisor.on_message(
            self.process.generation, msgspec.msgpack.encode(event, enc_hook=reply_encode_hook)
        )

    def end_process(self) -> None:
        self.supervisor.on_message(self.process.generation, b"")

    def pass_time(self, seconds: float, *, beating: bool = True) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.clock.now_s += TICK_S
            if beating and not self.process.closed:
                self.say(Heartbeat())
            self.supervisor.tick(jobs_are_waiting=False)

    def run_job(self, *job_ids: str) -> None:
        jobs = [
            type("Job", (), {"job_id": job_id, "packed_request": b"\x80"})() for job_id in job_ids or ("j",)
        ]
        self.supervisor.give(cast(list[StoredJob], jobs))

    def start(self) -> Stage:
        self.supervisor.start()
        self.say(WorkerReady(pid=1))
        return self


def test_a_started_worker_can_take_a_job_once_it_is_ready() -> None:
    stage = Stage()
    stage.supervisor.start()
    assert not stage.supervisor.can_take_job
    stage.say(WorkerReady(pid=1))
    assert stage.supervisor.can_take_job
    stage.run_job()
    assert not stage.supervisor.can_take_job
    stage.say(JobDone(job_id="j", stems=()))
    assert stage.supervisor.can_take_job
    assert stage.listener.received == [("done", "j")]


def test_messages_about_another_job_or_from_an_earlier_worker_are_ignored() -> None:
    stage = Stage().start()
    stage.run_job()
    stage.say(JobDone(job_id="other", stems=()))
    stage.supervisor.on_message(b"0:99", msgspec.msgpack.encode(JobDone(job_id="j", stems=())))
    assert stage.listener.received == []


def test_a_worker_that_sends_garbage_is_ended_and_counts_as_crashed() -> None:
    stage = Stage().start()
    stage.run_job()
    stage.supervisor.on_message(stage.process.generation, b"\xc1\xc1")
    assert stage.process.killed
    stage.end_process()
    assert stage.listener.received == [("ended", {"j": Outcome.CRASHED})]


def test_a_dead_worker_is_replaced_immediately_then_later_and_later() -> None:
    stage = Stage().start()
    waits_s = []
    for _ in range(4):
        number = len(stage.launched)
        stage.end_process()
        begun_s = stage.clock.now_s
        while len(stage.launched) == number:
            stage.pass_time(TICK_S)
        waits_s.append(stage.clock.now_s - begun_s)
    assert waits_s == [TICK_S, 1.0, 2.0, 4.0]
    assert stage.listener.received == [("ended", {})] * 4


def test_a_worker_that_finished_a_job_is_replaced_immediately_again() -> None:
    stage = Stage().start()
    for _ in range(3):
        stage.end_process()
        stage.pass_time(5)
        stage.say(WorkerReady(pid=1))
    stage.run_job()
    stage.say(JobDone(job_id="j", stems=()))
    stage.end_process()
    number = len(stage.launched)
    stage.pass_time(TICK_S)
    assert len(stage.launched) == number + 1


@pytest.mark.parametrize(
    ("error", "is_stopped"),
    [(InstallationBrokenError("torch does not load"), True), (InternalError("a fault"), False)],
)
def test_a_worker_whose_libraries_did_not_load_is_replaced_so_that_a_mended_installation_is_seen(
    error: SelvaError, is_stopped: bool
) -> None:
    stage = Stage().start()
    stage.run_job()
    stage.say(JobFailed(job_id="j", error=error))
    assert stage.listener.received == [("failed", "j")]
    assert isinstance(stage.process.commands[-1], StopCommand) is is_stopped
    assert stage.supervisor.can_take_job is not is_stopped
    if is_stopped:
        stage.end_process()
        stage.say(WorkerReady(pid=2))
        assert stage.supervisor.can_take_job
        assert stage.supervisor.process_status().restarts == 0


def test_a_silent_worker_is_killed_and_one_with_heartbeats_is_not() -> None:
    stage = Stage(heartbeat_timeout_s=10).start()
    stage.pass_time(60)
    assert not stage.process.killed
    stage.pass_time(10.5, beating=False)
    assert stage.process.killed


def test_a_job_without_progress_is_killed_and_one_with_progress_is_not() -> None:
    stage = Stage(stall_timeout_s=10).start()
    stage.run_job()
    for _ in range(4):
        stage.pass_time(9)
        stage.say(JobProgressed(job_id="j", stage="sampling", step=1, num_steps=25, fraction=0.5))
    assert not stage.process.killed
    stage.pass_time(10.5)
    assert stage.process.killed
    stage.end_process()
    assert stage.listener.received[-1] == ("ended", {"j": Outcome.CRASHED})


def test_a_cancel_without_reaction_ends_the_worker_and_counts_no_crash() -> None:
    stage = Stage(cancel_grace_s=5).start()
    stage.run_job()
    assert stage.supervisor.cancel("j")
    assert not stage.supervisor.cancel("another")
    assert stage.process.commands[-1] == CancelCommand(job_id="j")
    stage.pass_time(4.5)
    assert not stage.process.killed
    stage.pass_time(1)
    assert stage.process.killed
    stage.end_process()
    assert stage.listener.received == [("ended", {"j": Outcome.CANCELLED})]


def test_releasing_the_device_requeues_the_job_and_starts_no_other_worker_until_resumed() -> None:
    stage = Stage().start()
    stage.run_job()
    stage.supervisor.release()
    assert stage.process.commands[-1] == StopCommand()
    stage.say(JobCancelled(job_id="j"))
    stage.end_process()
    assert stage.listener.received == [("ended", {"j": Outcome.REQUEUED})]
    stage.pass_time(100)
    assert len(stage.launched) == 1
    stage.supervisor.start()
    assert len(stage.launched) == 2


def test_resuming_while_the_worker_still_ends_starts_the_next() -> None:
    stage = Stage().start()
    stage.supervisor.release()
    stage.supervisor.start()
    assert len(stage.launched) == 1
    stage.end_process()
    assert len(stage.launched) == 2


def test_a_worker_that_does_not_stop_is_killed() -> None:
    stage = Stage().start()
    stage.supervisor.release()
    stage.pass_time(5)
    assert not stage.process.killed
    stage.pass_time(2)
    assert stage.process.killed


@pytest.mark.parametrize(("keep_alive_s", "replaced_after_s"), [(0.0, TICK_S), (5.0, 5.0), (-1.0, None)])
def test_an_idle_model_is_unloaded_after_keep_alive(
    keep_alive_s: float, replaced_after_s: float | None
) -> None:
    stage = Stage(keep_alive_s=keep_alive_s).start()
    stage.pass_time(20)
    assert stage.process.commands == []  # nothing is loaded, nothing to unload
    stage.run_job()
    stage.say(ModelLoaded(model="m", device_report="cpu", notices=(), max_batch_pictures=1))
    stage.pass_time(20)
    assert stage.process.commands[1:] == []  # busy
    stage.say(JobDone(job_id="j", stems=()))
    loaded = stage.supervisor.loaded_model()
    assert loaded is not None
    assert loaded.unloads_in_s == (None if keep_alive_s < 0 else keep_alive_s)
    begun_s = stage.clock.now_s
    while stage.process.commands[1:] == [] and stage.clock.now_s - begun_s < 100:
        stage.pass_time(TICK_S)
    waited_s = stage.clock.now_s - begun_s
    assert waited_s == (replaced_after_s or 100)
    if replaced_after_s is not None:
        stage.end_process()
        assert len(stage.launched) == 2
        assert stage.supervisor.loaded_model() is None


def test_a_machine_that_slept_does_not_count_as_silence_or_stall() -> None:
    stage = Stage(heartbeat_timeout_s=10, stall_timeout_s=20).start()
    stage.run_job()
    stage.clock.now_s += 8 * 3600
    stage.supervisor.tick(jobs_are_waiting=False)
    stage.pass_time(15)
    assert not stage.process.killed
    assert stage.supervisor.state is WorkerState.BUSY


def test_a_worker_is_idle_when_the_last_of_its_jobs_has_ended() -> None:
    stage = Stage().start()
    stage.run_job("a", "b", "c")
    stage.say(JobCancelled(job_id="b"))
    stage.say(JobDone(job_id="a", stems=()))
    assert not stage.supervisor.can_take_job
    assert stage.supervisor.process_status().job_ids == ("c",)
    stage.say(JobFailed(job_id="c", error=InternalError("a fault")))
    assert stage.supervisor.can_take_job
    assert stage.listener.received == [("cancelled", "b"), ("done", "a"), ("failed", "c")]


def test_a_crash_counts_for_the_jobs_that_had_not_ended() -> None:
    stage = Stage().start()
    stage.run_job("a", "b", "c")
    stage.say(JobDone(job_id="a", stems=()))
    stage.end_process()
    assert stage.listener.received[-1] == ("ended", {"b": Outcome.CRASHED, "c": Outcome.CRASHED})


def test_a_cancel_without_reaction_requeues_the_other_jobs_of_the_batch() -> None:
    stage = Stage(cancel_grace_s=5).start()
    stage.run_job("a", "b")
    assert stage.supervisor.cancel("a")
    stage.pass_time(6)
    stage.end_process()
    assert stage.listener.received == [("ended", {"a": Outcome.CANCELLED, "b": Outcome.REQUEUED})]


def test_progress_of_one_job_shows_that_its_batch_is_not_stalled() -> None:
    stage = Stage(stall_timeout_s=10).start()
    stage.run_job("a", "b")
    for _ in range(3):
        stage.pass_time(9)
        stage.say(JobProgressed(job_id="b", stage="picture", step=0, num_steps=0, fraction=0.5))
    assert not stage.process.killed
    stage.pass_time(10.5)
    assert stage.process.killed


@pytest.mark.parametrize(("gains", "allowed", "together"), [(8, 4, 4), (2, 4, 2), (8, 1, 1)])
def test_batches_are_as_large_as_the_model_gains_and_the_settings_allow(
    gains: int, allowed: int, together: int
) -> None:
    stage = Stage(max_batch_jobs=allowed).start()
    assert stage.supervisor.max_batch_jobs == 1  # no model is loaded yet
    stage.say(ModelLoaded(model="m", device_report="cuda:0", notices=(), max_batch_pictures=gains))
    assert stage.supervisor.max_batch_jobs == together


def test_idle_worker_loads_a_model_in_advance() -> None:
    stage = Stage().start()
    stage.supervisor.load("selva-nano")
    assert stage.process.commands == [LoadCommand(model="selva-nano")]
    assert stage.supervisor.can_take_job


def test_worker_that_still_starts_loads_it_when_it_is_ready() -> None:
    stage = Stage()
    stage.supervisor.start()
    stage.supervisor.load("selva-nano")
    assert stage.process.commands == []
    stage.say(WorkerReady(pid=1))
    assert stage.process.commands == [LoadCommand(model="selva-nano")]


def test_model_that_is_loaded_is_not_exchanged_in_advance() -> None:
    stage = Stage().start()
    stage.say(ModelLoaded(model="selva-small-16k", device_report="cpu", notices=(), max_batch_pictures=1))
    stage.supervisor.load("selva-nano")
    assert stage.process.commands == []


def test_model_loaded_in_advance_is_kept_as_long_as_one_that_was_used() -> None:
    stage = Stage(keep_alive_s=60.0).start()
    stage.pass_time(50.0)
    stage.supervisor.load("selva-nano")
    stage.say(ModelLoaded(model="selva-nano", device_report="cpu", notices=(), max_batch_pictures=1))
    stage.pass_time(50.0)
    assert stage.supervisor.loaded_model() is not None
    stage.pass_time(20.0)
    assert isinstance(stage.process.commands[-1], StopCommand)

"""The supervisor of a worker that has several devices, those of a cluster."""

from __future__ import annotations

import pytest

from selva_daemon.jobs.supervisor import Outcome, WorkerState
from selva_daemon.protocol.status import DeviceStatus
from selva_daemon.protocol.worker_link import DevicesChanged, JobDone, JobLost
from tests.selva_daemon.jobs.test_supervisor import Stage


def devices(*states: str) -> DevicesChanged:
    return DevicesChanged(
        devices=tuple(DeviceStatus(name=f"node {index}", state=state) for index, state in enumerate(states))
    )


def test_a_worker_with_several_devices_takes_a_batch_for_each_that_is_ready() -> None:
    stage = Stage().start()
    stage.say(devices("ready", "starting", "ready", "refused"))
    stage.run_job("a", "b")
    assert stage.supervisor.can_take_job
    stage.run_job("c")
    assert not stage.supervisor.can_take_job
    stage.say(JobDone(job_id="a", stems=()))
    assert not stage.supervisor.can_take_job, "b is still in the batch"
    stage.say(JobDone(job_id="b", stems=()))
    assert stage.supervisor.can_take_job
    assert stage.supervisor.state is WorkerState.BUSY
    stage.say(devices())
    assert not stage.supervisor.can_take_job
    stage.say(JobDone(job_id="c", stems=()))
    assert stage.supervisor.state is WorkerState.IDLE
    assert stage.supervisor.process_status().devices == ()


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.LOST, Outcome.REQUEUED])
def test_a_job_whose_device_is_lost_ends_while_its_worker_and_the_other_jobs_go_on(outcome: Outcome) -> None:
    stage = Stage().start()
    stage.say(devices("ready", "ready"))
    stage.run_job("a")
    stage.run_job("b")
    stage.say(JobLost(job_id="a", reason="its node is gone", outcome=outcome.value))
    assert stage.listener.received == [("ended", {"a": outcome})]
    assert stage.supervisor.process_status().job_ids == ("b",)
    assert not stage.process.closed


def test_a_job_that_was_being_cancelled_when_its_device_was_lost_is_cancelled() -> None:
    stage = Stage().start()
    stage.say(devices("ready"))
    stage.run_job("a")
    stage.supervisor.cancel("a")
    stage.say(JobLost(job_id="a", reason="its node is gone", outcome="lost"))
    assert stage.listener.received == [("ended", {"a": Outcome.CANCELLED})]


def test_jobs_on_other_machines_are_not_blamed_for_the_end_of_the_worker() -> None:
    stage = Stage().start()
    stage.say(devices("ready"))
    stage.run_job("a")
    stage.end_process()
    assert stage.listener.received == [("ended", {"a": Outcome.LOST})]


def test_one_slow_job_does_not_end_the_worker_of_several_devices() -> None:
    stage = Stage(stall_timeout_s=5).start()
    stage.say(devices("ready", "ready"))
    stage.run_job("a")
    stage.pass_time(20)
    assert not stage.process.killed
    stage.pass_time(200, beating=False)
    assert stage.process.killed, "but silence of the whole process does"

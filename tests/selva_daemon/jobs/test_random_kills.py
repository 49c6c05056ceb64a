"""kill -9 of server and worker at random moments, again and again: afterwards every job is in a true state."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import soundfile

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import JobStatus
from tests.support.daemons import JobMaker, StartDaemon, kill_hard

JOB_PAUSE_S = 0.05


class Submitter:
    """Submits jobs while daemons come and go; knows which were accepted."""

    def __init__(self, paths: AppPaths, jobs: Callable[[int], JobRequest]) -> None:
        self.accepted: list[str] = []
        self._paths = paths
        self._jobs = jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submitter")
        self.fault: BaseException | None = None

    def __enter__(self) -> Submitter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        try:
            with Client.connect(paths=self._paths, timeout_s=60) as client:
                while not self._stop.wait(JOB_PAUSE_S):
                    self.accepted.append(client.submit(self._jobs(len(self.accepted))).job_id)
        except BaseException as exc:
            self.fault = exc


def kill_something(paths: AppPaths, chance: random.Random) -> None:
    """The server, its worker, or both; whatever is there."""
    try:
        server = psutil.Process(read_connection(paths.connection_file).pid)
        family = {"server": [server], "worker": server.children(), "both": [server, *server.children()]}
    except (DaemonUnavailableError, psutil.Error):
        return
    for process in family[chance.choice(["server", "server", "worker", "both"])]:
        kill_hard(process.pid)


def check_truth(status: JobStatus) -> None:
    if status.state == "done":
        for stem in status.stems:
            assert soundfile.info(stem.file).frames == 19_200
    else:
        assert status.state == "failed"
        assert status.error is not None
        assert status.error.code == "worker-died"
        assert status.attempts >= 2


@pytest.mark.parametrize(
    "rounds", [6, pytest.param(250, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_after_random_kills_every_accepted_job_is_finished_once_and_truthfully(
    rounds: int, paths: AppPaths, start_daemon_process: StartDaemon, make_job: JobMaker, tmp_path: Path
) -> None:
    chance = random.Random(rounds)  # noqa: S311 - moments, not secrets
    start_daemon_process()
    with Submitter(paths, lambda index: make_job(label=f"job {index}", seed=index)) as submitter:
        for _ in range(rounds):
            time.sleep(chance.uniform(0.0, 0.6))
            kill_something(paths, chance)
            start_daemon_process()
    assert submitter.fault is None
    assert len(submitter.accepted) >= rounds
    with Client.connect(paths=paths) as client:
        for job_id in submitter.accepted:
            check_truth(client.wait(job_id, timeout_s=60))
        assert sum(client.status().queue.values()) == len(submitter.accepted)
    assert len(set(submitter.accepted)) == len(submitter.accepted)
    leftovers = [path.name for path in (tmp_path / "stems").iterdir() if path.suffix != ".wav"]
    assert leftovers == []

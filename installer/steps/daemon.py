"""The daemon of this user: drained before its program changes, started again afterwards."""

from __future__ import annotations

from pathlib import Path

from environment import SetupError
from steps.setup import Setup
from steps.step import Step

STEP = "daemon"


def is_daemon_running(setup: Setup, environment: Path) -> bool:
    return setup.selva("daemon", "status", "--json", environment=environment).status == 0


def stop_daemon(setup: Setup, environment: Path) -> None:
    """Stop it once its running jobs have ended or gone back to the queue; that it ran is noted first, so that a run that is
    interrupted now starts it later. Raises SetupError.
    """
    if not is_daemon_running(setup, environment):
        return
    setup.record.remember(STEP, restart=True)
    setup.say("  waiting for the daemon to finish what it renders")
    stopped = setup.selva("daemon", "stop", environment=environment)
    if stopped.status != 0 and is_daemon_running(setup, environment):
        raise SetupError(
            "the daemon did not stop; wait until its jobs are done, or end it, and run this again"
        )


class DaemonStep(Step):
    """Start it again where it ran before."""

    name, title = STEP, "start the daemon again"

    def plan(self, setup: Setup) -> list[str]:
        return []

    def is_done(self, setup: Setup) -> bool:
        return not setup.record.recall(STEP, "restart", False)

    def apply(self, setup: Setup) -> None:
        setup.selva("daemon", "start", purpose="the daemon does not start")
        setup.record.remember(STEP, restart=False)

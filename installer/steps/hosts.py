"""The scripts of REAPER and Resolve, installed by the product's own command, with a copy of what was there before."""

from __future__ import annotations

import json

from environment import SetupError
from foundation import locations
from foundation.changes import keep_former, note_written, restore
from steps.setup import Setup
from steps.step import Step

TITLES = {"reaper": "REAPER", "resolve": "DaVinci Resolve"}


class HostStep(Step):
    """One host; where it is not installed, there is nothing to do unless it was named."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.name = f"host-{host}"
        self.title = f"scripts for {TITLES[host]}"

    def plan(self, setup: Setup) -> list[str]:
        return [f"write into {path}" for path in locations.host_files(setup.machine).get(self.host, [])]

    def is_done(self, setup: Setup) -> bool:
        if self.host not in setup.choices.chosen_hosts(setup.machine):
            return True
        is_current = setup.record.recall(self.name, "environment") == setup.record.recall(
            "switch", "environment"
        )
        return is_current and setup.record.is_finished(self.name) and not setup.is_repair

    def apply(self, setup: Setup) -> None:
        roots = locations.host_files(setup.machine).get(self.host)
        if roots is None:
            raise SetupError(
                f"{TITLES[self.host]} was not found; start it once and run this again, or leave it out of --hosts"
            )
        keep_former(setup.record, self.name, roots, setup.former_folder)
        done = setup.selva(
            "host", "install", self.host, "--json",
            purpose=f"the scripts for {TITLES[self.host]} could not be installed",
        )  # fmt: skip
        note_written(setup.record, self.name)
        setup.record.remember(self.name, environment=setup.record.recall("switch", "environment"))
        for sentence in read_remaining(done.output):
            setup.note(f"{TITLES[self.host]}: {sentence}")

    def undo(self, setup: Setup) -> None:
        done = setup.selva("host", "remove", self.host, "--json")
        if done.status != 0:  # a broken environment: the record knows enough
            setup.runner.log.write(f"selva host remove {self.host} failed; going by the record")
        for path in restore(setup.record, self.name, setup.former_folder):
            setup.note(f"{path} was changed since, and stays")

    def plan_undo(self, setup: Setup) -> list[str]:
        return [f"remove Selva's scripts from {path}" for path in setup.record.recall(self.name, "roots", [])]


def read_remaining(output: str) -> list[str]:
    """What `selva host install --json` says is left to do."""
    try:
        reports = json.loads(output[output.index("[") :])
        return [str(sentence) for report in reports for sentence in report["left"]]
    except (ValueError, KeyError, TypeError):
        return []

"""Running the checks: side by side, each with a limit of time, and a check that fails is a line like any other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import Empty, Queue

from selva_cli.doctor.finding import Check, Finding, System
from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError


@dataclass(frozen=True, kw_only=True)
class CheckedLine:
    """A finding with the check it is of and how long that took. mended: what `--fix` did about it, or why it could not."""

    check: Check
    finding: Finding
    seconds: float
    mended: str = ""


@dataclass
class _Running:
    check: Check
    started_s: float
    answers: Queue[tuple[Sequence[Finding], float]] = field(default_factory=lambda: Queue(maxsize=1))

    def collect(self) -> tuple[Sequence[Finding], float]:
        """What it found. A thread cannot be ended; one that hangs is left behind and does not keep the program alive."""
        limit_s = self.check.limit_s
        try:
            return self.answers.get(timeout=max(0.0, self.started_s + limit_s - time.monotonic()))
        except Empty:
            return [describe_timeout(self.check)], limit_s


def run_checks(checks: Sequence[Check], system: System) -> Iterator[CheckedLine]:
    """The lines in the order of the checks, each as soon as it and those before it are there."""
    for running in [_start(check, system) for check in checks]:
        found, seconds = running.collect()
        for finding in found:
            yield CheckedLine(check=running.check, finding=finding, seconds=seconds)


def run_one(check: Check, system: System) -> Sequence[Finding]:
    """What a check finds; whatever it raises is one finding."""
    try:
        return list(check.run(system))
    except SelvaError as error:
        return [Finding(title=check.name, text=error.message, level="fault")]
    except Exception as error:
        return [
            Finding(
                title=check.name,
                text=f"This check failed ({type(error).__name__}: {error}), so nothing is known of it",
                level="warning",
                remedy=selva_command("doctor", "--report", "selva-doctor.zip"),
            )
        ]


def mend(lines: Sequence[CheckedLine]) -> list[CheckedLine]:
    """Apply the fixes of all lines that have one; gives all lines, with what was done."""
    return [line if line.finding.fix is None else _mend(line, line.finding.fix) for line in lines]


def describe_timeout(check: Check) -> Finding:
    """The line of a check that took too long."""
    return Finding(
        title=check.name,
        text=f"No answer within {check.limit_s:g} s, so nothing is known of it. A drive or network folder that does not "
        "answer, or a busy machine, does that",
        level="warning",
        remedy=selva_command("doctor", "--only", check.name),
    )


def _mend(line: CheckedLine, fix: Callable[[], str]) -> CheckedLine:
    try:
        done = fix()
    except (SelvaError, OSError) as error:
        return replace(line, mended=f"could not be mended: {error}")
    return replace(line, mended=done, finding=replace(line.finding, level="ok", fix=None, remedy=""))


def _start(check: Check, system: System) -> _Running:
    running = _Running(check, time.monotonic())

    def answer() -> None:
        found = run_one(check, system)
        running.answers.put((found, time.monotonic() - running.started_s))

    threading.Thread(target=answer, name=f"check {check.name}", daemon=True).start()
    return running

"""Starting programs, with everything that they print in one log, and a line per step forward on the screen."""

from __future__ import annotations

import datetime
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from environment import SetupError, cause_of_failure, printed_command

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_STEP = re.compile(
    r"\s*(Collecting|Downloading|Using cached|Processing|Installing|Building|Resolved|Prepared|Installed|Downloaded)\s+(.+)"
)
_SHOWN_CHARS = 100


def without_credentials(text: str) -> str:
    """Addresses without the name and password in them: logs are sent to others."""
    return _CREDENTIALS.sub("…@", text)


class Log:
    """The one log file of an installation; what happens before it is opened is held and written then."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._waiting: list[str] = []

    def open(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        waiting, self._waiting = self._waiting, []
        self._append("".join(waiting))

    def close(self) -> None:
        self.path = None

    def write(self, text: str) -> None:
        """Raises OSError."""
        now = datetime.datetime.now().isoformat(" ", "seconds")
        lines = "".join(f"{now} {line}\n" for line in without_credentials(text).splitlines())
        if self.path is None:
            self._waiting.append(lines)
        else:
            self._append(lines)

    def _append(self, lines: str) -> None:
        assert self.path is not None
        with self.path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(lines)


class Finished:
    """A program that has ended: its status and all that it printed."""

    def __init__(self, status: int, output: str) -> None:
        self.status = status
        self.output = output


class Runner:
    """Starts programs in an environment of their own. `say` shows a line to the person."""

    def __init__(self, log: Log, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.log = log
        self.environment = dict(environment)
        self.say = say

    def run(
        self,
        command: Sequence[str],
        *,
        purpose: str = "",
        variables: Mapping[str, str] | None = None,
        shows_steps: bool = False,
    ) -> Finished:
        """Run to the end. purpose: what has failed when it fails, as `the packages could not be installed`; without one
        the caller looks at the status. Raises SetupError with the cause in one line.
        """
        self.log.write(f"$ {printed_command(command)}")
        try:
            finished = self._run(command, {**self.environment, **(variables or {})}, shows_steps)
        except OSError as exc:
            self.log.write(f"cannot be started: {exc}")
            if purpose:
                raise SetupError(f"{purpose}: {command[0]} cannot be started: {exc}") from exc
            return Finished(127, str(exc))
        self.log.write(f"status {finished.status}")
        if finished.status != 0 and purpose:
            raise SetupError(f"{purpose}: {describe_cause(finished.output)}")
        return finished

    def _run(self, command: Sequence[str], environment: Mapping[str, str], shows_steps: bool) -> Finished:
        output: list[str] = []
        with subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=dict(environment),
        ) as program:
            assert program.stdout is not None
            try:
                for line in program.stdout:
                    output.append(line)
                    self.log.write(line)
                    if shows_steps and _STEP.match(line):
                        self.say(f"  {without_credentials(line.strip())[:_SHOWN_CHARS]}")
            except BaseException:  # a signal to the installer alone, or a full disk under the log
                program.terminate()
                raise
        return Finished(program.returncode, "".join(output))


def describe_cause(output: str) -> str:
    """Why a program failed, in one line: a known cause, else its last error, else its last line."""
    known = cause_of_failure(output.splitlines(keepends=True))
    if known:
        return known
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|cannot|failed|refused", line, re.IGNORECASE)]
    found = (errors or lines or ["it printed nothing"])[-1]
    return without_credentials(found)

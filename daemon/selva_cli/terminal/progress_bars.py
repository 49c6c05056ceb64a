"""Progress of a render on standard error: bars on a terminal, a line now and then in a pipe or a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from selva_cli.terminal.console import format_duration
from selva_cli.terminal.verbosity import is_quiet

if TYPE_CHECKING:
    from selva_daemon.protocol.status import JobStatus
    from selva_render.jobs import ClipJob

LINE_EVERY_S = 10.0
_LEFT_EVERY_S = 0.2
"""How often the time left is shown anew: to know it, all jobs are looked at, and 10,000 of them send 70,000 changes."""
_MIN_MEASURED = 0.02
"""Part of the work after which the time it took says something about the rest."""


class ProgressLines:
    """Writes a line to standard error at most every LINE_EVERY_S, and none for what is over before that."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_s = clock() + LINE_EVERY_S

    @property
    def is_due(self) -> bool:
        """Whether `show` would write."""
        return self._clock() >= self._next_s and not is_quiet()

    def show(self, text: str) -> None:
        if not self.is_due:
            return
        self._next_s = self._clock() + LINE_EVERY_S
        sys.stderr.write(f"selva: {text}\n")
        sys.stderr.flush()


class TimeLeft:
    """How long all jobs of a render still take: as the daemon says, else as fast as they went so far.

    num_jobs: as many as are expected; where more come, as for the takes of a stem that is made longer, they count too.
    """

    def __init__(self, *, num_jobs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_expected = max(num_jobs, 1)
        self._clock = clock
        self._started_s: float | None = None
        self._num_finished = 0
        self._fractions: dict[str, float] = {}
        self._ends_s: dict[str, float | None] = {}

    @property
    def num_jobs(self) -> int:
        return max(self._num_expected, self._num_finished + len(self._ends_s))

    @property
    def fraction(self) -> float:
        """Of the whole work, 0..1."""
        return min((self._num_finished + sum(self._fractions.values())) / self.num_jobs, 1.0)

    def update(self, status: JobStatus) -> None:
        now_s = self._clock()
        if status.is_finished:
            self._num_finished += 1
            self._fractions.pop(status.job_id, None)
            self._ends_s.pop(status.job_id, None)
            return
        if status.state == "running":
            self._started_s = now_s if self._started_s is None else self._started_s
            self._fractions[status.job_id] = status.fraction
        left_s = status.seconds_left
        self._ends_s[status.job_id] = None if left_s is None else now_s + left_s

    def seconds(self) -> float | None:
        """None when nothing can be said yet."""
        now_s = self._clock()
        ends_s = [end_s for end_s in self._ends_s.values() if end_s is not None]
        num_unfinished = self.num_jobs - self._num_finished
        if ends_s and len(ends_s) >= num_unfinished:
            return max(max(ends_s) - now_s, 0.0)
        if self._started_s is None or self.fraction < _MIN_MEASURED:
            return None
        return (now_s - self._started_s) * (1 - self.fraction) / self.fraction


class RenderBars:
    """Shows jobs as they change; call it with each status."""

    def __init__(
        self, *, num_clips: int, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """console: by default that of standard error."""
        console = console or Console(stderr=True)
        self._num_finished = 0
        self._clock = clock
        self._left = TimeLeft(num_jobs=num_clips, clock=clock)
        self._show_left_s = clock()
        self._lines = None if console.is_terminal else ProgressLines(clock=clock)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[stage]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal or is_quiet(),
            transient=True,
        )
        self._all = self._progress.add_task("clips", total=num_clips, stage="", left="")
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> RenderBars:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        self._left.update(status)
        if status.is_finished:
            self._finish(status)
        elif status.state == "running":
            self._show_running(job, status)
        if self._lines is None:
            if self._clock() >= self._show_left_s:
                self._show_left_s = self._clock() + _LEFT_EVERY_S
                self._progress.update(self._all, left=_format_left(self._left.seconds()))
        elif self._lines.is_due:
            stage = f"{job.clip.name}: {status.stage or status.state}"
            parts = [
                f"{self._num_finished} of {self._left.num_jobs} clips",
                f"{self._left.fraction:.0%}",
                stage,
                _format_left(self._left.seconds()),
            ]
            self._lines.show(", ".join(part for part in parts if part))

    def _show_running(self, job: ClipJob, status: JobStatus) -> None:
        bar = self._running.get(status.job_id)
        if bar is None:
            bar = self._progress.add_task(f"  {job.clip.name}", total=100, stage=status.stage, left="")
            self._running[status.job_id] = bar
        self._progress.update(
            bar,
            completed=round(100 * status.fraction),
            stage=status.stage,
            left=_format_left(status.seconds_left),
        )

    def _finish(self, status: JobStatus) -> None:
        self._num_finished += 1
        bar = self._running.pop(status.job_id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._progress.update(self._all, advance=1, total=self._left.num_jobs)


def _format_left(seconds: float | None) -> str:
    return "" if seconds is None else f"{format_duration(seconds)} left"

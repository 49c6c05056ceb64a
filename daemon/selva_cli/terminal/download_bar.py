"""Progress of a download on standard error: one bar over all files on a terminal, a line now and then in a pipe or a log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from selva_cli.terminal.console import format_duration, format_size
from selva_cli.terminal.progress_bars import ProgressLines
from selva_cli.terminal.verbosity import is_quiet, print_note

if TYPE_CHECKING:
    from selva_core.models.pull import PullProgress

_RATE_WINDOW_S = 20.0
_MIN_MEASURED_S = 1.0
_STAGES = {
    "look-up": "looking up",
    "verify": "checking",
    "extract": "taking out what is used of",
    "wait": "another selva changes the models folder; waiting for it",
}


class TransferRate:
    """Bytes per second over the last seconds; what was there before it began does not count."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, done_bytes: int) -> None:
        now_s = self._clock()
        if self._samples and done_bytes < self._samples[-1][1]:  # a damaged part is fetched again
            self._samples.clear()
        self._samples.append((now_s, done_bytes))
        while now_s - self._samples[0][0] > _RATE_WINDOW_S:
            self._samples.popleft()

    def bytes_per_second(self) -> float | None:
        """None when nothing can be said yet."""
        if len(self._samples) < 2:
            return None
        (first_s, first_bytes), (last_s, last_bytes) = self._samples[0], self._samples[-1]
        if last_s - first_s < _MIN_MEASURED_S or last_bytes == first_bytes:
            return None
        return (last_bytes - first_bytes) / (last_s - first_s)


class DownloadBar:
    """Shows a pull as it goes; call it with each `PullProgress`."""

    def __init__(
        self, *, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """console: by default that of standard error."""
        console = console or Console(stderr=True)
        self._rate = TransferRate(clock=clock)
        self._lines = None if console.is_terminal else ProgressLines(clock=clock)
        self._note = ""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[amount]}"),
            console=console,
            disable=not console.is_terminal or is_quiet(),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, amount="")

    def __enter__(self) -> DownloadBar:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, progress: PullProgress) -> None:
        if progress.stage == "download":
            self._rate.update(progress.done_bytes)
        amount = self._describe_amount(progress)
        self._progress.update(
            self._task,
            description=_describe_stage(progress),
            completed=progress.done_bytes,
            total=progress.total_bytes or None,
            amount=amount,
        )
        self._show_notes(progress)
        if self._lines is not None and progress.total_bytes:
            share = progress.done_bytes / progress.total_bytes
            self._lines.show(f"{_describe_stage(progress)}, {share:.0%}, {amount}")

    def _show_notes(self, progress: PullProgress) -> None:
        """A pause is a line of its own, once: it explains why nothing moves."""
        note = progress.note or (_STAGES["wait"] if progress.stage == "wait" else "")
        if note and note != self._note:
            if self._lines is None:
                self._progress.console.print(note, highlight=False, markup=False)
            else:
                print_note(note)
        self._note = note

    def _describe_amount(self, progress: PullProgress) -> str:
        if not progress.total_bytes:
            return ""
        parts = [f"{format_size(progress.done_bytes)} of {format_size(progress.total_bytes)}"]
        rate = self._rate.bytes_per_second()
        if rate is not None:
            left_s = (progress.total_bytes - progress.done_bytes) / rate
            parts += [f"{format_size(int(rate))}/s", f"{format_duration(left_s)} left"]
        return ", ".join(parts)


def _describe_stage(progress: PullProgress) -> str:
    count = f"[{progress.file_index + 1}/{progress.num_files}]" if progress.num_files else ""
    name = progress.path.rpartition("/")[2]
    stage = _STAGES.get(progress.stage, "")
    return " ".join(part for part in (count, stage, name if progress.stage != "wait" else "") if part)

"""Progress of a render on the terminal: one bar for all clips, one for each that runs. On standard error."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from selva_daemon.protocol.status import JobStatus
    from selva_render.jobs import ClipJob


class RenderBars:
    """Shows jobs as they change; call it with each status. Shows nothing when standard error is not a terminal."""

    def __init__(self, *, num_clips: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[stage]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._all = self._progress.add_task("clips", total=num_clips, stage="")
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> RenderBars:
        self._progress.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        if status.is_finished:
            self._finish(status)
            return
        if status.state != "running":
            return
        bar = self._running.get(status.job_id)
        if bar is None:
            bar = self._progress.add_task(f"  {job.clip.name}", total=100, stage=status.stage)
            self._running[status.job_id] = bar
        self._progress.update(bar, completed=round(100 * status.fraction), stage=status.stage)

    def _finish(self, status: JobStatus) -> None:
        bar = self._running.pop(status.job_id, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._progress.advance(self._all)

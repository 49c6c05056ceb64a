"""A job while it runs, and what its rendering is given: where stems may go and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selva_core.base.errors import RenderCancelled
from selva_core.base.pan import Panning
from selva_core.engine import RenderProgress
from selva_daemon.protocol.job import JobRequest, OutputRequest

if TYPE_CHECKING:
    from selva_core.audio.splice import Splice
    from selva_core.engine import Waveform

PREPARED_FRACTION = 0.03
"""Of the progress of a job, when its media was hashed."""


class OnProgress(Protocol):
    def __call__(self, progress: RenderProgress, *, part: str = "") -> None: ...


class StemWriter(Protocol):
    def __call__(
        self,
        path: Path,
        waveform: Waveform,
        *,
        output: OutputRequest,
        provenance: Mapping[str, str],
        panning: Panning,
        splice: Splice | None = None,
    ) -> WriteReport:
        """Write the sound to a file, flushed to disk. splice: where it is a stretch of an earlier stem. Raises OutputError."""
        ...


class WriteReport(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user, such as about clipping."""
        ...


@dataclass(frozen=True, kw_only=True)
class OutputRules:
    """Where stems may go (see resolve_output_folder)."""

    allowed: tuple[str, ...]
    forbidden: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """A running job: its id, its request, where its progress goes, and whether it was cancelled."""

    job_id: str
    job: JobRequest
    on_progress: OnProgress
    is_cancelled: Callable[[], bool]

    def report(self, progress: RenderProgress, *, part: str = "") -> None:
        """Raises RenderCancelled."""
        if self.is_cancelled():
            raise RenderCancelled("the job was cancelled")
        self.on_progress(progress, part=part)

    def report_loading(self, part: str, fraction: float) -> None:
        """part: "media" or "weights". Raises RenderCancelled."""
        self.report(RenderProgress(stage="loading", fraction=fraction), part=part)

    def report_hashed(self, done_bytes: int, total_bytes: int) -> None:
        self.report_loading("media", PREPARED_FRACTION * done_bytes / max(total_bytes, 1))

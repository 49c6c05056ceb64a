"""What a farm's job consists of, before it is written in the language of a scheduler."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from selva_core.base.errors import RequestError

MAX_CLIPS_PER_TASK = 10_000
DEFAULT_NAMING = "timecode"


@dataclass(frozen=True, kw_only=True)
class FarmPlan:
    """A job of `num_tasks` tasks of `clips_per_task` clips each, and one that gathers their stems when all are done.

    name: what people see. tracks, negatives: as typed, NAME=PROMPT. cues: the name of the cue sheet in the job's folder.
    timeline: the name of the timeline that is written into it. host: what it and the stems are written for. naming: how stems
    are named. num_gpus: that a worker must have.
    command: what starts `selva` on a worker.
    """

    name: str
    num_clips: int
    tracks: tuple[str, ...]
    negatives: tuple[str, ...]
    timeline: str
    model: str
    num_takes: int
    seed: int
    quality: str
    cues: str | None = None
    host: str | None = None
    naming: str = DEFAULT_NAMING
    clips_per_task: int = 1
    num_gpus: int = 0
    command: str = "selva"

    def __post_init__(self) -> None:
        if not 1 <= self.clips_per_task <= MAX_CLIPS_PER_TASK:
            raise RequestError(
                f"a task has 1 to {MAX_CLIPS_PER_TASK} clips; got {self.clips_per_task} (--clips-per-task)"
            )
        if not 0 <= self.num_gpus <= 16:
            raise RequestError(f"a worker has 0 to 16 GPUs; got {self.num_gpus} (--gpus)")

    @property
    def num_tasks(self) -> int:
        return math.ceil(self.num_clips / self.clips_per_task)

    def iter_fixed_arguments(self) -> Iterator[str]:
        """Of the tasks, what nobody changes after the export."""
        yield from ("--clips-per-task", str(self.clips_per_task))
        yield from self._iter_host_arguments()
        yield from ("--naming", self.naming) if self.naming != DEFAULT_NAMING else ()

    def iter_timeline_arguments(self) -> Iterator[str]:
        """Of the last step, beside the timeline's path. The export has seen to it that no work of others is there."""
        yield from self._iter_host_arguments()
        yield "--replace"

    def _iter_host_arguments(self) -> Iterator[str]:
        yield from ("--for", self.host) if self.host is not None else ()

"""The jobs that a worker is running, in batches: who has been asked to stop, and when each batch last moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class RunningJobs:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self._batch_of: dict[str, int] = {}
        self._num_left: dict[int, int] = {}
        self._progressed_s: dict[int, float] = {}
        self._cancel_asked_s: dict[str, float] = {}
        self._next_batch = 0

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._batch_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch_of)

    def __len__(self) -> int:
        return len(self._batch_of)

    @property
    def num_batches(self) -> int:
        return len(self._num_left)

    def begin(self, job_ids: Sequence[str], now_s: float) -> None:
        """Jobs that share batches have begun."""
        batch, self._next_batch = self._next_batch, self._next_batch + 1
        self._batch_of |= dict.fromkeys(job_ids, batch)
        self._num_left[batch], self._progressed_s[batch] = len(job_ids), now_s

    def progressed(self, job_id: str, now_s: float) -> None:
        self._progressed_s[self._batch_of[job_id]] = now_s

    def end(self, job_id: str) -> None:
        batch = self._batch_of.pop(job_id)
        self._cancel_asked_s.pop(job_id, None)
        self._num_left[batch] -= 1
        if not self._num_left[batch]:
            del self._num_left[batch], self._progressed_s[batch]

    def ask_to_cancel(self, job_id: str, now_s: float) -> bool:
        """False where it was asked before."""
        if job_id in self._cancel_asked_s:
            return False
        self._cancel_asked_s[job_id] = now_s
        return True

    def is_asked_to_cancel(self, job_id: str) -> bool:
        return job_id in self._cancel_asked_s

    def have_stalled(self, now_s: float, limit_s: float) -> bool:
        """Whether a batch has not moved for longer than `limit_s`."""
        return any(now_s - at_s > limit_s for at_s in self._progressed_s.values())

    def ignore_cancels(self, now_s: float, limit_s: float) -> bool:
        """Whether a job goes on for longer than `limit_s` after it was asked to stop."""
        return any(now_s - at_s > limit_s for at_s in self._cancel_asked_s.values())

    def allow_for(self, seconds: float) -> None:
        """Move all times: the machine slept."""
        self._progressed_s = {batch: at_s + seconds for batch, at_s in self._progressed_s.items()}
        self._cancel_asked_s = {job_id: at_s + seconds for job_id, at_s in self._cancel_asked_s.items()}

    def clear(self) -> None:
        for held in (self._batch_of, self._num_left, self._progressed_s, self._cancel_asked_s):
            held.clear()

"""The waiting jobs in memory, by turn, so that positions and the next job cost the same however long the queue is.

The queue on disk is what counts; this is built from it, and built anew after a transaction that failed.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import accumulate

from selva_daemon.jobs.scheduling import FairScheduler, QueueHead, TurnOrder
from selva_daemon.jobs.stored_job import JobTurn

_Group = tuple[int, str, str]  # priority, client, session


class WaitingJobs:
    """Jobs of a higher rank go first (`move`); within a rank the scheduler decides."""

    def __init__(self, turns: Iterable[JobTurn]) -> None:
        self._numbers: dict[int, dict[_Group, list[int]]] = {}
        self._counts: dict[int, int] = {}
        self._ranks: list[int] = []
        self.num_jobs = 0
        for turn in sorted(turns, key=lambda turn: turn.number):  # so that each is appended
            groups = self._numbers.setdefault(turn.rank, {})
            groups.setdefault(_group_of(turn), []).append(turn.number)
        for rank, groups in self._numbers.items():
            self._counts[rank] = sum(map(len, groups.values()))
        self._ranks = sorted(self._numbers)
        self.num_jobs = sum(self._counts.values())

    def add(self, turn: JobTurn) -> None:
        groups = self._numbers.get(turn.rank)
        if groups is None:
            groups = self._numbers[turn.rank] = {}
            insort(self._ranks, turn.rank)
        insort(groups.setdefault(_group_of(turn), []), turn.number)
        self._counts[turn.rank] = self._counts.get(turn.rank, 0) + 1
        self.num_jobs += 1

    def remove(self, turn: JobTurn) -> None:
        groups, group = self._numbers[turn.rank], _group_of(turn)
        numbers = groups[group]
        del numbers[bisect_left(numbers, turn.number)]
        if not numbers:
            del groups[group]
        self._counts[turn.rank] -= 1
        self.num_jobs -= 1
        if not groups:
            del self._numbers[turn.rank], self._counts[turn.rank]
            del self._ranks[bisect_left(self._ranks, turn.rank)]

    @property
    def first_rank(self) -> int:
        """Of the job that goes first; 0 when none waits."""
        return self._ranks[-1] if self._ranks else 0

    @property
    def last_rank(self) -> int:
        return self._ranks[0] if self._ranks else 0

    def heads(self, rank: int | None = None) -> list[QueueHead]:
        """Of the jobs of this rank, by default of those that go first."""
        groups = self._numbers.get(self.first_rank if rank is None else rank, {})
        return [
            QueueHead(
                priority=priority,
                client=client,
                session=session,
                number=numbers[0],
                num_waiting=len(numbers),
            )
            for (priority, client, session), numbers in groups.items()
        ]

    def positions(self, turns: Sequence[JobTurn], scheduler: FairScheduler) -> list[int]:
        """Of each job: 1 is next; see TurnOrder. A job that does not wait any more has the place behind those moved before it."""
        descending = self._ranks[::-1]
        before = dict(
            zip(descending, accumulate((self._counts[rank] for rank in descending), initial=0), strict=False)
        )
        orders: dict[int, TurnOrder] = {}
        positions = []
        for turn in turns:
            numbers = self._numbers.get(turn.rank, {}).get(_group_of(turn), [])
            if turn.rank not in before or not numbers:
                positions.append(1 + sum(count for rank, count in self._counts.items() if rank > turn.rank))
                continue
            if turn.rank not in orders:
                orders[turn.rank] = scheduler.turn_order(self.heads(turn.rank))
            index = bisect_left(numbers, turn.number)
            positions.append(before[turn.rank] + orders[turn.rank].num_before(_group_of(turn), index) + 1)
        return positions


def _group_of(turn: JobTurn) -> _Group:
    return turn.priority, turn.client, turn.session

"""Which job is run next and which jobs share batches: interactive before batch, clients in turn, no client starves.

Pure: knows neither disk nor clock.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from selva_daemon.jobs.stored_job import StoredJob

BATCH_GAP_S = 0.03
MAX_BATCH_STEMS = 64


@dataclass(frozen=True, kw_only=True)
class QueueHead:
    """The oldest waiting job of one session of a client in one priority class (0 goes before 1).

    client: the name of the key that CURVE has authenticated. session: what the sender says it is; it gives turns among the
    programs of one client only, so that inventing sessions takes nothing from others. num_waiting: how many jobs wait in it.
    """

    client: str
    session: str
    priority: int
    number: int
    num_waiting: int = 1


class FairScheduler:
    """Remembers who was served, so that a client with a thousand jobs does not hold up one with a single job: clients take
    turns, and within a client its sessions do.

    interactive_in_a_row: after so many picks of the first class while others wait, one of the others is picked.
    """

    def __init__(self, *, interactive_in_a_row: int) -> None:
        self._limit = interactive_in_a_row
        self._in_a_row = 0
        self._turn = 0
        self._last_turn_of: dict[tuple[str, ...], int] = {}

    def choose(self, heads: Sequence[QueueHead]) -> QueueHead | None:
        """The head to run next; None when nothing waits."""
        if not heads:
            return None
        first = [head for head in heads if head.priority == 0]
        others = [head for head in heads if head.priority != 0]
        others_turn = bool(others) and self._in_a_row >= self._limit
        candidates = others if others_turn else first or others
        client = min(_by_client(candidates).values(), key=self._client_turn)
        return min(client, key=self._session_turn)

    def record(self, chosen: QueueHead, heads: Sequence[QueueHead]) -> None:
        """Remember that `chosen` of `heads` was served; what has nothing waiting is forgotten."""
        others_wait = any(head.priority != 0 for head in heads)
        self._in_a_row = self._in_a_row + 1 if chosen.priority == 0 and others_wait else 0
        self._turn += 1
        for key in ((chosen.client,), (chosen.client, chosen.session)):
            self._last_turn_of[key] = self._turn
        waiting = {key for head in heads for key in ((head.client,), (head.client, head.session))}
        self._last_turn_of = {key: turn for key, turn in self._last_turn_of.items() if key in waiting}

    def turn_order(self, heads: Sequence[QueueHead]) -> TurnOrder:
        """The order in which the jobs behind these heads are served if nothing else arrives."""
        classes: dict[int, dict[str, _ClientOrder]] = {}
        for head in heads:
            clients = classes.setdefault(head.priority, {})
            clients.setdefault(head.client, _ClientOrder()).heads.append(head)
        for clients in classes.values():
            for order in clients.values():
                order.heads.sort(key=self._session_turn)
                order.turn = self._client_turn(order.heads)
        return TurnOrder(classes, in_a_row=self._in_a_row, limit=self._limit)

    def _client_turn(self, heads: Sequence[QueueHead]) -> tuple[int, int]:
        return self._last_turn_of.get((heads[0].client,), 0), min(head.number for head in heads)

    def _session_turn(self, head: QueueHead) -> tuple[int, int]:
        return self._last_turn_of.get((head.client, head.session), 0), head.number


class _ClientOrder:
    """The sessions of one client in one priority class. They take turns: round i serves each that has more than i jobs."""

    def __init__(self) -> None:
        self.heads: list[QueueHead] = []
        self.turn = (0, 0)
        self._rounds: dict[int, dict[str, int]] = {}

    @cached_property
    def num_waiting(self) -> int:
        return sum(head.num_waiting for head in self.heads)

    @cached_property
    def _lengths(self) -> tuple[list[int], list[int]]:
        """How many jobs the sessions have, ascending, and their sums up to each."""
        lengths = sorted(head.num_waiting for head in self.heads)
        return lengths, list(accumulate(lengths, initial=0))

    def num_before(self, session: str, index: int) -> int:
        """How many of this client's jobs are served before the one at `index` of a session."""
        lengths, sums = self._lengths
        num_shorter = bisect_right(lengths, index)
        earlier_rounds = sums[num_shorter] + (len(lengths) - num_shorter) * index
        if index not in self._rounds:  # the jobs of a list are in few rounds, so each is laid out once
            served = (head.session for head in self.heads if head.num_waiting > index)
            self._rounds[index] = {name: place for place, name in enumerate(served)}
        return earlier_rounds + self._rounds[index][session]


class TurnOrder:
    """How many jobs are served before another, for any number of jobs of one rank."""

    def __init__(
        self, classes: Mapping[int, Mapping[str, _ClientOrder]], *, in_a_row: int, limit: int
    ) -> None:
        self._classes = classes
        self._in_a_row = in_a_row
        self._limit = limit
        self._num_waiting = {
            priority: sum(client.num_waiting for client in clients.values())
            for priority, clients in classes.items()
        }

    def num_before(self, group: tuple[int, str, str], index: int) -> int:
        """How many waiting jobs are served before the one at `index` (0 is the oldest) of a group: priority, client, session.

        Exact if nothing else arrives, as long as jobs of one priority wait; an estimate where both do: being served in one
        changes the turns in the other, and following that step by step takes as long as the queue is.
        """
        priority, client, session = group
        clients = self._classes[priority]
        own = clients[client]
        in_client = own.num_before(session, index)
        in_class = in_client + sum(
            min(other.num_waiting, in_client + (other.turn < own.turn))
            for other in clients.values()
            if other is not own
        )
        num_others = sum(self._num_waiting.values()) - self._num_waiting[priority]
        if priority == 0:
            return in_class + min(num_others, (in_class + self._in_a_row) // self._limit)
        return in_class + min(num_others, max(0, (in_class + 1) * self._limit - self._in_a_row))


def _by_client(heads: Sequence[QueueHead]) -> dict[str, list[QueueHead]]:
    grouped: dict[str, list[QueueHead]] = {}
    for head in heads:
        grouped.setdefault(head.client, []).append(head)
    return grouped


def can_batch(taken: Sequence[StoredJob], job: StoredJob) -> bool:
    """Whether `job` can be rendered in the same batches as `taken`.

    Not more stems than fill a batch: more would make all of them wait. A job that had a crash runs alone, so that the next
    crash has one suspect.
    """
    return sum(each.num_stems for each in (*taken, job)) <= MAX_BATCH_STEMS and all(
        each.shape == job.shape and not each.had_a_crash for each in (*taken, job)
    )


class BatchWindow:
    """Whether to hold an idle worker for a moment, because jobs of the shape of the next one are still arriving.

    The window opens when two jobs of one shape arrive within `gap_s`, and closes when `gap_s` has passed without another:
    a single job is never held.
    """

    def __init__(self, *, gap_s: float = BATCH_GAP_S) -> None:
        self._gap_s = gap_s
        self._shape: Hashable = None
        self._last_s = -math.inf
        self._are_several = False

    def record_arrival(self, shape: Hashable, now_s: float) -> None:
        self._are_several = shape == self._shape and now_s - self._last_s < self._gap_s
        self._shape, self._last_s = shape, now_s

    def waits_until_s(self, shape: Hashable, now_s: float) -> float | None:
        """When to begin with jobs of this shape; None for now."""
        until_s = self._last_s + self._gap_s
        return until_s if self._are_several and shape == self._shape and now_s < until_s else None

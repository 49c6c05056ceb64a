"""Which job is run next and which jobs share batches: interactive before batch, clients in turn, no client starves.

Pure: knows neither disk nor clock.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

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

    def num_before(self, head: QueueHead, index: int, heads: Sequence[QueueHead]) -> int:
        """How many waiting jobs are served before the one at `index` (0 is the oldest) of `head`, one of `heads`.

        Exact if nothing else arrives, as long as jobs of one priority wait; an estimate where both do: being served in one
        changes the turns in the other, and following that step by step takes as long as the queue is.
        """
        same = [each for each in heads if each.priority == head.priority]
        clients = _by_client(same)
        own = clients.pop(head.client)
        in_client = index + sum(
            min(each.num_waiting, index + (self._session_turn(each) < self._session_turn(head)))
            for each in own
            if each is not head
        )
        in_class = in_client + sum(
            min(
                sum(head.num_waiting for head in group),
                in_client + (self._client_turn(group) < self._client_turn(own)),
            )
            for group in clients.values()
        )
        num_others = sum(each.num_waiting for each in heads) - sum(each.num_waiting for each in same)
        if head.priority == 0:
            return in_class + min(num_others, (in_class + self._in_a_row) // self._limit)
        return in_class + min(num_others, max(0, (in_class + 1) * self._limit - self._in_a_row))

    def _client_turn(self, heads: Sequence[QueueHead]) -> tuple[int, int]:
        return self._last_turn_of.get((heads[0].client,), 0), min(head.number for head in heads)

    def _session_turn(self, head: QueueHead) -> tuple[int, int]:
        return self._last_turn_of.get((head.client, head.session), 0), head.number


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

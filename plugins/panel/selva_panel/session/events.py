"""What is sent to the open pages: each has a queue of its own, and one that does not read is dropped, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MAX_WAITING = 500


class EventHub:
    """The pages that are open. For the thread of the event loop."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Mapping[str, Any] | None]] = set()

    @property
    def num_pages(self) -> int:
        return len(self._queues)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[Mapping[str, Any] | None]]:
        """The queue of one page. None in it: the page has fallen behind or the panel ends, and the socket is closed."""
        queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def send(self, message: Mapping[str, Any]) -> None:
        for queue in list(self._queues):
            if queue.qsize() >= MAX_WAITING:  # the page asks for the whole state when it connects again
                self._queues.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

    def close(self) -> None:
        for queue in self._queues:
            queue.put_nowait(None)

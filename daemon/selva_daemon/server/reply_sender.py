"""Sending replies without keeping more for clients that do not read than a fixed number of bytes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import zmq

MAX_UNREAD_BYTES = 64 << 20
"""Of one client, over all its connections: four replies of the largest size."""
SMALL_REPLY_BYTES = 64 << 10
"""Replies up to here are counted by ZeroMQ's high-water mark only, which bounds them to 32 MiB per connection."""
_log = logging.getLogger(__name__)


class _Unread:
    """What ZeroMQ has not passed to the system yet, of one client."""

    def __init__(self) -> None:
        self._pending: deque[tuple[Callable[[], bool], int]] = deque()
        self._size_bytes = 0

    def add(self, is_done: Callable[[], bool], size_bytes: int) -> None:
        self._pending.append((is_done, size_bytes))
        self._size_bytes += size_bytes

    def size_bytes(self) -> int:
        left = deque(each for each in self._pending if not each[0]())
        self._pending, self._size_bytes = left, sum(size for _, size in left)
        return self._size_bytes


class ReplySender:
    """Sends the one frame of a reply to a route, or drops it when its client does not read."""

    def __init__(self, *, max_unread_bytes: int = MAX_UNREAD_BYTES) -> None:
        self._max_unread_bytes = max_unread_bytes
        self._unread: dict[str, _Unread] = {}

    def send(self, socket: zmq.Socket[bytes], route: bytes, packed: bytes, *, client: str) -> bool:
        """False when the reply was dropped. `client`: the name of the authenticated key."""
        if len(packed) <= SMALL_REPLY_BYTES:
            return _send(socket, [route, packed])
        unread = self._unread.setdefault(client, _Unread())
        if unread.size_bytes() + len(packed) > self._max_unread_bytes:
            _log.debug(
                "%d bytes of replies wait to be read", self._max_unread_bytes, extra={"client": client}
            )
            return False
        frame = zmq.Frame(packed, track=True, copy=False)
        if not _send(socket, [route, frame]):
            return False
        tracker = frame.tracker
        assert tracker is not None  # noqa: S101 - it was asked for
        unread.add(lambda: tracker.done, len(packed))
        return True


def _send(socket: zmq.Socket[bytes], frames: list[bytes | zmq.Frame]) -> bool:
    try:
        socket.send_multipart(frames, flags=zmq.DONTWAIT, copy=False)
    except zmq.Again:
        return False
    return True

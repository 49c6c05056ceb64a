"""Publishing what changes, so that every client can follow without asking.

Topics: `job.<job_id>` for one job, `daemon` for the daemon. A new subscriber to a job's topic is sent the job's present
state immediately, so nothing is lost between asking and subscribing.
"""

from __future__ import annotations

import logging

import msgspec
import zmq

from selva_daemon.protocol.envelope import MAX_REPLY_BYTES, Envelope, pack
from selva_daemon.protocol.status import DAEMON_TOPIC, JOB_TOPIC, DaemonEvent, JobStatus

MAX_SUBSCRIPTION_BYTES = 200
MAX_TOPICS = 50_000
"""More than three times the jobs that a queue of the default size and its history hold."""
MAX_EVENT_BYTES = 64 << 10
"""A subscriber that does not read costs at most this times the socket's high-water mark."""
_SUBSCRIBED, _CANCELLED = b"\x01", b"\x00"  # first byte of a message of a subscriber (RFC 29)
_log = logging.getLogger(__name__)


class EventPublisher:
    """Owns the XPUB socket. A subscriber that does not keep up loses events, not the daemon's time; the gap in the sequence
    numbers tells it.
    """

    def __init__(self, socket: zmq.Socket[bytes], *, session: str) -> None:
        self._session = session
        self.use(socket)

    def use(self, socket: zmq.Socket[bytes]) -> None:
        """Publish on this socket, which has no subscribers yet, from now on."""
        self.socket = socket
        self._topics: set[bytes] = set()
        # Else a second subscriber to a topic goes unnoticed, and is not sent the present state.
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)

    @property
    def has_too_many_topics(self) -> bool:
        """Whether subscribers hold more memory than they can have a use for; a fresh socket (`use`) frees it."""
        return len(self._topics) > MAX_TOPICS

    def is_followed(self, job_id: str) -> bool:
        """Whether anybody has subscribed to this job. A subscription is to all topics that begin as it does."""
        topic = (JOB_TOPIC + job_id).encode("utf-8", errors="replace")
        return any(topic[:length] in self._topics for length in range(len(topic) + 1))

    def publish_job(self, status: JobStatus) -> None:
        """A status that is too large goes without its stems: a client then asks for them (`job`)."""
        packed = self._pack(status)
        if len(packed) > MAX_EVENT_BYTES:
            packed = self._pack(msgspec.structs.replace(status, stems=()))
        self._publish(JOB_TOPIC + status.job_id, packed)

    def publish_daemon(self, event: DaemonEvent) -> None:
        self._publish(DAEMON_TOPIC, self._pack(event))

    def next_subscription(self) -> str | None:
        """The topic of the next new subscription; None for any other message. A message must be waiting."""
        message = self.socket.recv()
        if message.startswith(_CANCELLED):
            self._topics.discard(message[1:])
        if not message.startswith(_SUBSCRIBED) or len(message) > MAX_SUBSCRIPTION_BYTES:
            return None
        self._topics.add(message[1:])
        return message[1:].decode("utf-8", errors="replace")

    def _pack(self, body: JobStatus | DaemonEvent) -> bytes:
        envelope = Envelope(type="event", request_id="", session=self._session, body=body)
        return pack(envelope, max_bytes=MAX_REPLY_BYTES)

    def _publish(self, topic: str, packed: bytes) -> None:
        try:
            self.socket.send_multipart([topic.encode("ascii"), packed], flags=zmq.DONTWAIT)
        except zmq.Again:
            _log.debug("an event was dropped: subscribers do not keep up", extra={"topic": topic})

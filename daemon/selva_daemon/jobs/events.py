"""Publishing what changes, so that every client can follow without asking.

Topics: `job.<job_id>` for one job, `daemon` for the daemon. A new subscriber to a job's topic is sent the job's present
state immediately, so nothing is lost between asking and subscribing.
"""

from __future__ import annotations

import logging

import zmq

from selva_daemon.protocol.envelope import Envelope, pack
from selva_daemon.protocol.status import DAEMON_TOPIC, JOB_TOPIC, DaemonEvent, JobStatus

MAX_SUBSCRIPTION_BYTES = 200
_SUBSCRIBED = b"\x01"  # first byte of a subscription (RFC 29); 0 cancels one
_log = logging.getLogger(__name__)


class EventPublisher:
    """Owns the XPUB socket. A subscriber that does not keep up loses events, not the daemon's time; the gap in the sequence
    numbers tells it.
    """

    def __init__(self, socket: zmq.Socket[bytes], *, session: str) -> None:
        self._session = session
        self.use(socket)

    def use(self, socket: zmq.Socket[bytes]) -> None:
        """Publish on this socket from now on."""
        self.socket = socket
        # Else a second subscriber to a topic goes unnoticed, and is not sent the present state.
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)

    def publish_job(self, status: JobStatus) -> None:
        self._publish(JOB_TOPIC + status.job_id, status)

    def publish_daemon(self, event: DaemonEvent) -> None:
        self._publish(DAEMON_TOPIC, event)

    def next_subscription(self) -> str | None:
        """The topic of the next new subscription; None for any other message. A message must be waiting."""
        message = self.socket.recv()
        if not message.startswith(_SUBSCRIBED) or len(message) > MAX_SUBSCRIPTION_BYTES:
            return None
        return message[1:].decode("utf-8", errors="replace")

    def _publish(self, topic: str, body: JobStatus | DaemonEvent) -> None:
        envelope = Envelope(type="event", request_id="", session=self._session, body=body)
        try:
            self.socket.send_multipart([topic.encode("ascii"), pack(envelope)], flags=zmq.DONTWAIT)
        except zmq.Again:
            _log.debug("an event was dropped: subscribers do not keep up", extra={"topic": topic})

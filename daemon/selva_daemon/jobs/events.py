"""Publishing what changes, so that every client can follow without asking.

Topics: `job.<job_id>` for one job, `daemon` for the daemon. Who subscribes to a job's topic gets its
present state at once, so nothing can fall between asking and subscribing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import zmq

from selva_daemon.protocol.envelope import Envelope, pack

JOB_TOPIC = "job."
DAEMON_TOPIC = "daemon"
_log = logging.getLogger(__name__)


class EventPublisher:
    """Owns the XPUB socket. A subscriber that does not keep up loses events, not the daemon's time;
    sequence numbers tell it.
    """

    def __init__(self, socket: zmq.Socket[bytes], *, session: str) -> None:
        self._session = session
        self.use(socket)

    def use(self, socket: zmq.Socket[bytes]) -> None:
        """Publish on this socket from now on."""
        self.socket = socket
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)

    def publish_job(self, body: Mapping[str, Any]) -> None:
        self._publish(JOB_TOPIC + str(body["job_id"]), dict(body))

    def publish_daemon(self, body: Mapping[str, Any]) -> None:
        self._publish(DAEMON_TOPIC, dict(body))

    def next_subscription(self) -> str | None:
        """The topic somebody subscribed to; None for anything else that arrived. Something must wait."""
        message = self.socket.recv()
        if not message.startswith(b"\x01") or len(message) > 200:
            return None
        return message[1:].decode("utf-8", errors="replace")

    def _publish(self, topic: str, body: dict[str, Any]) -> None:
        envelope = Envelope(type="event", request_id="", session=self._session, body=body)
        try:
            self.socket.send_multipart([topic.encode("ascii"), pack(envelope)], flags=zmq.DONTWAIT)
        except zmq.Again:
            _log.debug("an event was dropped: subscribers do not keep up", extra={"topic": topic})

"""The client's sockets to one daemon, requests and replies, and reconnecting to a daemon that was restarted.

The protocol is written once, without waiting (sans-I/O): a generator yields what it waits for (`PollRequest`) and is sent
the sockets that are ready. The synchronous and the asynchronous client each drive it in their own way.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import zmq

from selva_core.base.command_line import selva_command
from selva_daemon.protocol import requests
from selva_daemon.protocol.connection import ELSEWHERE, Connection, read_connection, start_hint
from selva_daemon.protocol.envelope import MAX_REPLY_BYTES, Envelope, new_id, pack, parse
from selva_daemon.protocol.errors import (
    DaemonRefusedError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    from_wire,
)
from selva_daemon.protocol.requests import CONTROL, JOBS, HelloReply, Request

CHECK_DAEMON_S = 0.5
QUICK_FAILURES, QUICK_FAILURE_S = 3, 3.0
FAILED_HANDSHAKES = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
T = TypeVar("T")
Socket = zmq.Socket[bytes]


@dataclass(frozen=True, kw_only=True)
class PollRequest:
    """Wait until one of the sockets has a message, or the time is over."""

    sockets: Sequence[Socket]
    timeout_s: float


ReadySockets = Sequence[Socket]
ProtocolSteps = Generator[PollRequest, ReadySockets, T]


class ClientTransport:
    """`open` makes the sockets, and they are made again when the daemon was restarted. `close` it from the thread that uses
    it: ZeroMQ sockets belong to one thread.
    """

    def __init__(self, connection_file: Path) -> None:
        self._connection_file = connection_file
        self._context: zmq.Context[Socket] = zmq.Context()
        self._session = new_id()
        self._channels: dict[str, Socket] = {}
        self._monitor: Socket | None = None
        self._failed_handshakes = 0
        self._connected_s = 0.0
        self.connection: Connection | None = None
        self.generation = 0

    def open(self, *, timeout_s: float) -> ProtocolSteps[HelloReply]:
        """Connect and greet. Raises DaemonUnavailableError, DaemonRefusedError, DaemonTimeoutError,
        ProtocolError.
        """
        self._connect(read_connection(self._connection_file))
        return (yield from self.exchange(requests.hello(JOBS), timeout_s=timeout_s))

    def close(self) -> None:
        self._disconnect()
        self._context.destroy(linger=0)

    def exchange(self, request: Request[T], *, timeout_s: float) -> ProtocolSteps[T]:
        """Send the request and return its parsed reply.

        When the daemon is restarted in that time, the request goes to the new one under the same id, so a
        job is queued once. Raises the daemon's error, DaemonTimeoutError, DaemonUnavailableError,
        DaemonRefusedError.
        """
        envelope = Envelope(type=request.type, request_id=new_id(), session=self._session, body=request.body)
        packed = pack(envelope)
        give_up_s = time.monotonic() + timeout_s
        is_sent = self._send(request.channel, packed)
        while True:
            check_daemon_s = min(give_up_s, time.monotonic() + CHECK_DAEMON_S)
            reply = yield from self._receive(request.channel, envelope.request_id, until_s=check_daemon_s)
            if reply is not None:
                return request.parse(reply.body)
            self._raise_if_refused(timed_out=time.monotonic() >= give_up_s)
            if self._reconnect_until(give_up_s):
                is_sent = self._send(request.channel, packed)
            elif time.monotonic() >= give_up_s:
                raise DaemonTimeoutError(
                    f"the daemon did not answer {request.type!r} in {timeout_s:g} s; see: {selva_command('daemon', 'status')}",
                    request=request.type,
                    timeout_s=timeout_s,
                )
            elif not is_sent:
                is_sent = self._send(request.channel, packed)

    def _send(self, channel: str, packed: bytes) -> bool:
        """Whether it was sent: a daemon that refuses the handshake leaves no connection, and a send would wait for ever."""
        try:
            self._channels[channel].send(packed, zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

    def _reconnect_until(self, give_up_s: float) -> bool:
        """As `reconnect`, but a daemon that is gone may come back until then."""
        try:
            return self.reconnect()
        except DaemonUnavailableError:
            if time.monotonic() >= give_up_s:
                raise
            return False

    def subscribe(self, topics: Sequence[str]) -> Socket:
        """A socket that receives the events of these topics; the caller closes it."""
        socket = self._socket(zmq.SUB)
        socket.rcvhwm = 0
        for topic in topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic.encode("utf-8"))
        assert self.connection is not None  # noqa: S101 - `_socket` needs it too
        socket.connect(self.connection.events)
        return socket

    def _connect(self, connection: Connection) -> None:
        if not connection.process_is_alive:
            raise DaemonUnavailableError(
                f"no daemon is running (process {connection.pid} is gone). {start_hint()}",
                path=str(self._connection_file),
            )
        self._disconnect()
        self.connection = connection
        self.generation += 1
        self._failed_handshakes = 0
        self._connected_s = time.monotonic()
        for channel, endpoint in ((JOBS, connection.jobs), (CONTROL, connection.control)):
            self._channels[channel] = self._socket(zmq.DEALER)
            if channel == JOBS:
                self._monitor = self._channels[JOBS].get_monitor_socket(FAILED_HANDSHAKES)
            self._channels[channel].connect(endpoint)

    def _disconnect(self) -> None:
        if self._monitor is not None:
            self._channels[JOBS].disable_monitor()
            self._monitor.close(linger=0)
            self._monitor = None
        for socket in self._channels.values():
            socket.close(linger=0)
        self._channels.clear()

    def _socket(self, kind: int) -> Socket:
        assert self.connection is not None  # noqa: S101 - `open` comes first
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.curve_serverkey = self.connection.server_key.encode("ascii")
        socket.curve_publickey = self.connection.client.public.encode("ascii")
        socket.curve_secretkey = self.connection.client.secret.encode("ascii")
        if "[" in self.connection.jobs:
            socket.setsockopt(zmq.IPV6, 1)
        return socket

    def _receive(self, channel: str, request_id: str, *, until_s: float) -> ProtocolSteps[Envelope | None]:
        """The reply to this request; replies to earlier requests that timed out are dropped."""
        socket = self._channels[channel]
        while (left_s := until_s - time.monotonic()) > 0:
            if not (yield PollRequest(sockets=[socket], timeout_s=left_s)):
                return None
            reply = parse(socket.recv_multipart(), max_bytes=MAX_REPLY_BYTES)
            if reply.type == "error" and reply.request_id in (request_id, ""):
                raise from_wire(reply.body)  # no id: the daemon could not read our message
            if reply.request_id == request_id:
                return reply
        return None

    def reconnect(self) -> bool:
        """Connect to the daemon that was started in place of the one we knew; False when ours still runs.

        Raises DaemonUnavailableError when ours is gone and there is no other.
        """
        assert self.connection is not None  # noqa: S101 - `open` comes first
        try:
            found = read_connection(self._connection_file)
        except DaemonUnavailableError:
            if self.connection.process_is_alive:
                return False
            raise
        if found.instance == self.connection.instance:
            if not found.process_is_alive:
                raise DaemonUnavailableError(
                    f"the daemon (process {found.pid}) is gone. {start_hint()}", pid=found.pid
                )
            return False
        self._connect(found)
        return True

    def _raise_if_refused(self, *, timed_out: bool) -> None:
        """Raises DaemonRefusedError when the daemon refuses our key.

        ZeroMQ reports a refusal only sometimes as such (HANDSHAKE_FAILED_AUTH). A wrong server key, for one, looks like any
        failed handshake, and a busy daemon fails one now and then: so the keys are taken to be wrong when several handshakes
        fail within seconds of connecting, or when one has failed and the time is over.
        """
        is_unknown = False
        while self._monitor is not None and self._monitor.poll(0):
            event = int.from_bytes(self._monitor.recv_multipart()[0][:2], "little")
            is_unknown = is_unknown or event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self._failed_handshakes += 1
        if self.connection is not None and not self.connection.process_is_alive:
            return  # it was killed during a handshake, which says nothing about keys
        failed_quickly = (
            self._failed_handshakes >= QUICK_FAILURES
            and time.monotonic() - self._connected_s < QUICK_FAILURE_S
        )
        if is_unknown or failed_quickly or (timed_out and self._failed_handshakes):
            remedy = (
                "Ask there for a new file (selva daemon invite)"
                if self.connection is not None and self.connection.pid == ELSEWHERE
                else f"Restart it with: {selva_command('daemon', 'stop')}, then {selva_command('daemon', 'start')}"
            )
            raise DaemonRefusedError(
                f"the daemon does not accept the keys in {self._connection_file}, or is not the daemon they "
                f"belong to. {remedy}",
                path=str(self._connection_file),
            )

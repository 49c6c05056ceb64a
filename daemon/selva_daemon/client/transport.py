"""The client's end of the wire: sockets to one daemon, requests and replies, and finding the daemon again.

Everything that waits is written once, as a generator that yields what it waits for (`Wait`) and is sent the
sockets that are ready; the synchronous and the asynchronous client each drive it in their own way.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import zmq

from selva_core.base.command_line import selva_command
from selva_daemon.protocol import requests as calls
from selva_daemon.protocol.connection import ELSEWHERE, Connection, read_connection, start_hint
from selva_daemon.protocol.envelope import MAX_REPLY_BYTES, Envelope, new_id, pack, parse
from selva_daemon.protocol.errors import (
    DaemonRefusedError,
    DaemonTimeoutError,
    DaemonUnavailableError,
    from_wire,
)
from selva_daemon.protocol.requests import CONTROL, JOBS, Call, HelloReply

LOOK_AROUND_S = 0.5
QUICK_REFUSALS, QUICK_REFUSAL_S = 3, 3.0
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
    """Sockets are made by `open` and again when the daemon was restarted; `close` it from the thread that
    uses it.
    """

    def __init__(self, connection_file: Path) -> None:
        self._connection_file = connection_file
        self._context: zmq.Context[Socket] = zmq.Context()
        self._session = new_id()
        self._channels: dict[str, Socket] = {}
        self._monitor: Socket | None = None
        self._refusals = 0
        self._connected_s = 0.0
        self.connection: Connection | None = None
        self.generation = 0

    def open(self, *, timeout_s: float) -> ProtocolSteps[HelloReply]:
        """Connect and greet. Raises DaemonUnavailableError, DaemonRefusedError, DaemonTimeoutError,
        ProtocolError.
        """
        self._connect(read_connection(self._connection_file))
        return (yield from self.exchange(calls.hello(JOBS), timeout_s=timeout_s))

    def close(self) -> None:
        self._disconnect()
        self._context.destroy(linger=0)

    def exchange(self, call: Call[T], *, timeout_s: float) -> ProtocolSteps[T]:
        """Send the request and return its parsed reply.

        When the daemon is restarted in that time, the request goes to the new one under the same id, so a
        job is queued once. Raises the daemon's error, DaemonTimeoutError, DaemonUnavailableError,
        DaemonRefusedError.
        """
        request = Envelope(type=call.type, request_id=new_id(), session=self._session, body=call.body)
        packed = pack(request)
        give_up_s = time.monotonic() + timeout_s
        self._channels[call.channel].send(packed)
        while True:
            look_around_s = min(give_up_s, time.monotonic() + LOOK_AROUND_S)
            reply = yield from self._receive(call.channel, request.request_id, until_s=look_around_s)
            if reply is not None:
                return call.parse(reply.body)
            self._raise_if_refused(at_last=time.monotonic() >= give_up_s)
            if self._find_again_until(give_up_s):
                self._channels[call.channel].send(packed)
            elif time.monotonic() >= give_up_s:
                raise DaemonTimeoutError(
                    f"the daemon did not answer {call.type!r} in {timeout_s:g} s; see: {selva_command('daemon', 'status')}",
                    request=call.type,
                    timeout_s=timeout_s,
                )

    def _find_again_until(self, give_up_s: float) -> bool:
        """As `find_again`, but a daemon that is gone may come back until then."""
        try:
            return self.find_again()
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
        self._refusals = 0
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
        """The reply to this request; replies to requests that were given up are dropped."""
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

    def find_again(self) -> bool:
        """Connect to the daemon that took the place of the one we knew; False when ours is still there.

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

    def _raise_if_refused(self, *, at_last: bool) -> None:
        """Our key is unknown when the daemon says so. When handshakes only fail, the keys are to blame if they
        fail again and again at once, or to the very end; a daemon without time fails one now and then.
        """
        is_unknown = False
        while self._monitor is not None and self._monitor.poll(0):
            event = int.from_bytes(self._monitor.recv_multipart()[0][:2], "little")
            is_unknown = is_unknown or event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self._refusals += 1
        at_once = self._refusals >= QUICK_REFUSALS and time.monotonic() - self._connected_s < QUICK_REFUSAL_S
        if is_unknown or at_once or (at_last and self._refusals):
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

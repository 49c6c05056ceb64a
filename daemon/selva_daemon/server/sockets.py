"""The daemon's three listening sockets and the authenticator of their peers.

All three speak CURVE (rfc.zeromq.org/spec/26) and ask the authenticator over ZAP (rfc.zeromq.org/spec/27); a peer without an
authorized key gets no further than its handshake.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import zmq
import zmq.utils.z85

from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_daemon.protocol.envelope import MAX_MESSAGE_BYTES
from selva_daemon.protocol.keys import DaemonKeys
from selva_daemon.server.authorized_keys import AuthorizedKeys
from selva_daemon.server.logs import RepeatedWarning

ZAP_ADDRESS = "inproc://zeromq.zap.01"
ZAP_DOMAIN = b"selva"
STOP_ADDRESS = "inproc://authenticator-stop"
HANDSHAKE_TIMEOUT_MS = 5_000
MAX_PENDING_MESSAGES = 500
MAX_SUBSCRIBER_MESSAGE_BYTES = 1_024
"""Subscribers send topics and their part of the handshake (400 bytes); each byte of a topic costs a node of ZeroMQ's trie."""
PORT_FREE_S = 2.0
_log = logging.getLogger(__name__)
Socket = zmq.Socket[bytes]
Context = zmq.Context[Socket]


class ZapAuthenticator:
    """Answers ZAP requests: the key is authorized (status 200; the key becomes the user id) or it is not (400).

    It has a thread of its own, so that a handshake does not wait while the server waits for the disk: ZeroMQ gives up a
    handshake after HANDSHAKE_TIMEOUT_MS.
    """

    def __init__(self, context: Context, authorized_keys: AuthorizedKeys) -> None:
        self._authorized_keys = authorized_keys
        self.refused = 0
        self._refusals = RepeatedWarning(_log)
        self._stop_sender = context.socket(zmq.PAIR)
        self._stop_sender.bind(STOP_ADDRESS)
        self._zap = context.socket(zmq.REP)
        self._zap.linger = 0
        self._zap.bind(ZAP_ADDRESS)
        self._thread = threading.Thread(target=self._run, args=(context,), name="authenticator")
        self._thread.start()

    def close(self) -> None:
        self._stop_sender.send(b"")
        self._thread.join()
        self._stop_sender.close()

    def _run(self, context: Context) -> None:
        stop_receiver = context.socket(zmq.PAIR)
        stop_receiver.connect(STOP_ADDRESS)
        poller = zmq.Poller()
        poller.register(stop_receiver, zmq.POLLIN)
        poller.register(self._zap, zmq.POLLIN)
        while stop_receiver not in (ready := dict(poller.poll())):
            if self._zap in ready:
                self._answer_one()
        stop_receiver.close()
        self._zap.close()

    def _answer_one(self) -> None:
        frames = self._zap.recv_multipart()
        request_id = frames[1] if len(frames) > 1 else b""
        key = _key_of(frames)
        if self._authorized_keys.name_of(key) is None:
            self.refused += 1
            self._refusals.add("a connection with an unknown key was refused", refused=self.refused)
            self._zap.send_multipart([b"1.0", request_id, b"400", b"unknown key", b"", b""])
        else:
            self._zap.send_multipart([b"1.0", request_id, b"200", b"OK", key.encode("ascii"), b""])


def _key_of(frames: list[bytes]) -> str:
    """The public key of a ZAP request, Z85; "" for a request of another mechanism or domain."""
    if len(frames) != 7:
        return ""
    version, _, domain, _, _, mechanism, key = frames
    if (version, domain, mechanism) != (b"1.0", ZAP_DOMAIN, b"CURVE"):
        return ""
    return zmq.utils.z85.encode(key).decode("ascii")


def open_listener(
    context: Context, kind: int, *, keys: DaemonKeys, address: str, port: int = 0
) -> tuple[Socket, str]:
    """Bind one socket, to a port the system chooses unless one is given; returns it and its endpoint.

    Raises ConfigurationError when this machine does not have the address, or the port is taken.
    """
    socket = context.socket(kind)
    socket.linger = 0
    socket.curve_server = True
    socket.curve_secretkey = keys.server.secret.encode("ascii")
    socket.curve_publickey = keys.server.public.encode("ascii")
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    max_bytes = MAX_SUBSCRIBER_MESSAGE_BYTES if kind == zmq.XPUB else MAX_MESSAGE_BYTES
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 10_000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
    socket.setsockopt(zmq.SNDHWM, MAX_PENDING_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, MAX_PENDING_MESSAGES)
    if ":" in address:
        socket.setsockopt(zmq.IPV6, 1)
    endpoint = build_endpoint(address, port or "*")
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as exc:
        socket.close()
        raise ConfigurationError(
            f"the daemon cannot listen on {endpoint}: {exc}. Choose another listen or port with: "
            f"{selva_command('config', 'edit')}",
            endpoint=endpoint,
        ) from exc
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def replace_listener(old: Socket, open_new: Callable[[], Socket]) -> Socket:
    """A fresh socket on the port of an old one, so that all peers must connect anew; the caller closes the old one.

    Raises ConfigurationError when the port does not become free; the old socket then keeps the peers it has.
    """
    old.unbind(old.getsockopt_string(zmq.LAST_ENDPOINT))
    give_up_s = time.monotonic() + PORT_FREE_S
    while True:  # ZeroMQ closes the listener in a thread of its own, a moment after unbind returns
        try:
            return open_new()
        except ConfigurationError:
            if time.monotonic() > give_up_s:
                raise
        time.sleep(0.01)


def build_endpoint(host: str, port: int | str) -> str:
    """A ZeroMQ address of TCP."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

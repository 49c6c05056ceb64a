"""The daemon's three listening sockets and the door-keeper that lets known keys in.

All three speak CURVE (rfc.zeromq.org/spec/26) and ask the door-keeper over ZAP (rfc.zeromq.org/spec/27); a
peer without a known key gets no further than its handshake.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

import zmq
import zmq.utils.z85

from selva_daemon.keys import OWNER, DaemonKeys
from selva_daemon.protocol import MAX_MESSAGE_BYTES

ZAP_ADDRESS = "inproc://zeromq.zap.01"
ZAP_DOMAIN = b"selva"
STOP_ADDRESS = "inproc://door-keeper-stop"
HANDSHAKE_TIMEOUT_MS = 5_000
MAX_PENDING_MESSAGES = 2_000
_log = logging.getLogger(__name__)
Context = zmq.Context[zmq.Socket[bytes]]


class DoorKeeper:
    """Answers ZAP requests: the key is known (status 200, and whose it is) or it is not (400).

    It has a thread of its own, so that who knocks while the server waits for the disk is let in all the same.
    """

    def __init__(self, context: Context, keys: DaemonKeys, clients: Mapping[str, str]) -> None:
        names = {keys.owner.public: OWNER, **clients}
        self._names = {zmq.utils.z85.decode(key): name for key, name in names.items()}
        self.refused = 0
        self._bell = context.socket(zmq.PAIR)
        self._bell.bind(STOP_ADDRESS)
        self._door = context.socket(zmq.REP)
        self._door.linger = 0
        self._door.bind(ZAP_ADDRESS)
        self._thread = threading.Thread(target=self._keep, args=(context,), name="door-keeper")
        self._thread.start()

    def close(self) -> None:
        self._bell.send(b"")
        self._thread.join()
        self._bell.close()

    def _keep(self, context: Context) -> None:
        bell = context.socket(zmq.PAIR)
        bell.connect(STOP_ADDRESS)
        poller = zmq.Poller()
        poller.register(bell, zmq.POLLIN)
        poller.register(self._door, zmq.POLLIN)
        while bell not in (ready := dict(poller.poll())):
            if self._door in ready:
                self._answer_one()
        bell.close()
        self._door.close()

    def _answer_one(self) -> None:
        frames = self._door.recv_multipart()
        request_id = frames[1] if len(frames) > 1 else b""
        name = self._name_of(frames)
        if name is None:
            self.refused += 1
            _log.warning("a connection with an unknown key was refused", extra={"refused": self.refused})
            self._door.send_multipart([b"1.0", request_id, b"400", b"unknown key", b"", b""])
        else:
            self._door.send_multipart([b"1.0", request_id, b"200", b"OK", name.encode("ascii"), b""])

    def _name_of(self, frames: list[bytes]) -> str | None:
        if len(frames) != 7:
            return None
        version, _, domain, _, _, mechanism, key = frames
        if (version, domain, mechanism) != (b"1.0", ZAP_DOMAIN, b"CURVE"):
            return None
        return self._names.get(key)


def open_listener(
    context: Context, kind: int, *, keys: DaemonKeys, address: str
) -> tuple[zmq.Socket[bytes], str]:
    """Bind one socket to a port the system chooses; returns it and its endpoint. Raises zmq.ZMQError."""
    socket = context.socket(kind)
    socket.linger = 0
    socket.curve_server = True
    socket.curve_secretkey = keys.server.secret.encode("ascii")
    socket.curve_publickey = keys.server.public.encode("ascii")
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_TIMEOUT_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 10_000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
    socket.setsockopt(zmq.SNDHWM, MAX_PENDING_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, MAX_PENDING_MESSAGES)
    if ":" in address:
        socket.setsockopt(zmq.IPV6, 1)
    socket.bind(f"tcp://[{address}]:*" if ":" in address else f"tcp://{address}:*")
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)

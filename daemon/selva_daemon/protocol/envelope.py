"""The envelope every message travels in, and the checks before anything in it is believed.

One message is one ZeroMQ frame (after the routing frame that ROUTER adds): a msgpack map with the keys of
`Envelope`. The order of checks is fixed: size, number of frames, sender (ZeroMQ's CURVE has authenticated
it before we see it), replay, parse. See docs/protocol.md.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from selva_daemon.protocol.errors import ProtocolError, ProtocolVersionError

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 1 << 20
MAX_REPLY_BYTES = 16 << 20
MAX_DEPTH = 12
MAX_LIST_ITEMS = 4096
MAX_MAP_ITEMS = 256
MAX_TEXT_BYTES = 1 << 16
MAX_ID_CHARS = 64

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """What surrounds every body.

    session: the sender's id for as long as it runs. request_id: unique in the session; a reply repeats it,
    an event has "". time_s: the sender's clock, seconds since 1970, for people who read logs; nothing is
    decided by it.
    """

    type: str
    request_id: str
    session: str
    body: Body = field(default_factory=dict)
    time_s: float = field(default_factory=time.time)
    protocol: int = PROTOCOL_VERSION


def new_id() -> str:
    """A fresh random id for a session or a request: 32 hex digits."""
    return uuid.uuid4().hex


def pack(envelope: Envelope, *, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """The one frame of a message. Raises ProtocolError for one that is too large or holds what msgpack
    cannot.
    """
    try:
        packed = bytes(
            msgpack.packb(
                {
                    "protocol": envelope.protocol,
                    "type": envelope.type,
                    "request_id": envelope.request_id,
                    "session": envelope.session,
                    "time_s": envelope.time_s,
                    "body": envelope.body,
                }
            )
        )
    except (TypeError, ValueError, OverflowError) as exc:  # UnicodeEncodeError is a ValueError
        raise ProtocolError(f"the {envelope.type} message cannot be packed: {exc}") from exc
    if len(packed) > max_bytes:
        raise ProtocolError(
            f"a message is at most {max_bytes} bytes; this {envelope.type} has {len(packed)}. "
            "Send fewer cues per job",
            size_bytes=len(packed),
            max_bytes=max_bytes,
        )
    return packed


def parse(frames: Sequence[bytes], *, max_bytes: int = MAX_MESSAGE_BYTES) -> Envelope:
    """The envelope in the frames that follow the routing frame. Raises ProtocolError or
    ProtocolVersionError.
    """
    if len(frames) != 1:
        raise ProtocolError(f"a message is one frame; got {len(frames)}")
    if len(frames[0]) > max_bytes:
        raise ProtocolError(f"a message is at most {max_bytes} bytes; got {len(frames[0])}")
    return _envelope(_unpack(frames[0]))


def _unpack(packed: bytes) -> Mapping[str, Any]:
    try:
        value = msgpack.unpackb(
            packed,
            raw=False,
            strict_map_key=True,
            max_str_len=MAX_TEXT_BYTES,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=MAX_LIST_ITEMS,
            max_map_len=MAX_MAP_ITEMS,
        )
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError) as exc:
        reason = str(exc) or type(exc).__name__
        raise ProtocolError(
            f"the message is not msgpack within the limits of this protocol: {reason}"
        ) from exc
    if not isinstance(value, dict):
        raise ProtocolError(f"a message is a map; got {type(value).__name__}")
    _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            if isinstance(container, dict | list)
            for child in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise ProtocolError(f"a message nests at most {MAX_DEPTH} levels deep")


def _envelope(values: Mapping[str, Any]) -> Envelope:
    version = values.get("protocol")
    if isinstance(version, bool) or not isinstance(version, int):
        raise ProtocolError("the envelope has no protocol version (an integer under 'protocol')")
    if version != PROTOCOL_VERSION:
        raise ProtocolVersionError(
            f"this side speaks protocol {PROTOCOL_VERSION}; the message is of version {version}. "
            "Update the older of client and daemon",
            got=version,
            supported=PROTOCOL_VERSION,
        )
    for name in ("type", "request_id", "session"):
        text = values.get(name)
        if not isinstance(text, str) or len(text) > MAX_ID_CHARS:
            raise ProtocolError(f"the envelope's '{name}' is a string of at most {MAX_ID_CHARS} characters")
    time_s = values.get("time_s")
    if isinstance(time_s, bool) or not isinstance(time_s, int | float):
        raise ProtocolError("the envelope's 'time_s' is a number of seconds")
    body = values.get("body")
    if not isinstance(body, dict):
        raise ProtocolError("the envelope's 'body' is a map")
    unknown = set(values) - {"protocol", "type", "request_id", "session", "time_s", "body"}
    if unknown:
        raise ProtocolError(f"the envelope has unknown keys: {', '.join(sorted(unknown))}")
    return Envelope(
        type=values["type"],
        request_id=values["request_id"],
        session=values["session"],
        time_s=float(time_s),
        body=body,
        protocol=version,
    )

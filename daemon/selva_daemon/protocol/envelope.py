"""The envelope every message travels in, and the checks before anything in it is believed.

One message is one ZeroMQ frame (after the routing frame that ROUTER adds): a MessagePack map with the keys of `Envelope`.
The order of checks is fixed: size, number of frames, sender (ZeroMQ's CURVE has authenticated it before we see it), replay,
parse. See docs/reference/protocol.md.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from selva_daemon.protocol.body import reply_encode_hook
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


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds every body.

    session: the sender's id for as long as it runs. request_id: unique in the session; a reply repeats it, an event has "".
    time_s: the sender's clock, seconds since 1970, for people who read logs; nothing is decided by it. body: a struct or
    a map when it is sent, a map when it was received.
    """

    protocol: int = PROTOCOL_VERSION
    type: str
    request_id: str
    session: str
    time_s: float = msgspec.field(default_factory=time.time)
    body: Any = msgspec.field(default_factory=dict)


_KEYS = frozenset(Envelope.__struct_fields__)


def new_id() -> str:
    """A fresh random id for a session or a request: 32 hex digits."""
    return uuid.uuid4().hex


def pack(envelope: Envelope, *, max_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """The one frame of a message. Raises ProtocolError for one that is too large or holds what MessagePack cannot."""
    try:
        packed = msgspec.msgpack.encode(envelope, enc_hook=reply_encode_hook)
    except (
        TypeError,
        ValueError,
        OverflowError,
        NotImplementedError,
    ) as exc:  # UnicodeEncodeError is a ValueError
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
    """The envelope in the frames that follow the routing frame. Raises ProtocolError or ProtocolVersionError."""
    if len(frames) != 1:
        raise ProtocolError(f"a message is one frame; got {len(frames)}")
    if len(frames[0]) > max_bytes:
        raise ProtocolError(f"a message is at most {max_bytes} bytes; got {len(frames[0])}")
    return _envelope(_unpack(frames[0]))


def _unpack(packed: bytes) -> Mapping[str, Any]:
    try:
        value = msgspec.msgpack.decode(packed)
        _check_limits(value)
    except ProtocolError:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError) as exc:
        reason = str(exc) or type(exc).__name__
        raise ProtocolError(
            f"the message is not msgpack within the limits of this protocol: {reason}"
        ) from exc
    if not isinstance(value, dict):
        raise ProtocolError(f"a message is a map; got {type(value).__name__}")
    return value


def _check_limits(value: object) -> None:
    """Raises ValueError for what no message holds, ProtocolError for one that is too deep.

    msgspec has no limits of its own; what it allocates is bounded by the size of the message, which was checked before.
    """
    level: Sequence[object] = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                _check_size("list", len(item), MAX_LIST_ITEMS)
                deeper += item
            elif isinstance(item, dict):
                _check_size("map", len(item), MAX_MAP_ITEMS)
                if not all(map(_is_text, item)):
                    raise ValueError("the keys of a map are text")
                deeper += item.values()
            elif item is not None and not isinstance(item, int | float):
                raise ValueError(f"the type {type(item).__name__} is not used")
        if not deeper:
            return
        level = deeper
    raise ProtocolError(f"a message nests at most {MAX_DEPTH} levels deep")


def _check_text(value: str) -> None:
    # A character has at most four bytes, so short text need not be encoded to be measured.
    if len(value) * 4 > MAX_TEXT_BYTES and len(value.encode()) > MAX_TEXT_BYTES:
        raise ValueError(f"text has at most {MAX_TEXT_BYTES} bytes")


def _check_size(what: str, size: int, max_size: int) -> None:
    if size > max_size:
        raise ValueError(f"a {what} has at most {max_size} items; got {size}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


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
        value = values.get(name)
        if not isinstance(value, str) or len(value) > MAX_ID_CHARS:
            raise ProtocolError(f"the envelope's '{name}' is a string of at most {MAX_ID_CHARS} characters")
    time_s = values.get("time_s")
    if isinstance(time_s, bool) or not isinstance(time_s, int | float):
        raise ProtocolError("the envelope's 'time_s' is a number of seconds")
    if not isinstance(values.get("body"), dict):
        raise ProtocolError("the envelope's 'body' is a map")
    if unknown := values.keys() - _KEYS:
        raise ProtocolError(f"the envelope has unknown keys: {', '.join(sorted(unknown))}")
    return Envelope(**{**values, "time_s": float(time_s)})

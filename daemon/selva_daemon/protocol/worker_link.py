"""Messages between the server and its worker: length-prefixed msgpack over the worker's standard streams.

Pipes work the same on every system, nobody else can reach them, and each side sees the other's death as
their end.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Mapping
from typing import IO, Any

import msgpack

MAX_LINK_BYTES = 16 << 20
_LENGTH = struct.Struct(">I")


def write_message(stream: IO[bytes], message: Mapping[str, Any]) -> None:
    """Send one message. Raises OSError (BrokenPipeError) when the other side is gone."""
    packed = msgpack.packb(message)
    stream.write(_LENGTH.pack(len(packed)) + packed)
    stream.flush()


def read_packed(stream: IO[bytes]) -> bytes | None:
    """The next message, still packed; None when the other side is gone. Raises OSError."""
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (size_bytes,) = _LENGTH.unpack(header)
    if size_bytes > MAX_LINK_BYTES:
        raise OSError(
            f"a message of {size_bytes} bytes on the worker link; at most {MAX_LINK_BYTES} are sent"
        )
    packed = stream.read(size_bytes)
    return packed if len(packed) == size_bytes else None


def unpack_message(packed: bytes) -> dict[str, Any]:
    message: dict[str, Any] = msgpack.unpackb(packed)
    return message


def take_over_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The worker's ends of the link; from here on what libraries print goes to standard error."""
    commands = os.fdopen(os.dup(0), "rb")
    reports = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return commands, reports

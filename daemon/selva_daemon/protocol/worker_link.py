"""Messages between the server and its worker: length-prefixed MessagePack over the worker's standard streams.

Pipes work the same on every system, nobody else can reach them, and each side sees the other's death as their end.

The keys `do` and `say`, the tags and the fields are those of version 0.1.0: a daemon that runs while the package is updated
starts workers of the new version.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import IO, TypeAlias

import msgspec
from msgspec import Struct

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.body import reply_decode_hook, reply_encode_hook
from selva_daemon.protocol.status import DeviceStatus, StemResult

MAX_LINK_BYTES = 16 << 20
_LENGTH = struct.Struct(">I")


class RenderTask(Struct, frozen=True, kw_only=True):
    """A job to render. request: the body of its `submit`, as it lies in the queue; the worker reads it (`parse_job`)."""

    job_id: str
    request: msgspec.Raw


class RenderCommand(Struct, frozen=True, kw_only=True, tag_field="do", tag="render"):
    """Render these jobs in the same batches."""

    jobs: tuple[RenderTask, ...]


class LoadCommand(Struct, frozen=True, kw_only=True, tag_field="do", tag="load"):
    """Load a model for a job that is likely to come; of no effect where it is loaded, or cannot be."""

    model: str


class CancelCommand(Struct, frozen=True, kw_only=True, tag_field="do", tag="cancel"):
    job_id: str


class StopCommand(Struct, frozen=True, kw_only=True, tag_field="do", tag="stop"):
    """End the process."""


class WorkerReady(Struct, frozen=True, kw_only=True, tag_field="say", tag="ready"):
    pid: int


class Heartbeat(Struct, frozen=True, kw_only=True, tag_field="say", tag="beat"):
    """The process lives; nothing else is new."""


class LogLine(Struct, frozen=True, kw_only=True, tag_field="say", tag="log"):
    """A log record. level: as Python's logging counts; name: the logger; job_id: "" for none."""

    level: int
    name: str
    text: str
    job_id: str = ""


class ModelLoaded(Struct, frozen=True, kw_only=True, tag_field="say", tag="model"):
    """max_batch_pictures: up to how many clips gain from being rendered together."""

    model: str
    device_report: str
    notices: tuple[str, ...]
    max_batch_pictures: int


class DeviceMemory(Struct, frozen=True, kw_only=True, tag_field="say", tag="memory"):
    """device_bytes: what torch holds on the device; None when it does not report it."""

    device_bytes: int | None


class JobProgressed(Struct, frozen=True, kw_only=True, tag_field="say", tag="progress", omit_defaults=True):
    """part: of the stage, where it has parts. work_left: by stage, in the worker's units of cost; none where it is unknown."""

    job_id: str
    stage: str
    fraction: float
    step: int
    num_steps: int
    part: str = ""
    work_left: dict[str, float] = {}


class JobDone(Struct, frozen=True, kw_only=True, tag_field="say", tag="done"):
    """All files of the job are on disk."""

    job_id: str
    stems: tuple[StemResult, ...]


class JobFailed(Struct, frozen=True, kw_only=True, tag_field="say", tag="failed"):
    job_id: str
    error: SelvaError


class JobCancelled(Struct, frozen=True, kw_only=True, tag_field="say", tag="cancelled"):
    job_id: str


class JobLost(Struct, frozen=True, kw_only=True, tag_field="say", tag="lost"):
    """What ran the job is gone, and the worker itself goes on. outcome: the value of an `Outcome`."""

    job_id: str
    reason: str
    outcome: str


class DevicesChanged(Struct, frozen=True, kw_only=True, tag_field="say", tag="devices"):
    """The devices that this worker has now; each ready one runs one batch of jobs at a time. A worker that does not send this
    has one device and runs one batch. One that does watches over its jobs itself: it ends those that make no progress.
    """

    devices: tuple[DeviceStatus, ...]


Command: TypeAlias = RenderCommand | LoadCommand | CancelCommand | StopCommand
JobEvent: TypeAlias = JobProgressed | JobDone | JobFailed | JobCancelled
WorkerEvent: TypeAlias = (
    WorkerReady | Heartbeat | LogLine | ModelLoaded | DeviceMemory | DevicesChanged | JobLost | JobEvent
)

_ENCODER = msgspec.msgpack.Encoder(enc_hook=reply_encode_hook)
_COMMANDS = msgspec.msgpack.Decoder(Command, dec_hook=reply_decode_hook)
_EVENTS = msgspec.msgpack.Decoder(WorkerEvent, dec_hook=reply_decode_hook)


def write_message(stream: IO[bytes], message: Command | WorkerEvent) -> None:
    """Send one message. Raises OSError (BrokenPipeError) when the other side is gone."""
    packed = _ENCODER.encode(message)
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


def parse_command(packed: bytes) -> Command:
    """Raises msgspec.MsgspecError for what is no command."""
    command: Command = _COMMANDS.decode(packed)
    return command


def parse_event(packed: bytes) -> WorkerEvent:
    """Raises msgspec.MsgspecError for what is no event of a worker."""
    event: WorkerEvent = _EVENTS.decode(packed)
    return event


def take_over_standard_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The worker's ends of the link; from here on what libraries print goes to standard error."""
    commands = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return commands, events

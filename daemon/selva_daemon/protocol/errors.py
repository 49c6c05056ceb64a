"""Errors of the service.

SelvaError                       (selva_core.base.errors)
└── DaemonError
    ├── DaemonUnavailableError   (ConnectionError) no daemon runs, or it went away
    ├── DaemonRefusedError       (PermissionError) the daemon does not know this key, or is not the one expected
    ├── DaemonTimeoutError       (TimeoutError) the daemon did not answer in time
    ├── DaemonStartError         (RuntimeError) a daemon was started and did not come up
    ├── DaemonRunningError       (RuntimeError) a second daemon for the same user
    ├── ProtocolError            (ValueError) a message is not of this protocol
    │   ├── ProtocolVersionError     another version of the protocol
    │   ├── UnknownRequestError      no such request type on this channel
    │   └── ReplayedRequestError     the same request came twice
    ├── InvalidRequestError      (ValueError) fields of a request are wrong; `fields` says which and why
    ├── UnknownJobError          (LookupError) no job of that id
    ├── JobStateError            (RuntimeError) not possible in the job's present state
    ├── QueueFullError           (RuntimeError) come back later; facts hold the length and an estimate
    ├── DrainingError            (RuntimeError) the daemon is stopping
    ├── WorkerDiedError          (RuntimeError) the process that renders died or hung
    └── InternalError            (RuntimeError) a fault of the daemon; the log has the details

On the wire an error is its code, its message, whether trying again can help, and its facts. `from_wire` returns the class
that the daemon raised, of this tree or of another room's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.schema import FieldFault

ALREADY_RUNNING = "a daemon of this user is already running"
"""What a starting daemon prints when it finds another; the process that started it then waits for the other."""


class DaemonError(SelvaError):
    """Base of the service's errors."""

    code = "daemon"


class DaemonUnavailableError(DaemonError, ConnectionError):
    """No daemon runs, or it went away."""

    code = "daemon-unavailable"
    retryable = True


class DaemonRefusedError(DaemonError, PermissionError):
    """The daemon does not know this key, or is not the daemon whose key was expected."""

    code = "daemon-refused"


class DaemonTimeoutError(DaemonError, TimeoutError):
    """The daemon did not answer in time."""

    code = "daemon-timeout"
    retryable = True


class DaemonStartError(DaemonError, RuntimeError):
    """A daemon was started and did not come up."""

    code = "daemon-start"


class DaemonRunningError(DaemonError, RuntimeError):
    """A daemon of this user already runs."""

    code = "daemon-running"


class ProtocolError(DaemonError, ValueError):
    """A message is not of this protocol."""

    code = "protocol"


class ProtocolVersionError(ProtocolError):
    """The message is of another version of the protocol."""

    code = "protocol-version"


class UnknownRequestError(ProtocolError):
    """There is no such request on this channel."""

    code = "protocol-unknown-request"


class ReplayedRequestError(ProtocolError):
    """A request with this id was already answered."""

    code = "protocol-replay"


class InvalidRequestError(DaemonError, ValueError):
    """Fields of a request are wrong; nothing was queued."""

    code = "request-invalid"

    def __init__(self, message: str, *, fields: Sequence[FieldFault] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.fields = tuple(fields)


class UnknownJobError(DaemonError, LookupError):
    """No job of that id."""

    code = "job-unknown"


class JobStateError(DaemonError, RuntimeError):
    """The job's present state does not allow this."""

    code = "job-state"


class QueueFullError(DaemonError, RuntimeError):
    """The queue is full."""

    code = "queue-full"
    retryable = True


class DrainingError(DaemonError, RuntimeError):
    """The daemon is stopping and takes no new jobs."""

    code = "daemon-draining"
    retryable = True


class WorkerDiedError(DaemonError, RuntimeError):
    """The process that renders died or hung."""

    code = "worker-died"
    retryable = True


class InternalError(DaemonError, RuntimeError):
    """A fault of the daemon itself."""

    code = "internal"


def to_wire(error: SelvaError) -> dict[str, object]:
    """The body of an error reply."""
    body: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "facts": dict(error.facts),
    }
    if isinstance(error, InvalidRequestError):
        body["fields"] = [{"field": fault.field, "message": fault.message} for fault in error.fields]
    return body


def from_wire(body: Mapping[str, Any]) -> SelvaError:
    """The error a reply describes; a code this version does not know becomes a DaemonError with the same message."""
    code = str(body.get("code", ""))
    message = str(body.get("message", "the daemon reported an error without a message"))
    facts = {str(name): value for name, value in dict(body.get("facts") or {}).items()}
    error_class = _classes_by_code(SelvaError).get(code, DaemonError)
    if issubclass(error_class, InvalidRequestError):
        faults = [FieldFault(str(row["field"]), str(row["message"])) for row in body.get("fields") or ()]
        return error_class(message, fields=faults, **facts)
    return error_class(message, **facts)


def _classes_by_code(base: type[SelvaError]) -> dict[str, type[SelvaError]]:
    classes = {base.code: base}
    for subclass in base.__subclasses__():
        classes |= _classes_by_code(subclass)
    return classes

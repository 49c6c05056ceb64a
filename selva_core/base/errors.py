"""The one tree of errors. Each room derives its own branch from it; no error that is raised on purpose stands outside.

SelvaError
├── MediaError              the picture cannot be used
│   ├── MediaNotFoundError      (FileNotFoundError)
│   ├── MediaUnreadableError    (OSError)
│   ├── NoVideoStreamError      (ValueError)
│   └── RangeOutsideMediaError  (ValueError)
├── ModelError              the model cannot be used
│   ├── UnknownModelError       (LookupError)
│   ├── WeightsMissingError     (FileNotFoundError)
│   ├── WeightsMismatchError    (ValueError)
│   ├── DeviceUnavailableError  (RuntimeError)
│   ├── InstallationBrokenError (ImportError)
│   └── DownloadError           (OSError)
├── RequestError            (ValueError) a value in the request is not allowed
├── OutOfMemoryError        (MemoryError)
├── OutputError             (OSError) a stem cannot be written
├── ConfigurationError      (ValueError) a setting is not allowed
├── StorageError            (OSError) the program cannot write its own files
├── LockHeldError           (RuntimeError) another process holds the lock
├── RenderCancelled         the render was asked to stop; an outcome, not a fault
├── TimelineError ...       selva_otio.errors
├── DaemonError ...         selva_daemon.protocol.errors
└── HostError ...           selva_plugins.errors

Every class has a stable `code` for the wire, says whether trying again can help (`retryable`), and keeps the values
of its message in `facts`, so that programs need not parse the message.
"""

from __future__ import annotations

from typing import ClassVar


class SelvaError(Exception):
    """Base of everything this package raises on purpose.

    message: one or two sentences for a person: what was got, what is allowed, what to do next.
    facts: values for programs, such as a path or a limit; all of them can be written as JSON.
    """

    code: ClassVar[str] = "selva"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: str | int | float | bool | list[str] | None) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return self.message


class MediaError(SelvaError):
    """The picture cannot be used."""

    code = "media"


class MediaNotFoundError(MediaError, FileNotFoundError):
    """There is no file at the path."""

    code = "media-not-found"


class MediaUnreadableError(MediaError, OSError):
    """The file is there and cannot be decoded."""

    code = "media-unreadable"


class NoVideoStreamError(MediaError, ValueError):
    """The file holds no moving picture."""

    code = "media-no-video"


class RangeOutsideMediaError(MediaError, ValueError):
    """The range asked for is not inside what the media has."""

    code = "media-range"


class ModelError(SelvaError):
    """The model cannot be used."""

    code = "model"


class UnknownModelError(ModelError, LookupError):
    """No model of that name is known."""

    code = "model-unknown"


class WeightsMissingError(ModelError, FileNotFoundError):
    """The model is known, its weights are not installed."""

    code = "model-weights-missing"


class WeightsMismatchError(ModelError, ValueError):
    """A weights file does not hold what the network expects, or its hash is not the pinned one."""

    code = "model-weights-mismatch"


class DeviceUnavailableError(ModelError, RuntimeError):
    """The device asked for is not there."""

    code = "device-unavailable"


class InstallationBrokenError(ModelError, ImportError):
    """A library that the network runs on is missing or does not load."""

    code = "installation-broken"


class DownloadError(ModelError, OSError):
    """Published weights could not be fetched."""

    code = "model-download"
    retryable = True


class RequestError(SelvaError, ValueError):
    """A value in the request is not allowed."""

    code = "request"


class OutOfMemoryError(SelvaError, MemoryError):
    """The device has too little memory for even one stem."""

    code = "out-of-memory"
    retryable = True


class OutputError(SelvaError, OSError):
    """A stem cannot be written where it was asked for."""

    code = "output"


class ConfigurationError(SelvaError, ValueError):
    """A setting is not allowed."""

    code = "configuration"


class StorageError(SelvaError, OSError):
    """The program cannot write its own files."""

    code = "storage"
    retryable = True


class LockHeldError(SelvaError, RuntimeError):
    """Another process holds the lock."""

    code = "lock-held"
    retryable = True


class RenderCancelled(SelvaError):  # noqa: N818 - an outcome, not a fault
    """The render was asked to stop."""

    code = "cancelled"

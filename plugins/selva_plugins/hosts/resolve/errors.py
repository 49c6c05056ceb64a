"""Errors of the connection to Resolve.

ResolveError                  (selva_plugins.errors.HostError)
├── ResolveNotFoundError  (FileNotFoundError) no scripting library where Resolve keeps it
├── ResolveRefusedError   (ConnectionError)   Resolve does not run, or lets no program outside it in
├── ResolveSilentError    (TimeoutError)      it stopped answering
├── ResolveVersionError   (RuntimeError)      too old for placing clips
└── TimelineNotOpenError  (LookupError)       the plan's timeline is not the current one
"""

from __future__ import annotations

from selva_plugins.errors import HostError


class ResolveError(HostError):
    """The connection to Resolve does not work."""

    code = "resolve"


class ResolveNotFoundError(ResolveError, FileNotFoundError):
    """The scripting library is not where Resolve installs it."""

    code = "resolve-not-found"


class ResolveRefusedError(ResolveError, ConnectionError):
    """Resolve does not run, is the free edition, or external scripting is switched off."""

    code = "resolve-refused"
    retryable = True


class ResolveSilentError(ResolveError, TimeoutError):
    """Resolve stopped answering, for instance because a dialog is open."""

    code = "resolve-silent"
    retryable = True


class ResolveVersionError(ResolveError, RuntimeError):
    """Versions before 18.5 ignore where a clip should go."""

    code = "resolve-version"


class TimelineNotOpenError(ResolveError, LookupError):
    """The timeline that the plan is for is not the current one."""

    code = "resolve-timeline-not-open"


BY_CODE: dict[str, type[ResolveError]] = {
    error.code: error
    for error in (
        ResolveError,
        ResolveNotFoundError,
        ResolveRefusedError,
        ResolveSilentError,
        ResolveVersionError,
        TimelineNotOpenError,
    )
}
"""How an error of the scripting process is raised again in ours."""

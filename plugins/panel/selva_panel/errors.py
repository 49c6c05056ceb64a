"""Errors of the panel. Each has the status that the server answers with."""

from __future__ import annotations

from typing import ClassVar

from selva_core.base.errors import SelvaError


class PanelError(SelvaError):
    """The panel cannot do what the page asks for. remedy: what the user does next, where the message does not say it."""

    code = "panel"
    http_status: ClassVar[int] = 400

    @property
    def remedy(self) -> str:
        return str(self.facts.get("remedy") or "")


class PanelRequestError(PanelError, ValueError):
    """A body or a query of a request is not allowed."""

    code = "panel-request"


class NotThereError(PanelError, LookupError):
    """There is no clip, stem, job or download of that id."""

    code = "panel-not-there"
    http_status = 404


class StaleRevisionError(PanelError):
    """Another page has changed the session meanwhile."""

    code = "panel-stale"
    http_status = 409


class NothingToDoError(PanelError):
    """Everything that is asked for is there already, or nothing is chosen."""

    code = "panel-nothing"
    http_status = 409


class HostSilentError(PanelError, TimeoutError):
    """The host's script has not answered."""

    code = "panel-host-silent"
    http_status = 504


class AccessRefusedError(PanelError, PermissionError):
    """The request carries no cookie of this panel, or comes from another page."""

    code = "panel-access"
    http_status = 403


class BodyTooLargeError(PanelError):
    """The body has more bytes than the server reads."""

    code = "panel-too-large"
    http_status = 413

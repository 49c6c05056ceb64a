"""Errors of the bridge and its hosts.

SelvaError                     (selva_core.base.errors)
└── HostError                  something between a host application and the daemon went wrong
    ├── FormError              (ValueError) what the user typed cannot be used; the dialog is shown again
    ├── SnapshotError          (ValueError) what the host script wrote is not a snapshot we can read
    ├── NothingToRenderError   (ValueError) nothing in the request has a picture sound could be made for
    ├── ProtocolMismatchError  (RuntimeError) host script and bridge are of different versions
    └── HostSetupError         (OSError) the host application's folders cannot be used
"""

from __future__ import annotations

from selva_core.base.errors import SelvaError


class HostError(SelvaError):
    """Something between a host application and the daemon went wrong."""

    code = "host"


class FormError(HostError, ValueError):
    """What the user typed cannot be used. The host scripts know it by its code, which therefore keeps its first name."""

    code = "wishes"


class SnapshotError(HostError, ValueError):
    """What the host script wrote cannot be read."""

    code = "snapshot"


class NothingToRenderError(HostError, ValueError):
    """Nothing in the request has a picture sound could be made for."""

    code = "nothing-to-render"


class ProtocolMismatchError(HostError, RuntimeError):
    """Host script and bridge are of different versions."""

    code = "host-protocol"


class HostSetupError(HostError, OSError):
    """The host application's folders cannot be used."""

    code = "host-setup"

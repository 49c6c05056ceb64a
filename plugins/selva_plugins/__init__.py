"""The bridge between host applications and the daemon, as a library; docs/hosts/bridge.md shows it in use.

A host's adapter turns a snapshot into a `PreparedRequest`, `make_stems` has the daemon render it, and the placements of its
`RequestResult` become the host's plan. `answer_request` does all of that for a request folder of a host script.

Names are imported when they are used: a process that only talks to a host application stays without ZeroMQ and
OpenTimelineIO.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selva_plugins.bridge import HostAdapter, PreparedRequest, RequestResult, answer_request, make_stems
    from selva_plugins.checks import CheckResult, build_check_result, check_daemon, check_models
    from selva_plugins.errors import (
        FormError,
        HostError,
        HostSetupError,
        NothingToRenderError,
        ProtocolMismatchError,
        SnapshotError,
    )
    from selva_plugins.form import HostForm, build_render_options, parse_form, parse_sound
    from selva_plugins.progress import RequestProgress
    from selva_plugins.rendering import RenderTask
    from selva_plugins.request_folder import HostRequest, RequestFolder

__all__ = [
    "CheckResult",
    "FormError",
    "HostAdapter",
    "HostError",
    "HostForm",
    "HostRequest",
    "HostSetupError",
    "NothingToRenderError",
    "PreparedRequest",
    "ProtocolMismatchError",
    "RenderTask",
    "RequestFolder",
    "RequestProgress",
    "RequestResult",
    "SnapshotError",
    "answer_request",
    "build_check_result",
    "build_render_options",
    "check_daemon",
    "check_models",
    "make_stems",
    "parse_form",
    "parse_sound",
]

_MODULES = {
    "bridge": ("HostAdapter", "PreparedRequest", "RequestResult", "answer_request", "make_stems"),
    "checks": ("CheckResult", "build_check_result", "check_daemon", "check_models"),
    "errors": (
        "FormError",
        "HostError",
        "HostSetupError",
        "NothingToRenderError",
        "ProtocolMismatchError",
        "SnapshotError",
    ),
    "form": ("HostForm", "build_render_options", "parse_form", "parse_sound"),
    "progress": ("RequestProgress",),
    "rendering": ("RenderTask",),
    "request_folder": ("HostRequest", "RequestFolder"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Markers, which timelines, timeline items and media share: one per frame, frames relative to their
owner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tests.selva_plugins.resolve.double import model

if TYPE_CHECKING:
    from tests.selva_plugins.resolve.double.host import Host

COLOURS = frozenset(
    [
        "Blue",
        "Cyan",
        "Green",
        "Yellow",
        "Red",
        "Pink",
        "Purple",
        "Fuchsia",
        "Rose",
        "Lavender",
        "Sky",
        "Mint",
        "Lemon",
        "Sand",
        "Cocoa",
        "Cream",
    ]
)


class Marked(Protocol):
    markers: dict[int, model.Marker]


def _add(  # noqa: PLR0917 - as Resolve takes them
    host: Host,
    owner: Marked,
    frame: float,
    color: str,
    name: str,
    note: str,
    duration: float,
    custom: str = "",
) -> bool:
    if color not in COLOURS or (host.build.empty_marker_name_refused and not name):
        return False
    if isinstance(owner, model.Timeline) and not 0 <= frame < owner.end_frame - owner.start_frame:
        return False
    if int(frame) in owner.markers:
        return False
    owner.markers[int(frame)] = model.Marker(color, name, note, int(duration), custom)
    return True


def _all(host: Host, owner: Marked) -> dict[float, dict[str, Any]]:
    key = float if host.build.marker_keys == "float" else int
    return {key(frame): marker.as_scripts_see_it() for frame, marker in sorted(owner.markers.items())}


def _delete_at(_host: Host, owner: Marked, frame: float) -> bool:
    return owner.markers.pop(int(frame), None) is not None


def _custom_data(_host: Host, owner: Marked, frame: float) -> str:
    marker = owner.markers.get(int(frame))
    return marker.custom_data if marker else ""


def _update_custom_data(_host: Host, owner: Marked, frame: float, custom: str) -> bool:
    if int(frame) not in owner.markers:
        return False
    owner.markers[int(frame)].custom_data = custom
    return True


def _delete_by_custom_data(_host: Host, owner: Marked, custom: str) -> bool:
    for frame, marker in owner.markers.items():
        if marker.custom_data == custom:
            del owner.markers[frame]
            return True
    return False


def marker_calls() -> dict[str, Callable[..., Any]]:
    return {
        "AddMarker": _add,
        "GetMarkers": _all,
        "DeleteMarkerAtFrame": _delete_at,
        "DeleteMarkerByCustomData": _delete_by_custom_data,
        "GetMarkerCustomData": _custom_data,
        "UpdateMarkerCustomData": _update_custom_data,
    }

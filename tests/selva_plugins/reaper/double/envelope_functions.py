"""Envelopes of takes and tracks: their points, read, moved, added and deleted; and the options that say what moves along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import reascript
from .state import Envelope, Take, Track

if TYPE_CHECKING:
    from .world import World


@reascript("CountTakeEnvelopes")
def count_take_envelopes(world: World, take: Take) -> int:
    return len(take.envelopes)


@reascript("GetTakeEnvelope")
def get_take_envelope(world: World, take: Take, index: int) -> Envelope | None:
    return take.envelopes[index] if 0 <= index < len(take.envelopes) else None


@reascript("CountEnvelopePoints")
def count_envelope_points(world: World, envelope: Envelope) -> int:
    return len(envelope.points)


@reascript("GetEnvelopePoint")
def get_envelope_point(
    world: World, envelope: Envelope, index: int
) -> tuple[bool, float, float, int, float, bool]:
    if not 0 <= index < len(envelope.points):
        return False, 0.0, 0.0, 0, 0.0, False
    return True, *envelope.points[index]


@reascript("SetEnvelopePoint")
def set_envelope_point(  # noqa: PLR0917 - REAPER's arguments
    world: World,
    envelope: Envelope,
    index: int,
    time_s: float | None = None,
    value: float | None = None,
    shape: int | None = None,
    tension: float | None = None,
    is_selected: bool | None = None,
    no_sort: bool | None = None,
) -> bool:
    """Without `no_sort` the numbers of points may change while a script counts through them."""
    world.edit(envelope)
    if not no_sort:
        world.record_violation("SetEnvelopePoint: points are moved one by one, and sorted in the end")
    if not 0 <= index < len(envelope.points):
        return False
    given = (time_s, value, shape, tension, is_selected)
    before = envelope.points[index]
    envelope.points[index] = tuple(  # type: ignore[assignment]
        old if new is None else new for old, new in zip(before, given, strict=True)
    )
    return True


@reascript("Envelope_SortPoints")
def envelope_sort_points(world: World, envelope: Envelope) -> bool:
    envelope.points.sort(key=lambda point: point[0])
    return True


@reascript("GetTakeEnvelopeByName")
def get_take_envelope_by_name(world: World, take: Take, name: str) -> Envelope | None:
    return next((envelope for envelope in take.envelopes if envelope.name == name), None)


@reascript("CountTrackEnvelopes")
def count_track_envelopes(world: World, track: Track) -> int:
    return len(track.envelopes)


@reascript("GetTrackEnvelope")
def get_track_envelope(world: World, track: Track, index: int) -> Envelope | None:
    return track.envelopes[index] if 0 <= index < len(track.envelopes) else None


@reascript("CountAutomationItems")
def count_automation_items(world: World, envelope: Envelope) -> int:
    return envelope.num_automation_items


@reascript("InsertEnvelopePoint")
def insert_envelope_point(  # noqa: PLR0917 - REAPER's arguments
    world: World,
    envelope: Envelope,
    time_s: float,
    value: float,
    shape: int,
    tension: float,
    is_selected: bool,
    no_sort: bool | None = None,
) -> bool:
    world.edit(envelope)
    if not no_sort:
        world.record_violation("InsertEnvelopePoint: points are added one by one, and sorted in the end")
    envelope.points.append((time_s, value, shape, tension, is_selected))
    return True


@reascript("DeleteEnvelopePointRange")
def delete_envelope_point_range(world: World, envelope: Envelope, start_s: float, end_s: float) -> bool:
    """The end does not belong to it."""
    world.edit(envelope)
    envelope.points = [point for point in envelope.points if not start_s <= point[0] < end_s]
    return True


@reascript("GetToggleCommandState")
def get_toggle_command_state(world: World, command: int) -> int:
    """-1 for a command that has no state."""
    return world.toggles.get(command, 0)

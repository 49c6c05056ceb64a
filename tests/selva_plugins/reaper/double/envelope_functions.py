"""Envelopes of takes: their points, read and moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import reascript
from .state import Envelope, Take

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

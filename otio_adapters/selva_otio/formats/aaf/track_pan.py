"""The pan of an audio track as AAF has it: one effect around all of the track, with a curve of control points.

Definitions and values are those of the AAF Edit Protocol: MonoAudioPan with the parameter Pan, 0 left, 1/2 middle, 1 right. A
control point's time is its share of the effect's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from selva_otio.formats.flat_layout import FlatTrack

OPERATION_NAME = "Audio Pan"
_OPERATION, _PARAMETER = "9d2ea893-0968-11d3-8a38-0050040ef7d2", "e4962322-2267-11d3-8a4c-0050040ef7d2"
_MAX_DENOMINATOR = 100_000_000


class TrackPan:
    """Writes the pan of the tracks of one file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._definitions: tuple[Any, Any, Any] | None = None

    def wrap(self, track: FlatTrack, sequence: Any, *, length: int, rate_hz: Fraction) -> Any:
        """The segment of a slot: the sequence, inside the effect where a stem on the track is panned. rate_hz, length: of the
        slot's edit units.
        """
        points = list_track_points(track, end_s=length / rate_hz)
        if not points or not length:
            return sequence
        operation, parameter, interpolation = self._define()
        curve = self._file.create.VaryingValue()
        curve.parameterdef = parameter
        curve["Interpolation"].value = interpolation
        for time_s, pan in points:
            point = self._file.create.ControlPoint()
            point["Time"].value = _to_share(Fraction(time_s) * rate_hz / length)
            point["Value"].value = _to_share(Fraction((pan + 1.0) / 2.0))
            point["ControlPointSource"].value = 2
            curve["PointList"].append(point)
        group = self._file.create.OperationGroup(operation)
        group.media_kind = "sound"
        group.length = length
        group.parameters.append(curve)
        group.segments.append(sequence)
        return group

    def _define(self) -> tuple[Any, Any, Any]:
        """The definitions that pyaaf2 does not bring, registered once for each file."""
        if self._definitions is None:
            from aaf2.auid import AUID  # noqa: PLC0415 - an optional package
            from aaf2.misc import LinearInterp  # noqa: PLC0415

            create, dictionary = self._file.create, self._file.dictionary
            kind = dictionary.lookup_typedef("Rational")
            parameter = create.ParameterDef(AUID(_PARAMETER), "Pan", "Pan", kind)
            interpolation = create.InterpolationDef(LinearInterp, "LinearInterp", "LinearInterp")
            operation = create.OperationDef(AUID(_OPERATION), OPERATION_NAME)
            operation.media_kind = "sound"
            operation["NumberInputs"].value = 1
            for definition in (parameter, interpolation, operation):
                dictionary.register_def(definition)
            self._definitions = operation, parameter, interpolation
        return self._definitions


def is_pan(segment: Any) -> bool:
    """Whether the segment of a slot is the pan of a track."""
    operation = getattr(segment, "operation", None)
    return operation is not None and str(operation.auid) == _OPERATION


def list_track_points(track: FlatTrack, *, end_s: Fraction) -> Sequence[tuple[float, float]]:
    """Record seconds and pan over a whole track; none where nothing on it is panned.

    Each stem brings its own points. What is not panned is in the middle. The pan changes between stems, where nothing sounds,
    or at their cut.
    """
    played = [clip for clip in track.clips if clip.enabled]
    if not any(clip.pan_points for clip in played):
        return ()
    points: dict[float, float] = {}
    for clip in played:
        middle = ((0.0, 0.0), (float(clip.duration_s), 0.0))
        for time_s, pan in clip.pan_points or middle:
            points[_after(points, float(clip.start_s) + time_s)] = pan
    ordered = sorted((time_s, pan) for time_s, pan in points.items() if time_s <= end_s)
    first, last = ordered[0], ordered[-1]
    return (
        *([(0.0, first[1])] if first[0] > 0 else []),
        *ordered,
        *([(float(end_s), last[1])] if last[0] < end_s else []),
    )


def _after(points: dict[float, float], time_s: float) -> float:
    """The time, or a moment later where the stem before has a point: a curve has one value at a time."""
    return time_s + 1e-4 if time_s in points else time_s


def _to_share(value: Fraction) -> Any:
    """A rational from 0 to 1, of two 32-bit numbers."""
    from aaf2.rational import AAFRational  # noqa: PLC0415 - an optional package

    limited = min(max(value, Fraction(0)), Fraction(1)).limit_denominator(_MAX_DENOMINATOR)
    return AAFRational(limited.numerator, limited.denominator)

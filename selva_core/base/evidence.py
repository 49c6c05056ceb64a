"""Where and when a model saw what a prompt names: one value per time step, and a map of places.

It comes from the attention of the text-steered video encoder, which is there when a stem is rendered. It is light: it
imports neither torch nor numpy.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

SEEN = 0.5
"""Presence from which on a time step counts as one in which the thing is seen."""
MIN_SPAN_S = 0.4
EVIDENCE_SUFFIX = ".evidence.json"
"""Of the file beside a stem, in place of .wav."""
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a model saw of one prompt in one clip.

    rate_hz: time steps per second. presence: 0..1, whether it is seen. x, y: centre of the places that the model looks at, 0..1
    from the left and from the top of the picture. spread: root mean square distance from that centre, in the same unit. rows,
    columns: of the map; heat: rows * columns bytes per time step, row by row from the top left, 255 for the place that is looked
    at most in that step. whole: presence in the whole clip, that of its best second. threshold: below it the thing is absent
    from the clip; None for a model whose presence was not calibrated, where it is a hint and nothing acts on it.
    """

    rate_hz: Fraction
    presence: tuple[float, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...]
    rows: int
    columns: int
    heat: bytes
    whole: float
    threshold: float | None = None

    def __post_init__(self) -> None:
        lengths = {len(values) for values in (self.presence, self.x, self.y, self.spread)}
        if lengths != {len(self.presence)} or len(self.heat) != len(self.presence) * self.rows * self.columns:
            raise ValueError(
                f"evidence has one value per time step; got {sorted(lengths)} values and {len(self.heat)} bytes of "
                f"{self.rows} x {self.columns} places"
            )

    @property
    def is_absent(self) -> bool:
        """Whether the clip does not show what the prompt names; never true where the presence is only a hint."""
        return self.threshold is not None and self.whole < self.threshold

    @property
    def seen_spans_s(self) -> tuple[tuple[float, float], ...]:
        """Start and end, in seconds of the clip, of the times in which the thing is seen; shorter ones than MIN_SPAN_S are left
        out, and shorter gaps are closed.
        """
        return tuple(
            (float(start / self.rate_hz), float(end / self.rate_hz))
            for start, end in _runs(
                [value >= SEEN for value in self.presence], min_steps=MIN_SPAN_S * float(self.rate_hz)
            )
        )

    def to_json(self) -> dict[str, Any]:
        """One JSON-able object: the content of the file beside a stem."""
        return {
            "rate_hz": float(self.rate_hz),
            "whole": round(self.whole, _DIGITS),
            "threshold": self.threshold,
            **{name: [round(value, _DIGITS) for value in getattr(self, name)] for name in _CURVES},
            "map": {
                "rows": self.rows,
                "columns": self.columns,
                "uint8_base64": base64.b64encode(self.heat).decode("ascii"),
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_json`, but for the rounding. Raises ValueError for anything else."""
        try:
            places = content["map"]
            threshold = content["threshold"]
            curves = {name: tuple(float(value) for value in content[name]) for name in _CURVES}
            return cls(
                rate_hz=Fraction(content["rate_hz"]).limit_denominator(1000),
                rows=int(places["rows"]),
                columns=int(places["columns"]),
                heat=base64.b64decode(places["uint8_base64"], validate=True),
                whole=float(content["whole"]),
                threshold=None if threshold is None else float(threshold),
                **curves,
            )
        except (KeyError, TypeError, binascii.Error, OverflowError) as exc:
            raise ValueError(f"this is no evidence: {type(exc).__name__}: {exc}") from exc


_CURVES = ("presence", "x", "y", "spread")


def _runs(is_seen: Sequence[bool], *, min_steps: float) -> Iterator[tuple[int, int]]:
    """First and past-the-last index of each run of true values, after short gaps and then short runs are taken out."""
    runs: list[tuple[int, int]] = []
    start: int | None = None
    for index, seen in enumerate([*is_seen, False]):
        if seen and start is None:
            start = index
        elif not seen and start is not None:
            if runs and start - runs[-1][1] < min_steps:
                start = runs.pop()[0]
            runs.append((start, index))
            start = None
    shortest = min(min_steps, len(is_seen))
    return ((first, last) for first, last in runs if last - first >= shortest)

"""How a bundle wants its cut spotted and its stems made: options in the metadata of the bundle's timeline.

    metadata["selva"]["bundle"] = {"schema": "selva.bundle/1", "options": {"takes": 2, "handles": "1/2", ...}, ...}

What is heard is not here but where every timeline has it: `metadata["selva"]["tracks"]` and `["cues"]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_core.base.limits import MAX_TAKES
from selva_otio.cues.markers import SELVA_COLOUR
from selva_otio.cues.spotting import SpotOptions
from selva_otio.errors import ClockError, CueError, TimelineReadError
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.time.clock import parse_seconds

SCHEMA = "selva.bundle/1"
_FAMILY, _, _VERSION = SCHEMA.rpartition("/")


@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """Named as on the command line. model: None for the largest that is installed where it is rendered. handles:
    seconds. Raises CueError for what makes no sense.
    """

    takes: int = 1
    seed: int = 42
    model: str | None = None
    sample_rate: int = 48_000
    steps: int = 25
    guidance: float = 4.5
    handles: Fraction = Fraction(0)
    video_track: str | None = None
    markers: bool = True
    marker_colour: str = SELVA_COLOUR

    def __post_init__(self) -> None:
        for name, (is_fine, wanted) in _ALLOWED.items():
            if not is_fine(getattr(self, name)):
                raise CueError(f"{name} is {wanted}; got {getattr(self, name)!r}")
        self.spot_options()

    def spot_options(self) -> SpotOptions:
        """How the cut is looked at. Raises CueError."""
        return SpotOptions(
            video_track=self.video_track,
            handles_s=self.handles,
            use_markers=self.markers,
            marker_colour=self.marker_colour,
        )

    def to_metadata(self) -> dict[str, Any]:
        """Values that JSON has; handles as a fraction in text."""
        return {
            field.name: str(value) if isinstance(value := getattr(self, field.name), Fraction) else value
            for field in fields(self)
        }


def build_options(values: Mapping[str, Any]) -> BundleOptions:
    """Options from what was given or read; names that are not known are passed over. Raises CueError."""
    known = {field.name: values[field.name] for field in fields(BundleOptions) if field.name in values}
    if "handles" in known:
        try:
            known["handles"] = parse_seconds(str(known["handles"]))
        except ClockError as error:
            raise CueError(f"handles: {error.message}") from error
    return BundleOptions(**known)


def read_options(timeline: otio.schema.Timeline) -> BundleOptions:
    """The options a timeline carries, else the usual ones. Raises TimelineReadError for those of a newer version, CueError."""
    facts = bundle_facts(timeline)
    options = facts.get("options")
    return build_options(options if isinstance(options, Mapping) else {})


def bundle_facts(timeline: otio.schema.Timeline) -> Mapping[str, Any]:
    """What a bundle's timeline says of the bundle; empty when it says nothing. Raises TimelineReadError when the bundle is
    of a version we cannot read.
    """
    ours = timeline.metadata.get(SELVA_NAMESPACE)
    facts = ours.get("bundle") if isinstance(ours, Mapping) else None
    if not isinstance(facts, Mapping):
        return {}
    schema = str(facts.get("schema", ""))
    if schema != SCHEMA:
        newer = schema.startswith(f"{_FAMILY}/")
        advice = "update Selva Bridge to read it" if newer else "write it again"
        raise TimelineReadError(f"the bundle is of kind {schema!r}; {SCHEMA!r} is read; {advice}")
    return facts


def _whole(low: int, high: int) -> tuple[Callable[[Any], bool], str]:
    def is_fine(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return is_fine, f"a whole number from {low} to {high}"


def _is_name(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value.strip()))


def _is_guidance(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 100


_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "takes": _whole(1, MAX_TAKES),
    "seed": _whole(0, 2**63 - 1),
    "model": (_is_name, "the name of a model"),
    "sample_rate": _whole(8_000, 192_000),
    "steps": _whole(1, 1000),
    "guidance": (_is_guidance, "a number from 0 to 100"),
    "video_track": (_is_name, "the name of a video track"),
    "markers": (lambda value: isinstance(value, bool), "true or false"),
    "marker_colour": (lambda value: isinstance(value, str), "the name of a colour"),
}

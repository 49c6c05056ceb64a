"""The options of a request bundle, how its cut is spotted and its stems are rendered, in the metadata of its timeline.

    metadata["selva"]["bundle"] = {"schema": "selva.bundle/1", "options": {"takes": 2, "handles": "1/2", ...}, ...}

The stem tracks and cues are where every timeline has them: `metadata["selva"]["tracks"]` and `["cues"]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import opentimelineio as otio

from selva_core.base.errors import RequestError
from selva_core.base.limits import (
    DEFAULT_SEPARATION,
    MAX_GUIDANCE,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_SEPARATION,
    MAX_STEPS,
    MAX_TAKES,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)
from selva_core.base.render_options import (
    ABSENCES,
    OFF,
    PANS,
    PRECISIONS,
    QUALITIES,
    SILENT,
    PanOptions,
    RenderOptions,
    SamplingOptions,
)
from selva_otio.cues.spotting import SpotOptions
from selva_otio.errors import ClockError, CueError, TimelineReadError
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.time.clock import parse_seconds

SCHEMA = "selva.bundle/1"
_FAMILY, _, _VERSION = SCHEMA.rpartition("/")
_LATER_DEFAULTS: Mapping[str, Any] = {
    "steps": None,
    "quality": "final",
    "separate": DEFAULT_SEPARATION,
    "precision": "auto",
    "absent": SILENT,
    "pan": OFF,
    "pan_width": 1.0,
    "distance": False,
}


@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """How the stems of a bundle are rendered, and how its cut is spotted."""

    render: RenderOptions = field(default_factory=RenderOptions)
    spot: SpotOptions = field(default_factory=SpotOptions)

    def to_metadata(self) -> dict[str, Any]:
        """The options as JSON values, by their names on the command line; handles as the text of a fraction, which is exact."""
        render, spot = self.render, self.spot
        # Versions before 0.2.0 read a bundle whose values are those that they knew.
        later = {
            "steps": render.sampling.num_steps,
            "quality": render.sampling.quality,
            "separate": render.sampling.separate,
            "precision": render.precision,
            "absent": render.absent,
            "pan": render.pan.mode,
            "pan_width": render.pan.width,
            "distance": render.pan.distance,
        }
        return {
            **{name: value for name, value in later.items() if value != _LATER_DEFAULTS[name]},
            "takes": render.num_takes,
            "seed": render.seed,
            "model": render.model,
            "sample_rate": render.sample_rate_hz,
            "guidance": render.sampling.guidance,
            "handles": str(spot.handles_s),
            "video_track": spot.video_track,
            "markers": spot.use_markers,
            "marker_colour": spot.marker_colour,
        }


def build_options(values: Mapping[str, Any]) -> BundleOptions:
    """Options from values by their names in the metadata; unknown names are passed over. Raises CueError."""
    known = {
        **_LATER_DEFAULTS,
        **BundleOptions().to_metadata(),
        **{name: values[name] for name in _NAMES if name in values},
    }
    for name, (is_allowed, allowed) in _ALLOWED.items():
        if not is_allowed(known[name]):
            raise CueError(f"{name} is {allowed}; got {known[name]!r}")
    try:
        return BundleOptions(
            render=RenderOptions(
                model=known["model"],
                num_takes=known["takes"],
                seed=known["seed"],
                sample_rate_hz=known["sample_rate"],
                sampling=SamplingOptions(
                    num_steps=known["steps"],
                    guidance=known["guidance"],
                    quality=known["quality"],
                    separate=known["separate"],
                ),
                precision=known["precision"],
                absent=known["absent"],
                pan=PanOptions(mode=known["pan"], width=known["pan_width"], distance=known["distance"]),
            ),
            spot=SpotOptions(
                video_track=known["video_track"],
                handles_s=parse_seconds(str(known["handles"])),
                use_markers=known["markers"],
                marker_colour=known["marker_colour"],
            ),
        )
    except ClockError as error:
        raise CueError(f"handles: {error.message}") from error
    except RequestError as error:
        raise CueError(error.message) from error


def read_options(timeline: otio.schema.Timeline) -> BundleOptions:
    """The options in a timeline's metadata, else the defaults. Raises CueError; TimelineReadError for a newer version."""
    options = read_bundle_metadata(timeline).get("options")
    return build_options(options if isinstance(options, Mapping) else {})


def read_bundle_metadata(timeline: otio.schema.Timeline) -> Mapping[str, Any]:
    """What a timeline's metadata says of its bundle; empty when it has none. Raises TimelineReadError for an unknown version."""
    selva = timeline.metadata.get(SELVA_NAMESPACE)
    bundle = selva.get("bundle") if isinstance(selva, Mapping) else None
    if not isinstance(bundle, Mapping):
        return {}
    schema = str(bundle.get("schema", ""))
    if schema != SCHEMA:
        is_later = schema.startswith(f"{_FAMILY}/")
        advice = "update Selva Bridge to read it" if is_later else "write the bundle again"
        raise TimelineReadError(f"the bundle has the schema {schema!r}; {SCHEMA!r} is read; {advice}")
    return bundle


def _whole_number(low: int, high: int) -> tuple[Callable[[Any], bool], str]:
    def is_allowed(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return is_allowed, f"a whole number from {low} to {high}"


def _optional(allowed: tuple[Callable[[Any], bool], str]) -> tuple[Callable[[Any], bool], str]:
    is_allowed, what = allowed
    return lambda value: value is None or is_allowed(value), what


def _one_of(values: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in values, f"one of {', '.join(values)}"


def _is_name(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value.strip()))


def _number(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    def is_allowed(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and low <= value <= high

    return is_allowed, f"a number from {low:g} to {high:g}"


_FLAG = (lambda value: isinstance(value, bool), "true or false")


_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "takes": _whole_number(1, MAX_TAKES),
    "seed": _whole_number(0, MAX_SEED),
    "model": (_is_name, "the name of a model"),
    "sample_rate": _whole_number(MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ),
    "steps": _optional(_whole_number(MIN_STEPS, MAX_STEPS)),
    "quality": _one_of(QUALITIES),
    "precision": _one_of(PRECISIONS),
    "guidance": _number(MIN_GUIDANCE, MAX_GUIDANCE),
    "separate": _number(0.0, MAX_SEPARATION),
    "absent": _one_of(ABSENCES),
    "pan": _one_of(PANS),
    "pan_width": _number(0.0, 1.0),
    "distance": _FLAG,
    "video_track": (_is_name, "the name of a video track"),
    "markers": _FLAG,
    "marker_colour": (lambda value: isinstance(value, str), "the name of a colour"),
}
_NAMES = (*_ALLOWED, "handles")

"""Stem files and plans for tests of placing."""

from __future__ import annotations

import math
import wave
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from selva_plugins.hosts.resolve.plan_schema import PlacementPlan, PlacementReport, PlanMarker, PlanStem
from tests.selva_plugins.resolve.double import model


def write_wav(path: Path, *, num_samples: int, rate_hz: int = 48000) -> Path:
    """A mono 24-bit WAV with no chunks but its format and its samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(rate_hz)
        file.writeframes(bytes(3 * num_samples))
    return path


def plan_stem(
    folder: Path,
    timeline: model.Timeline,
    *,
    at: int,
    frames: int,
    track: str = "Dog",
    name: str = "",
    is_muted: bool = False,
    spare_frames: int = 0,
) -> PlanStem:
    """One stem of a plan, with its file; `at` counts frames from the timeline's start."""
    title = name or f"{track}_{at}"
    seconds = Fraction(frames + spare_frames) / timeline.rate
    file = write_wav(folder / f"{title}.wav", num_samples=math.ceil(seconds * 48000))
    return PlanStem(
        id=title,
        file=str(file),
        track=track,
        record_frame=timeline.start_frame + at,
        duration_frames=frames,
        is_muted=is_muted,
        comment=f"Selva: {track}",
    )


def plan_for(
    timeline: model.Timeline,
    stems: Sequence[PlanStem],
    *,
    markers: Sequence[PlanMarker] = (),
    replaces: bool = False,
) -> PlacementPlan:
    """A plan for a timeline of the double."""
    return PlacementPlan(
        timeline_id=timeline.uid,
        timeline_name=timeline.name,
        stems=tuple(stems),
        markers=tuple(markers),
        replaces=replaces,
    )


def outcomes(report: PlacementReport) -> list[str]:
    """By stem: placed or held."""
    return ["placed" if stem.is_placed else "held" for stem in report.stems]

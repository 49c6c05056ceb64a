"""Stem files and plans for tests of placing."""

from __future__ import annotations

import math
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.selva_plugins.resolve.double import model


def write_wav(path: Path, *, num_samples: int, rate_hz: int = 48000) -> Path:
    """A mono 24-bit WAV without anything but its sound."""
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
    muted: bool = False,
    spare_frames: int = 0,
) -> dict[str, Any]:
    """One stem of a plan, with its file; `at` counts frames from the timeline's start."""
    title = name or f"{track}_{at}"
    seconds = Fraction(frames + spare_frames) / timeline.rate
    file = write_wav(folder / f"{title}.wav", num_samples=math.ceil(seconds * 48000))
    return {
        "id": title,
        "file": str(file),
        "track": track,
        "record_frame": timeline.start_frame + at,
        "duration_frames": frames,
        "muted": muted,
        "comment": f"Selva: {track}",
    }


def plan_for(timeline: model.Timeline, stems: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"timeline_id": timeline.uid, "timeline_name": timeline.name, "stems": stems, **more}

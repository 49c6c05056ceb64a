"""The example cut: four short scenes that this project draws, and a timeline of parts of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from selva_core.training.scenes.scene import FRAMES_PER_SECOND, build_scene
from selva_core.training.scenes.scene_files import describe_scene, write_video

SIZE_PX = 320
CUT_NAME = "cut.otio"


@dataclass(frozen=True)
class Shot:
    """One scene file and the part of it that the cut uses, in frames; a gap may precede it."""

    name: str
    seed: int
    kinds: tuple[str, ...]
    duration_s: float
    first_frame: int
    num_frames: int
    gap_frames: int = 0


SHOTS = (
    Shot("yard", 1_900_003, ("dog", "ball"), 8.0, 12, 150),
    Shot("hall", 1_900_007, ("clock", "knock"), 8.0, 25, 140),
    Shot("street", 1_900_011, ("engine", "siren", "footsteps"), 8.0, 0, 175, gap_frames=25),
    Shot("garden", 1_900_016, ("bird", "rain"), 6.0, 8, 125),
)


def write_example_cut(folder: Path) -> Path:
    """Render the scenes and write the timeline beside them; returns the timeline's path. The JSON is the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    track = otio.schema.Track("Picture", kind=otio.schema.TrackKind.Video)
    for shot in SHOTS:
        scene = build_scene(shot.seed, duration_s=shot.duration_s, kinds=shot.kinds)
        write_video(scene, folder / f"{shot.name}.mp4", size_px=SIZE_PX, quality=26)
        text = json.dumps(describe_scene(scene), separators=(",", ":"))
        (folder / f"{shot.name}.json").write_text(text + "\n", encoding="utf-8")
        if shot.gap_frames:
            track.append(otio.schema.Gap(source_range=_frames(0, shot.gap_frames)))
        media = otio.schema.ExternalReference(
            target_url=f"{shot.name}.mp4", available_range=_frames(0, scene.num_frames)
        )
        track.append(
            otio.schema.Clip(
                name=shot.name, media_reference=media, source_range=_frames(shot.first_frame, shot.num_frames)
            )
        )
    timeline = otio.schema.Timeline(
        "Example cut", global_start_time=otio.opentime.RationalTime(90_000, FRAMES_PER_SECOND)
    )
    timeline.tracks.append(track)
    path = folder / CUT_NAME
    otio.adapters.write_to_file(timeline, str(path))
    return path


def _frames(start: int, count: int) -> otio.opentime.TimeRange:
    rate = FRAMES_PER_SECOND
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(count, rate)
    )

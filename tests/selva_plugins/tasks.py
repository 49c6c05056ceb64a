"""Render tasks over a short clip, for the engine that answers at once."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_otio import CueSheet, SpottedClip, StemTrack, TimelineClock
from selva_otio.cues.cue_sheet import CueBuilder
from selva_plugins.rendering import RenderTask
from selva_render.options import OutputOptions
from tests.support.flashes import write_flashing_clip

CLOCK = TimelineClock(frame_rate_hz=Fraction(25), otio_rate_hz=25.0, start_frame=0, drop_frame=False)


def write_movie(folder: Path) -> Path:
    """Two seconds at 25 fps that flash twice."""
    return write_flashing_clip(folder / "flash.mov", rate=Fraction(25), num_frames=50, flashes={10, 30})


def task_of(movie: Path, *, num_clips: int = 1, num_takes: int = 1, seed: int = 1) -> RenderTask:
    numbering = CueBuilder()
    clips = [
        SpottedClip(
            name=f"clip {index}",
            video_track="V1",
            media_path=movie,
            media_start_s=Fraction(0),
            speed=Fraction(1),
            record_start_s=Fraction(2 * index),
            duration_s=Fraction(2),
            source_timecode="00:00:00:00",
            source_end_timecode="00:00:02:00",
        )
        for index in range(num_clips)
    ]
    sound = StemTrack(name="Dog", prompt="bark")
    sheet = CueSheet(
        clock=CLOCK, tracks=("Dog",), cues=tuple(numbering.build_cue(clip, sound, "") for clip in clips)
    )
    return RenderTask(
        sheet=sheet,
        options=RenderOptions(model="selva-echo", num_takes=num_takes, seed=seed),
        output=OutputOptions(stems_folder=movie.parent / "stems"),
    )


def connector(paths: AppPaths) -> Callable[[], Client]:
    return lambda: Client.connect(paths=paths)

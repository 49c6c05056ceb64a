"""Scenes whose picture flashes, and where the tracks of the double click in answer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.rational import round_half_up
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.scenes import Scene, build_scene
from tests.support.flashes import click_samples, write_flashing_clip

SAMPLE_RATE_HZ = 48_000


def flashing_scene(
    folder: Path, *, flashes: tuple[int, ...] = (12,), num_frames: int = 48, **more: Any
) -> tuple[Scene, model.Media]:
    """A scene at 24 fps with a flashing movie in its pool."""
    scene = build_scene(**more)
    rate = scene.timeline.rate
    movie = write_flashing_clip(folder / "flash.avi", rate=rate, num_frames=num_frames, flashes=set(flashes))
    return scene, scene.add_media(movie, duration_s=num_frames / rate)


def sample_at(seconds: Fraction) -> int:
    return round_half_up(seconds * SAMPLE_RATE_HZ)


def clicks_on(timeline: model.Timeline, track: str) -> list[int]:
    """Samples after the timeline's start at which a track clicks, as its items play their files."""
    items = [item for t in timeline.tracks["audio"] if t.name == track for item in t.items]
    clicks = []
    for item in items:
        assert item.media is not None
        start = sample_at((item.start - timeline.start_frame) / timeline.rate)
        skipped = sample_at(item.source_start / item.media.fps)
        assert item.media.start_timecode == "00:00:00:00"
        clicks += [start - skipped + click for click in click_samples(Path(item.media.path))]
    return sorted(clicks)


def clips_on(scene: Scene, track: str) -> list[model.Item]:
    return [item for t in scene.timeline.tracks["audio"] if t.name == track for item in t.items]

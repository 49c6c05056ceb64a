"""Scenes as ordinary files: MP4 of the video, WAV of each dry sound, JSON of the events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import soundfile

from selva_core.training.scenes.scene import FRAMES_PER_SECOND, PlacedSource, Scene
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

SEEN_PER_SECOND = 25


def write_video(scene: Scene, path: Path, *, size_px: int = 240, quality: int = 23) -> None:
    """Write the video as H.264, 25 frames per second, without sound; `quality` is x264's constant rate factor."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width = stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(quality), "preset": "medium", "bf": "2"}
        for pixels in scene.draw(size_px):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def describe_scene(scene: Scene) -> dict[str, Any]:
    """The scene for JSON: kinds, positions, onsets in seconds, visible quantities 25 per second."""
    return {
        "seed": scene.seed,
        "duration_s": scene.duration_s,
        "frames_per_second": FRAMES_PER_SECOND,
        "sounding": [_describe(placed, scene.duration_s) for placed in scene.targets],
        "still": [placed.source.kind for placed in scene.idle],
    }


def write_scene(scene: Scene, folder: Path, name: str, *, size_px: int = 240) -> None:
    """Write NAME.mp4, NAME.json and one NAME.KIND.wav per sound source into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_video(scene, folder / f"{name}.mp4", size_px=size_px)
    text = json.dumps(describe_scene(scene), indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    for placed in scene.targets:
        source = placed.source
        soundfile.write(folder / f"{name}.{source.kind}.wav", source.sound, SAMPLE_RATE_HZ, subtype="PCM_16")


def _describe(placed: PlacedSource, duration_s: float) -> dict[str, Any]:
    source = placed.source
    description: dict[str, Any] = {
        "kind": source.kind,
        "detail": source.detail,
        "x": round(placed.x, 3),
        "y": round(placed.y, 3),
        "follows": source.follows,
    }
    if source.seen is None:
        return {**description, "onsets_s": [round(onset_s, 4) for onset_s in source.onsets_s]}
    times_s = [k / SEEN_PER_SECOND for k in range(round(duration_s * SEEN_PER_SECOND))]
    return {**description, "seen": [round(float(value), 3) for value in source.seen.at(times_s)]}

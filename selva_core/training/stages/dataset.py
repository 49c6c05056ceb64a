"""Scenes rendered once to disk for training: frames, dry sounds and event times, as memory-mapped arrays."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.training.scenes.scene import FRAMES_PER_SECOND, KINDS, Scene, build_scene
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

DURATION_S = 8.0
FRAME_SIZE_PX = 48
NUM_FRAMES = round(DURATION_S * FRAMES_PER_SECOND)
NUM_SAMPLES = round(DURATION_S * SAMPLE_RATE_HZ)
BINS_PER_SECOND = 25
"""Rate of the per-frame targets that the video encoder is trained on."""

PLACE_FIELDS = ("x", "y", "drift_x", "drift_y", "size")

Int16Array: TypeAlias = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Target:
    """One sounding or idle source of one scene, and its position (see `scenes.PlacedSource`).

    sound_index: its row in the sounds, -1 when it is silent.
    """

    scene_index: int
    kind: str
    detail: str
    sound_index: int
    onsets_s: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    x: float = 0.0
    y: float = 0.0
    drift_x: float = 0.0
    drift_y: float = 0.0
    size: float = 0.0


@dataclass(frozen=True)
class SceneSet:
    """Rendered scenes.

    frames: uint8 (num_scenes, 200, 48, 48, 3); sounds: int16 (num_sounds, 128000); seen: float32 (num_sounds, 200), the
    visible quantity that sustained sources follow (zero for impacts); targets: all sources of all scenes.
    """

    frames: npt.NDArray[np.uint8]
    sounds: Int16Array
    seen: npt.NDArray[np.float32]
    targets: tuple[Target, ...]

    @property
    def num_scenes(self) -> int:
        return int(self.frames.shape[0])

    def first(self, num_scenes: int | None) -> SceneSet:
        """The first scenes and their sounds; all of them for None."""
        if num_scenes is None or num_scenes >= self.num_scenes:
            return self
        targets = tuple(target for target in self.targets if target.scene_index < num_scenes)
        num_sounds = 1 + max((target.sound_index for target in targets), default=-1)
        return SceneSet(self.frames[:num_scenes], self.sounds[:num_sounds], self.seen[:num_sounds], targets)


def render_scene_set(folder: Path, *, first_seed: int, num_scenes: int, num_workers: int = 1) -> None:
    """Render `num_scenes` scenes from `first_seed` on into `folder`; does nothing when it already has them."""
    if (folder / "targets.json").exists():
        log.info("scenes are already in %s", folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.lib.format.open_memmap(
        folder / "frames.npy", "w+", np.uint8, (num_scenes, NUM_FRAMES, FRAME_SIZE_PX, FRAME_SIZE_PX, 3)
    )
    sounds: list[Int16Array] = []
    seen: list[npt.NDArray[np.float32]] = []
    targets: list[dict[str, Any]] = []
    for index, rendered in enumerate(_rendered(first_seed, num_scenes, num_workers)):
        frames_of_scene, sources = rendered
        frames[index] = frames_of_scene
        for description, sound, curve in sources:
            targets.append(
                {"scene_index": index, "sound_index": len(sounds) if sound is not None else -1, **description}
            )
            if sound is not None:
                sounds.append(sound)
                seen.append(curve)
        if (index + 1) % 250 == 0:
            log.info("rendered %d of %d scenes", index + 1, num_scenes)
    frames.flush()
    np.save(folder / "sounds.npy", np.stack(sounds))
    np.save(folder / "seen.npy", np.stack(seen))
    (folder / "targets.json").write_text(json.dumps(targets), encoding="utf-8")


def load_scene_set(folder: Path) -> SceneSet:
    """The scenes of a folder, memory-mapped."""
    rows = json.loads((folder / "targets.json").read_text(encoding="utf-8"))
    targets = tuple(
        Target(
            scene_index=row["scene_index"],
            kind=row["kind"],
            detail=row["detail"],
            sound_index=row["sound_index"],
            onsets_s=tuple(row["onsets_s"]),
            strengths=tuple(row["strengths"]),
            **{name: row[name] for name in PLACE_FIELDS},
        )
        for row in rows
    )
    return SceneSet(
        frames=np.load(folder / "frames.npy", mmap_mode="r"),
        sounds=np.load(folder / "sounds.npy", mmap_mode="r"),
        seen=np.load(folder / "seen.npy", mmap_mode="r"),
        targets=targets,
    )


def _rendered(
    first_seed: int, num_scenes: int, num_workers: int
) -> Iterator[tuple[npt.NDArray[np.uint8], list[Any]]]:
    seeds = range(first_seed, first_seed + num_scenes)
    if num_workers <= 1:
        yield from map(_render_one, seeds)
        return
    with ProcessPoolExecutor(min(num_workers, os.cpu_count() or 1)) as pool:
        yield from pool.map(_render_one, seeds, chunksize=8)


def _render_one(seed: int) -> tuple[npt.NDArray[np.uint8], list[Any]]:
    scene = build_scene(seed, duration_s=DURATION_S)
    return scene.draw(FRAME_SIZE_PX), _describe_sources(scene)


def _describe_sources(scene: Scene) -> list[Any]:
    bins_s = np.arange(NUM_FRAMES) / BINS_PER_SECOND
    sources: list[Any] = []
    for placed in (*scene.targets, *scene.idle):
        source = placed.source
        description = {
            "kind": source.kind,
            "detail": source.detail,
            "onsets_s": list(source.onsets_s),
            "strengths": list(source.strengths),
            **{name: getattr(placed, name) for name in PLACE_FIELDS},
        }
        is_silent = placed in scene.idle
        sound = np.asarray(np.clip(source.sound, -1, 1) * 32767, np.int16)
        curve = source.seen.at(bins_s) if source.seen is not None else np.zeros(NUM_FRAMES, np.float32)
        sources.append((description, None if is_silent else sound, curve))
    return sources


def kind_index(kind: str) -> int:
    """Index of a kind in the outputs of the networks."""
    return KINDS.index(kind)

"""Mel spectrograms of the dry sound of each source of a scene, and of the model's stem, side by side."""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes

from selva_core.engine import Engine, SamplingSettings
from selva_core.models.specs import MEL_16K
from selva_core.network.mel import MelSpectrogram
from selva_core.training.evaluation.evaluate import arrange, render_waves, scored_scene

RANGE = 3.5
"""Powers of ten of amplitude that are shown."""


def draw_spectrograms(engine: Engine, seeds: list[int], path: Path, *, settings: SamplingSettings) -> None:
    """Write a PNG: a row for every sound source of the scenes, its dry sound on the left, its stem on the right.

    Raises RequestError when seeds are among those of training.
    """
    rows: list[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            scene = scored_scene(seed)
            waves = render_waves(engine, scene, Path(folder), settings)
            stems = arrange(scene, waves, keeps_absent=False).stems
            rows += [
                (f"{placed.source.kind} ({seed})", placed.source.sound, stem.seen)
                for placed, stem in zip(scene.targets, stems, strict=True)
            ]
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(13, 1.5 * len(rows)), sharex=True, squeeze=False, layout="constrained"
    )
    for row, (name, dry, stem) in zip(axes, rows, strict=True):
        top = max(_show(row[0], dry, None), -1.0)
        _show(row[1], stem, top)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    axes[0][0].set_title("dry sound of the source")
    axes[0][1].set_title(f"stem by {engine.model_id}")
    for axis in axes[-1]:
        axis.set_xlabel("s")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _show(axis: Axes, wave: npt.NDArray[np.float32], top: float | None) -> float:
    """Draw the log mel of a wave; both columns of a row share the scale whose top this returns."""
    mel = MelSpectrogram(MEL_16K)(torch.from_numpy(wave)[None])[0].numpy()
    top = float(mel.max()) if top is None else top
    seconds = wave.size / MEL_16K.sample_rate_hz
    axis.imshow(
        mel, origin="lower", aspect="auto", extent=(0, seconds, 0, mel.shape[0]), vmin=top - RANGE, vmax=top
    )
    axis.set_yticks([])
    return top

"""Whether the joins between the windows of long clips are heard: level and spectrum across joins against places inside windows.

    python bench/takes/seams.py [--clips 40] [--seconds 20] [--first-seed 1000000] [--steps 25] [--ways tied] [--processes 2]

Each clip is a scene that no training has seen, with one sustained source and one source of impacts; selva-nano renders a stem
of each. A join is the middle of the overlap of two windows. At every join, and at random places that are at least as far
from any overlap, the sound before the place is compared with the sound after it, over 0.05, 0.25 and 1 s on either side:

    level     difference of the levels, in dB, both at least -60 dB of full scale
    spectrum  mean difference of the log10 mels averaged over each side, both at least -4

The same is done with the scene's own dry sound, whose joins mean nothing, and with windows that are not tied while they
are sampled but cut together in the middle of their overlaps.

A clip has two or three joins, and what happens there is not what happens at the random places: so the changes at each join are
also compared with those at the same place of the picture in a stem that has no join near, because one window was laid around
it, with the noise that the clip has there ("alone"): another noise changes a place more than a join does. The ratio of these
two medians is what a join adds: `paired`, over the places at which the dry sound is heard on both sides, with an interval from
drawing clips again (see join_intervals.py). Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise, product, repeat
from pathlib import Path
from typing import TypeAlias
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from join_intervals import pair_with_alone
from torch import Tensor

import selva_core
from selva_core.base.limits import DEFAULT_STEPS
from selva_core.base.media import PictureRange
from selva_core.engine import Engine, SamplingSettings, StemRequest
from selva_core.engines import stem_sampling
from selva_core.engines.registry import load_engine
from selva_core.inference import sampler
from selva_core.inference.sampler import Flow
from selva_core.inference.windows import Window, plan_windows
from selva_core.models.catalog import find_model
from selva_core.models.specs import MEL_16K, ModelSpec
from selva_core.network.mel import MelSpectrogram
from selva_core.training.prompts import HELD_BACK
from selva_core.training.scenes.scene import (
    FIRST_HELD_BACK_SEED,
    KINDS,
    SUSTAINED,
    PlacedSource,
    Scene,
    build_scene,
)
from selva_core.training.scenes.scene_files import write_video

ROOT = Path(__file__).parents[2]
MODEL_ID = "selva-nano"
PICTURE_SIZE_PX = 96
REACHES_S = (0.05, 0.25, 1.0)
PLACES_INSIDE = 30
LEVEL_FLOOR = 1e-3
MEL_FLOOR = -4.0
PERCENTILES = (50, 90, 99)
STRUCK = tuple(kind for kind in KINDS if kind not in SUSTAINED)
RATE_HZ = MEL_16K.sample_rate_hz

FloatArray: TypeAlias = npt.NDArray[np.float32]
Changes: TypeAlias = dict[tuple[str, str, float, str], list[dict[str, float]]]
"""Changes of level and spectrum by way of rendering, sort of thing, reach in seconds, and "join", "inside" or "alone".

Those of joins, and of the same places alone, are in the same order. They say their clip's seed, and whether ("is_heard", 0 or 1)
the dry sound is heard there.
"""


@dataclass(frozen=True)
class Overlap:
    """Where two windows both sound, in seconds of the clip."""

    start_s: Fraction
    end_s: Fraction

    @property
    def join_s(self) -> Fraction:
        return (self.start_s + self.end_s) / 2


def nano_spec() -> ModelSpec:
    """The sizes of the measured model's network; engines without a network have none."""
    spec = find_model(MODEL_ID).spec
    assert spec is not None
    return spec


def find_overlaps(spec: ModelSpec, seconds: Fraction) -> list[Overlap]:
    latent_s = Fraction(spec.latent_hop_samples, spec.sample_rate_hz)
    windows = plan_windows(spec, seconds).windows
    return [
        Overlap(after.latents.start * latent_s, before.latents.stop * latent_s)
        for before, after in pairwise(windows)
    ]


def draw_inside(
    rng: np.random.Generator, overlaps: Sequence[Overlap], seconds: float, reach_s: float
) -> list[float]:
    """Places where only one window sounds, as far as is looked."""
    places: list[float] = []
    while len(places) < PLACES_INSIDE:
        place_s = float(rng.uniform(reach_s, seconds - reach_s))
        if all(place_s + reach_s <= o.start_s or place_s - reach_s >= o.end_s for o in overlaps):
            places.append(place_s)
    return places


class Stem:
    """A sound whose sides of a place can be compared. samples: float32 (num_samples,) at 16 kHz."""

    def __init__(self, samples: FloatArray) -> None:
        self._samples = samples
        self._mel = MelSpectrogram(MEL_16K)(torch.from_numpy(samples)[None])[0].clamp_min(MEL_FLOOR).numpy()

    def change_at(self, place_s: float, reach_s: float) -> dict[str, float]:
        return {
            "level": abs(
                self._level_db(place_s, place_s + reach_s) - self._level_db(place_s - reach_s, place_s)
            ),
            "spectrum": float(
                np.abs(
                    self._spectrum(place_s, place_s + reach_s) - self._spectrum(place_s - reach_s, place_s)
                ).mean()
            ),
        }

    def is_heard_around(self, place_s: float, reach_s: float) -> bool:
        """Whether it is above the floor of levels on both sides of a place."""
        floor_db = float(20 * np.log10(LEVEL_FLOOR))
        sides_db = (
            self._level_db(place_s - reach_s, place_s),
            self._level_db(place_s, place_s + reach_s),
        )
        return min(sides_db) > floor_db

    def _level_db(self, start_s: float, end_s: float) -> float:
        part = self._samples[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)].astype(np.float64)
        return float(20 * np.log10(max(np.sqrt(np.square(part).mean()), LEVEL_FLOOR)))

    def _spectrum(self, start_s: float, end_s: float) -> FloatArray:
        frame_s = MEL_16K.hop_samples / RATE_HZ
        part = self._mel[:, round(start_s / frame_s) : round(end_s / frame_s)]
        return np.asarray(part.mean(axis=1), np.float32)


@dataclass(frozen=True)
class Untied:
    """The flow of each window, with nothing that ties it to its neighbours."""

    flow: Flow
    windows: Sequence[Window]


def integrate_untied(
    flow: Untied,
    noise: Tensor,
    *,
    num_steps: int,
    settle: Flow = lambda x, t: x,
    on_step: Callable[[int], None] = lambda step: None,
) -> Tensor:
    """Sample every window by itself, from the same noise, and cut them together in the middle of their overlaps.

    settle: for stretches that are made anew, of which there are none here.
    """
    windows = flow.windows
    apart = torch.stack([noise[:, window.latents] for window in windows], dim=1)
    apart = sampler.integrate(flow.flow, apart, num_steps=num_steps, on_step=on_step)
    joined = torch.zeros_like(noise)
    for index, window in enumerate(windows):
        shared = windows[index - 1].latents.stop - window.latents.start if index else 0
        joined[:, window.latents.start + shared // 2 : window.latents.stop] = apart[:, index, shared // 2 :]
    return joined


@contextmanager
def windows_untied() -> Iterator[None]:
    with (
        mock.patch.object(stem_sampling, "tie_windows", Untied),
        mock.patch.object(stem_sampling, "integrate", integrate_untied),
    ):
        yield


WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {"tied": nullcontext, "untied": windows_untied}


def build_clip(seed: int, seconds: float) -> Scene:
    kinds = [SUSTAINED[seed % len(SUSTAINED)], STRUCK[seed % len(STRUCK)]]
    return build_scene(seed, duration_s=seconds, kinds=kinds)


def render(engine: Engine, scene: Scene, picture: PictureRange, num_steps: int) -> list[Stem]:
    waveforms = engine.render(
        picture,
        [StemRequest(prompt=HELD_BACK[placed.source.kind][0]) for placed in scene.targets],
        settings=SamplingSettings(num_steps=num_steps),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    return [Stem(np.asarray(waveform.samples, np.float32)) for waveform in waveforms]


@cache
def load_model() -> Engine:
    """The engine of this process, on one thread."""
    torch.set_num_threads(1)
    return load_engine(MODEL_ID, device="cpu")


def measure_clip(seed: int, seconds: Fraction, num_steps: int, ways: Sequence[str]) -> Changes:
    """Every change in one clip."""
    rng, overlaps = np.random.default_rng(seed), find_overlaps(nano_spec(), seconds)
    joins_s = [overlap.join_s for overlap in overlaps]
    inside_s = {reach_s: draw_inside(rng, overlaps, float(seconds), reach_s) for reach_s in REACHES_S}
    changes: Changes = {}
    scene = build_clip(seed, float(seconds))
    dry = {sort_of(placed): Stem(placed.source.sound) for placed in scene.targets}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        write_video(scene, path, size_px=PICTURE_SIZE_PX)
        for way, sort, stem in make_stems(scene, path, seconds, num_steps, ways):
            for reach_s in REACHES_S:
                inside = [stem.change_at(place_s, reach_s) for place_s in inside_s[reach_s]]
                changes.setdefault((way, sort, reach_s, "inside"), []).extend(inside)
                joins = [
                    {
                        **stem.change_at(float(place_s), reach_s),
                        "clip": seed,
                        "is_heard": dry[sort].is_heard_around(float(place_s), reach_s),
                    }
                    for place_s in joins_s
                ]
                changes.setdefault((way, sort, reach_s, "join"), []).extend(joins)
        for sort, stem, place_s in lay_windows_around(scene, path, joins_s, num_steps):
            for reach_s, way in product(REACHES_S, ways):
                found = [stem.change_at(float(place_s), reach_s)]
                changes.setdefault((way, sort, reach_s, "alone"), []).extend(found)
    return changes


def make_stems(
    scene: Scene, path: Path, seconds: Fraction, num_steps: int, ways: Sequence[str]
) -> Iterator[tuple[str, str, Stem]]:
    """The sounds of all things of a scene in every way: (way, sort of thing, sound)."""
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=seconds)
    sounds = {"dry": [Stem(placed.source.sound) for placed in scene.targets]}
    for way in ways:
        with WAYS[way]():
            sounds[way] = render(load_model(), scene, picture, num_steps)
    for way, stems in sounds.items():
        for placed, stem in zip(scene.targets, stems, strict=True):
            yield way, sort_of(placed), stem


def lay_windows_around(
    scene: Scene, path: Path, places_s: Sequence[Fraction], num_steps: int
) -> Iterator[tuple[str, Stem, Fraction]]:
    """The sound of one window around each of these places: (sort of thing, sound, the place in it)."""
    spec = nano_spec()
    for place_s in places_s:
        # On the grid of the clip's segments, so that the window reads what the clip's windows read.
        start_s = round((place_s - spec.window_s / 2) / spec.segment_hop_s) * spec.segment_hop_s
        picture = PictureRange(path=path, start_s=start_s, duration_s=spec.window_s)
        first_latent = int(start_s * spec.sample_rate_hz / spec.latent_hop_samples)
        with noise_of_the_clip(first_latent):
            stems = render(load_model(), scene, picture, num_steps)
        for placed, stem in zip(scene.targets, stems, strict=True):
            yield sort_of(placed), stem, place_s - start_s


@contextmanager
def noise_of_the_clip(first_latent: int) -> Iterator[None]:
    """What is sampled begins from the part of its clip's noise that begins at that latent."""

    def draw(seed: int, num_latents: int, latent_channels: int) -> Tensor:
        return sampler.draw_noise(seed, first_latent + num_latents, latent_channels)[first_latent:]

    with mock.patch.object(stem_sampling, "draw_noise", draw):
        yield


def sort_of(placed: PlacedSource) -> str:
    return "sustained" if placed.source.kind in SUSTAINED else "struck"


def measure_clips(options: argparse.Namespace) -> Changes:
    """The changes of all clips together, each process a clip at a time."""
    together: Changes = {}
    seeds = range(options.first_seed, options.first_seed + options.clips)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        alike = (repeat(each) for each in (options.seconds, options.steps, options.ways))
        for changes in pool.map(measure_clip, seeds, *alike):
            for key, found in changes.items():
                together.setdefault(key, []).extend(found)
    return together


def compare(changes: Changes) -> Iterator[dict[str, object]]:
    """Rows of median, 90th and 99th percentile at joins, inside windows and at the joins' places in windows laid around them,
    and the ratios of the first to the others.
    """
    for way, sort, reach_s in dict.fromkeys(key[:3] for key in changes):
        found = {
            where: changes[way, sort, reach_s, where]
            for where in ("join", "inside", "alone")
            if (way, sort, reach_s, where) in changes
        }
        for measure in ("level", "spectrum"):
            at = {
                where: np.percentile([change[measure] for change in each], PERCENTILES)
                for where, each in found.items()
            }
            yield {
                "way": way,
                "things": sort,
                "reach_s": reach_s,
                "measure": measure,
                "num": {where: len(each) for where, each in found.items()},
                **{where: values.round(4).tolist() for where, values in at.items()},
                **{
                    f"ratio_to_{where}": [
                        round(float(a / b), 2) if b else None
                        for a, b in zip(at["join"], at[where], strict=True)
                    ]
                    for where in at
                    if where != "join"
                },
                **pair_with_alone(found, measure),
            }


def describe_run(options: argparse.Namespace) -> dict[str, object]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "clips": options.clips,
        "steps": options.steps,
        "clip_seconds": float(options.seconds),
        "first_seed": options.first_seed,
        "model": MODEL_ID,
        "weights_sha256": load_model().weights_sha256,
        "device": "cpu",
        "processes": options.processes,
        "version": selva_core.__version__,
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seconds", type=Fraction, default=Fraction(20))
    parser.add_argument("--first-seed", type=int, default=FIRST_HELD_BACK_SEED)
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help="of the sampler")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="beside the dry sound")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.first_seed < FIRST_HELD_BACK_SEED:
        parser.error(f"seeds below {FIRST_HELD_BACK_SEED} are for training; got {options.first_seed}")
    if not find_overlaps(nano_spec(), options.seconds):
        parser.error(f"a clip of {float(options.seconds):g} s is one window; give --seconds of more than 9")
    rows = list(compare(measure_clips(options)))
    print(json.dumps({"percentiles": PERCENTILES, "changes": rows, **describe_run(options)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

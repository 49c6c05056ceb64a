"""Which of several takes is best: what can be measured of a take without its dry sound, against how well it follows its source.

    python bench/takes/order_of_takes.py [--scenes 40] [--takes 4] [--first-seed 5100000] [--steps 4] [--keep FOLDER]

Each scene is one that no training has seen, with two or three sources; selva-nano renders that many takes of each, with a
phrasing of training or a held-back one by turns. Truth, by the dry sound: agreement (onset F1, or the correlation of level or
pitch of sustained sources) and the distance of the mels. For each measure, of which more is meant to be better:

    agreement_correlation, likeness_correlation  with agreement, and with less distance, among the takes of a stem
    agreement, distance                          of the take that has the most of it; of equal ones the first
    gain, gain_over_first                        of that in agreement over a take of any seed (the mean of all) and over the first
                                                 take, with the 90 % interval of drawing scenes again

"oracle" puts the take first that agrees most. --keep stores what was rendered, and reads what is there. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
from seams import describe_run, load_model

from selva_core.audio.events import find_onset_hops, load_level_curve
from selva_core.audio.take_agreement import measure_agreement
from selva_core.audio.take_hints import TakeHints, measure_take
from selva_core.base.evidence import SEEN, Evidence
from selva_core.base.media import PictureRange
from selva_core.engine import SamplingSettings, StemRequest
from selva_core.training.evaluation.evaluate import SCENE_S, agreement, scored_scene
from selva_core.training.evaluation.sound_distance import measure_mel_distance
from selva_core.training.prompts import HELD_BACK, TRAINING
from selva_core.training.scenes.scene import Scene
from selva_core.training.scenes.scene_files import write_video
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

PICTURE_SIZE_PX = 192
NUM_DRAWS = 4000
INTERVAL = (5.0, 95.0)
QUIET = 1e-3
"""Root mean square of 10 ms below which a take counts as silent there."""

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RenderedTakes:
    """Of one scene. samples: float32 (num_sources, num_takes, n); evidence: of each source."""

    samples: npt.NDArray[np.float32]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, kw_only=True)
class ScoredStem:
    """The takes of one stem. measures: by name, one value a take. agreement, distance: one value a take."""

    scene_seed: int
    is_sustained: bool
    measures: dict[str, list[float]]
    agreement: list[float]
    distance: list[float]


def render_takes(scene: Scene, num_takes: int, num_steps: int) -> RenderedTakes:
    """Seeds of takes are far apart, so that no two scenes share their noise."""
    rng = np.random.default_rng([scene.seed, 5])
    prompts = []
    for index, placed in enumerate(scene.targets):
        phrasings = (TRAINING, HELD_BACK)[(scene.seed + index) % 2][placed.source.kind]
        prompts.append(str(phrasings[int(rng.integers(len(phrasings)))]))
    requests = [
        StemRequest(prompt=prompt, seed=scene.seed % 1000 + 1000 * take)
        for prompt in prompts
        for take in range(num_takes)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        write_video(scene, path, size_px=PICTURE_SIZE_PX)
        waves = load_model().render(
            PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(SCENE_S)),
            requests,
            settings=SamplingSettings(num_steps=num_steps),
            on_progress=lambda _: None,
            is_cancelled=lambda: False,
        )
    samples = np.stack([np.asarray(wave.samples, np.float32) for wave in waves])
    evidence = [wave.evidence for wave in waves[::num_takes]]
    return RenderedTakes(
        samples=samples.reshape(len(prompts), num_takes, -1),
        evidence=tuple(each for each in evidence if each is not None),
    )


def load_or_render(scene: Scene, options: argparse.Namespace) -> RenderedTakes:
    path = None if options.keep is None else options.keep / f"{scene.seed}.npz"
    if path is not None and path.exists():
        with np.load(path) as stored:
            evidence = tuple(Evidence.from_json(json.loads(str(each))) for each in stored["evidence"])
            return RenderedTakes(samples=stored["samples"], evidence=evidence)
    rendered = render_takes(scene, options.takes, options.steps)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = [json.dumps(each.to_json()) for each in rendered.evidence]
        np.savez(path, samples=rendered.samples, evidence=np.asarray(written))
    return rendered


def score_scene(scene: Scene, rendered: RenderedTakes) -> list[ScoredStem]:
    stems = []
    for index, placed in enumerate(scene.targets):
        source, takes = placed.source, rendered.samples[index]
        siblings = [each for other, each in enumerate(rendered.evidence) if other != index]
        stems.append(
            ScoredStem(
                scene_seed=scene.seed,
                is_sustained=source.seen is not None,
                measures=measure_takes(takes, rendered.evidence[index], siblings),
                agreement=[agreement(source, take) for take in takes],
                distance=[measure_mel_distance(take, source.sound) for take in takes],
            )
        )
    return stems


def measure_takes(
    takes: npt.NDArray[np.float32], own: Evidence, siblings: Sequence[Evidence]
) -> dict[str, list[float]]:
    """What can be known of takes (num_takes, n) without the dry sound, by name; more is meant to be better."""
    hints: list[TakeHints] = []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.wav" for number in range(len(takes))]
        for file, take in zip(files, takes, strict=True):
            soundfile.write(file, take, SAMPLE_RATE_HZ, subtype="PCM_24")
            hints.append(measure_take(file, own, siblings))
        curves = [load_level_curve(file) for file in files]
    onsets = [find_onset_hops(curve.levels) for curve in curves]
    usual = float(np.median([len(each) for each in onsets]))
    seen = np.asarray(own.presence) >= SEEN
    steps = [
        np.minimum((np.asarray(hops) * 0.01 * float(own.rate_hz)).astype(int), len(seen) - 1)
        for hops in onsets
    ]
    return {
        "first take": [-float(number) for number in range(len(takes))],
        "rises while seen (sync)": [hint.sync or 0.0 for hint in hints],
        "not while only siblings are seen (leak)": [-(hint.leak_db or 0.0) for hint in hints],
        "onsets while seen": [float(seen[each].mean()) if len(each) else 0.0 for each in steps],
        "seconds seen with an onset": [len(set(each // 12)) / (len(seen) / 12) for each in steps],
        "number of onsets near that of all takes": [-abs(len(each) - usual) for each in onsets],
        "louder": [float(np.sqrt(np.mean(take**2))) for take in takes],
        "lower peak": [-hint.peak_dbfs for hint in hints],
        "less silence": [-float((curve.levels < QUIET).mean()) for curve in curves],
        "more contrast": [_contrast_db(curve.levels) for curve in curves],
        "spectrum like those of all takes": [_closeness(takes, number) for number in range(len(takes))],
        "agreement with the other takes": [each or 0.0 for each in measure_agreement(curves)],
    }


def _contrast_db(levels: npt.NDArray[np.float32]) -> float:
    high, low = np.percentile(20 * np.log10(np.maximum(levels, QUIET)), (99, 20))
    return float(high - low)


def _closeness(takes: npt.NDArray[np.float32], number: int) -> float:
    others = [measure_mel_distance(takes[number], take) for at, take in enumerate(takes) if at != number]
    return -float(np.mean(others))


def judge_measures(stems: Sequence[ScoredStem]) -> dict[str, object]:
    """Rows by name of the measure, and how takes are altogether."""
    agreed = np.asarray([stem.agreement for stem in stems])
    distance = np.asarray([stem.distance for stem in stems])
    is_sustained = np.asarray([stem.is_sustained for stem in stems])
    drawn = _draw_scenes([stem.scene_seed for stem in stems])
    every = {name: np.asarray([stem.measures[name] for stem in stems]) for name in stems[0].measures}
    rows: dict[str, object] = {}
    for name, values in {**every, "oracle": agreed}.items():
        chosen = np.arange(len(stems)), values.argmax(axis=1)
        rows[name] = {
            "agreement_correlation": _within(values, agreed),
            "likeness_correlation": _within(values, -distance),
            "agreement": _mean(agreed[chosen]),
            "agreement_impact": _mean(agreed[chosen][~is_sustained]),
            "agreement_sustained": _mean(agreed[chosen][is_sustained]),
            "distance": _mean(distance[chosen]),
            "gain": _with_interval(agreed[chosen] - agreed.mean(axis=1), drawn),
            "gain_over_first": _with_interval(agreed[chosen] - agreed[:, 0], drawn),
            "gain_in_distance": _with_interval(distance.mean(axis=1) - distance[chosen], drawn),
        }
    return {
        "stems": len(stems),
        "stems_sustained": int(is_sustained.sum()),
        "mean_agreement": _mean(agreed),
        "mean_distance": _mean(distance),
        "spread_of_agreement_among_takes": _mean(agreed.std(axis=1)),
        "measures": rows,
    }


def _draw_scenes(scene_seeds: Sequence[int]) -> list[npt.NDArray[np.int64]]:
    """Indices of stems, with whole scenes drawn again: stems of one scene depend on each other."""
    rng = np.random.default_rng(0)
    of_scene = [np.flatnonzero(np.asarray(scene_seeds) == seed) for seed in dict.fromkeys(scene_seeds)]
    return [
        np.concatenate([of_scene[index] for index in rng.integers(0, len(of_scene), len(of_scene))])
        for _ in range(NUM_DRAWS)
    ]


def _with_interval(gains: Floats, drawn: Sequence[npt.NDArray[np.int64]]) -> list[float | None]:
    """The mean, and its 90 % interval."""
    low, high = np.percentile([gains[indices].mean() for indices in drawn], INTERVAL)
    return [_mean(gains), round(float(low), 4), round(float(high), 4)]


def _within(values: Floats, truth: Floats) -> float | None:
    """Correlation among the takes of each stem; None where a measure is the same for all takes."""
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (values, truth))
    return round(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]), 3) if one.any() else None


def _mean(values: Floats) -> float | None:
    """None of no values, as of sustained stems where all are impacts: JSON has no word for what is no number."""
    return round(float(values.mean()), 4) if values.size else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=5_100_000)
    parser.add_argument("--steps", type=int, default=4, help="of the sampler")
    parser.add_argument("--keep", type=Path, help="folder for what is rendered, read where it is there")
    options = parser.parse_args(arguments)
    options.clips, options.seconds, options.processes = options.scenes, SCENE_S, 1
    stems: list[ScoredStem] = []
    for seed in range(options.first_seed, options.first_seed + options.scenes):
        scene = scored_scene(seed)
        stems += score_scene(scene, load_or_render(scene, options))
    print(json.dumps({**judge_measures(stems), "takes": options.takes, **describe_run(options)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Scores of a model on scenes from held-back seeds: does it make the sound that the prompt names, in time, and no other?

Every scene has at least two sound sources. Each is rendered through the engine that the product uses, from an ordinary MP4,
once with a phrasing of training and once with a held-back one. Scores come with their counts.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.base.errors import RequestError
from selva_core.base.media import PictureRange
from selva_core.engine import Engine, SamplingSettings, StemRequest
from selva_core.training.evaluation import measures
from selva_core.training.evaluation.judge import Judge
from selva_core.training.prompts import HELD_BACK, TRAINING
from selva_core.training.scenes.scene import (
    FIRST_HELD_BACK_SEED,
    FRAMES_PER_SECOND,
    KINDS,
    Scene,
    build_scene,
)
from selva_core.training.scenes.scene_files import write_video
from selva_core.training.scenes.sound_source import SoundSource
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

FloatArray: TypeAlias = npt.NDArray[np.float32]
RoundTrip: TypeAlias = Callable[[FloatArray], FloatArray]
"""Passes a dry sound through the model's VAE and vocoder."""
MelDistance: TypeAlias = Callable[[FloatArray, FloatArray], float]

RINGING_S = {"bell": 0.9, "hammer": 0.45, "dog": 0.35, "footsteps": 0.3, "drip": 0.3, "ball": 0.3}
DEFAULT_RINGING_S = 0.25
SCENE_S = 8.0


@dataclass
class Tally:
    """Sums behind the scores, for one kind or for all."""

    right: int = 0
    stems: int = 0
    right_unseen: int = 0
    stems_unseen: int = 0
    onsets: list[tuple[int, int, int]] = field(default_factory=list)
    correlations: list[float] = field(default_factory=list)
    leakages_db: list[float] = field(default_factory=list)
    swapped: int = 0
    pairs: int = 0
    distances: list[float] = field(default_factory=list)
    lowest_distances: list[float] = field(default_factory=list)
    highest_distances: list[float] = field(default_factory=list)

    def scores(self) -> dict[str, Any]:
        """The scores of the report, None where there is nothing to count."""
        matched, found, expected = (sum(row[i] for row in self.onsets) for i in range(3))
        return {
            "selection": _share(self.right, self.stems),
            "selection_unseen_phrasing": _share(self.right_unseen, self.stems_unseen),
            "onset_f1": round(measures.f1(matched, found, expected), 4) if self.onsets else None,
            "level_correlation": _mean(self.correlations),
            "leakage_db": _mean(self.leakages_db),
            "swap": _share(self.swapped, self.pairs),
            "fidelity": _mean(self.distances),
            "fidelity_lower_bound": _mean(self.lowest_distances),
            "fidelity_upper_bound": _mean(self.highest_distances),
            "counts": {
                "stems": self.stems,
                "stems_unseen_phrasing": self.stems_unseen,
                "onsets_wanted": expected,
                "level_correlations": len(self.correlations),
                "leakages": len(self.leakages_db),
                "pairs": self.pairs,
                "fidelities": len(self.distances),
            },
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


def evaluate_model(
    engine: Engine,
    judge: Judge,
    *,
    first_seed: int,
    num_scenes: int,
    settings: SamplingSettings,
    round_trip: RoundTrip | None = None,
    mel_distance: MelDistance,
) -> dict[str, Any]:
    """Render and score; returns the report as JSON-able values.

    Raises RequestError when seeds are among those of training.
    """
    tallies: dict[str, Tally] = defaultdict(Tally)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(num_scenes):
            scene = scored_scene(first_seed + index)
            started = time.monotonic()
            stems = render_scene(engine, scene, Path(folder), settings)
            seconds.append((time.monotonic() - started) / (2 * len(scene.targets)))
            _score_scene(scene, stems, judge, tallies, round_trip, mel_distance)
            log.info("scored scene %d of %d", index + 1, num_scenes)
    return {
        "model": engine.model_id,
        "weights_sha256": engine.weights_sha256,
        "device": engine.device_report,
        "settings": {"num_steps": settings.num_steps, "guidance": settings.guidance},
        "first_seed": first_seed,
        "num_scenes": num_scenes,
        "judge_accuracy_on_dry_sounds": round(judge.accuracy, 4),
        "seconds_per_stem_median": round(float(np.median(seconds)), 3),
        "overall": tallies["overall"].scores(),
        "classes": {kind: tallies[kind].scores() for kind in KINDS if kind in tallies},
    }


def scored_scene(seed: int) -> Scene:
    """The scene of a held-back seed with two or three sound sources. Raises RequestError for a seed of training."""
    if seed < FIRST_HELD_BACK_SEED:
        raise RequestError(f"seeds below {FIRST_HELD_BACK_SEED} are for training; got {seed}", seed=seed)
    return build_scene(seed, duration_s=SCENE_S, num_targets=2 + seed % 2)


@dataclass(frozen=True)
class RenderedPair:
    """Stems of one source: with a phrasing of training (seen), and with a held-back one (unseen)."""

    seen: FloatArray
    unseen: FloatArray


def render_scene(
    engine: Engine, scene: Scene, folder: Path, settings: SamplingSettings
) -> list[RenderedPair]:
    """Stems of all sound sources of a scene, rendered by the product's engine from an MP4."""
    path = folder / f"{scene.seed}.mp4"
    write_video(scene, path, size_px=192)
    rng = np.random.default_rng(scene.seed)
    requests = []
    for placed in scene.targets:
        for phrasings in (TRAINING, HELD_BACK):
            choices = phrasings[placed.source.kind]
            prompt = choices[rng.integers(len(choices))]
            requests.append(StemRequest(prompt=prompt, seed=scene.seed % 1000))
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(scene.duration_s))
    waves = engine.render(
        picture, requests, settings=settings, on_progress=lambda _: None, is_cancelled=lambda: False
    )
    samples = [wave.samples for wave in waves]
    return [RenderedPair(*samples[k : k + 2]) for k in range(0, len(samples), 2)]


def _score_scene(  # noqa: PLR0917
    scene: Scene,
    stems: list[RenderedPair],
    judge: Judge,
    tallies: dict[str, Tally],
    round_trip: RoundTrip | None,
    mel_distance: MelDistance,
) -> None:
    sources = [placed.source for placed in scene.targets]
    verdicts = [judge.verdict(stem.seen) for stem in stems]
    for index, (source, stem) in enumerate(zip(sources, stems, strict=True)):
        others = sources[:index] + sources[index + 1 :]
        for tally in (tallies[source.kind], tallies["overall"]):
            tally.stems += 1
            tally.right += verdicts[index] == source.kind
            tally.stems_unseen += 1
            tally.right_unseen += judge.verdict(stem.unseen) == source.kind
            _score_timing(source, stem.seen, tally)
            _score_leakage(source, others, stem.seen, tally)
            tally.distances.append(mel_distance(stem.seen, source.sound))
            tally.highest_distances.append(mel_distance(others[0].sound, source.sound))
            if round_trip is not None:
                tally.lowest_distances.append(mel_distance(round_trip(source.sound), source.sound))
    for one in range(len(sources)):
        for other in range(one + 1, len(sources)):
            is_swapped = verdicts[one] == sources[one].kind and verdicts[other] == sources[other].kind
            for tally in (tallies[sources[one].kind], tallies[sources[other].kind], tallies["overall"]):
                tally.pairs += 1
                tally.swapped += is_swapped


def _score_timing(source: SoundSource, wave: FloatArray, tally: Tally) -> None:
    if source.seen is None:
        tally.onsets.append(measures.match_onsets(measures.find_onsets(wave), _audible_onsets(source)))
        return
    num_frames = round(SCENE_S * FRAMES_PER_SECOND)
    seen = source.seen.at((np.arange(num_frames) + 0.5) / FRAMES_PER_SECOND)
    if source.follows == "level":
        level = measures.level_at_frames(wave, FRAMES_PER_SECOND, num_frames)
        tally.correlations.append(measures.correlation(level, seen))
        return
    pitch = measures.pitch_at_frames(wave, FRAMES_PER_SECOND, num_frames)
    is_pitched = pitch > 0
    tally.correlations.append(
        measures.correlation(pitch[is_pitched], seen[is_pitched]) if is_pitched.sum() > 10 else 0.0
    )


def _audible_onsets(source: SoundSource) -> list[float]:
    """Onsets that can be detected in the dry sound itself: a stem is not expected to have more than that."""
    found = measures.find_onsets(source.sound)
    return [
        onset
        for onset in source.onsets_s
        if any(abs(onset - time_s) <= measures.ONSET_TOLERANCE_S / 2 for time_s in found)
    ]


def _score_leakage(source: SoundSource, others: list[SoundSource], wave: FloatArray, tally: Tally) -> None:
    other_s = [onset for other in others for onset in other.onsets_s]
    if source.loudness is None:
        tail_s = RINGING_S.get(source.kind, DEFAULT_RINGING_S)
        leaked = measures.leakage_db(wave, own_s=source.onsets_s, other_s=other_s, tail_s=tail_s)
    else:
        num_hops = wave.size * 100 // SAMPLE_RATE_HZ
        loudness = source.loudness.at((np.arange(num_hops) + 0.5) * measures.HOP_S)
        leaked = measures.quiet_leakage_db(wave, loudness=loudness, other_s=other_s)
    if leaked is not None:
        tally.leakages_db.append(leaked)

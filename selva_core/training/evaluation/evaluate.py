"""Scores of a model on scenes from held-back seeds: does it make the sound that the prompt names, in time, and no other?

Every scene has at least two sound sources. Each is rendered through the engine that the product uses, from an ordinary MP4,
once with a phrasing of training and once with a held-back one; so are prompts for things that are not in the picture, and for
things that are there and do not move. Scores come with their counts, and with what they are worth: those of a template that
ignores the picture stand beside them as chance.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from selva_core.audio.take_agreement import TOLERANCE_S, f1, match_onsets
from selva_core.base.errors import RequestError
from selva_core.base.media import PictureRange
from selva_core.base.render_options import siblings_of
from selva_core.engine import Engine, SamplingSettings, StemRequest, Waveform
from selva_core.training.evaluation import measures
from selva_core.training.evaluation.controls import CONTROLS, Control, build_controls
from selva_core.training.evaluation.judge import Judge
from selva_core.training.evaluation.tally import IN_TIME, Tally
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
NUM_ABSENT = 4
"""Prompts for things that are not in the picture, of each scene."""
CHANCE = "template"


@dataclass(frozen=True)
class RenderedPair:
    """Stems of one source: with a phrasing of training (seen), and with a held-back one (unseen)."""

    seen: FloatArray
    unseen: FloatArray


@dataclass(frozen=True)
class RenderedScene:
    """What was made for a scene. absent, still: by kind. silenced: how many of `stems` were silenced as absent."""

    stems: Sequence[RenderedPair]
    absent: Mapping[str, FloatArray] = field(default_factory=dict)
    still: Mapping[str, FloatArray] = field(default_factory=dict)
    silenced: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """Adds scenes to tallies, by kind and "overall"."""

    judge: Judge
    mel_distance: MelDistance
    round_trip: RoundTrip | None = None
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def add(self, scene: Scene, rendered: RenderedScene) -> None:
        sources = [placed.source for placed in scene.targets]
        is_right = [self._add_stem(sources, index, rendered) for index in range(len(sources))]
        for one in range(len(sources)):
            for other in range(one + 1, len(sources)):
                for tally in (self.tallies[sources[one].kind], self.tallies[sources[other].kind], self._all):
                    tally.pairs += 1
                    tally.swapped += is_right[one] and is_right[other]
        for kind, wave in rendered.absent.items():
            self._all.absent[kind] += 1
            self._all.absent_silent[kind] += measures.is_silent(wave)
        for kind, wave in rendered.still.items():
            self._all.still[kind] += 1
            self._all.still_silent[kind] += measures.is_silent(wave)

    @property
    def _all(self) -> Tally:
        return self.tallies["overall"]

    def _add_stem(self, sources: Sequence[SoundSource], index: int, rendered: RenderedScene) -> bool:
        """Whether the stem with the phrasing of training is of the right kind and in time."""
        source, stem = sources[index], rendered.stems[index]
        others = [*sources[:index], *sources[index + 1 :]]
        is_heard = self.judge.verdict(stem.seen) == source.kind
        is_right = is_heard and agreement(source, stem.seen) >= IN_TIME
        is_heard_unseen = self.judge.verdict(stem.unseen) == source.kind
        for tally in (self.tallies[source.kind], self._all):
            tally.stems += 1
            tally.heard += is_heard
            tally.right += is_right
            tally.heard_unseen += is_heard_unseen
            tally.right_unseen += is_heard_unseen and agreement(source, stem.unseen) >= IN_TIME
            tally.silenced += rendered.silenced[index] if rendered.silenced else 0
            _score_timing(source, stem.seen, tally)
            _score_level_and_leakage(source, others, stem.seen, tally)
            tally.distances.append(self.mel_distance(stem.seen, source.sound))
            tally.highest_distances.append(self.mel_distance(others[0].sound, source.sound))
            if self.round_trip is not None:
                tally.lowest_distances.append(self.mel_distance(self.round_trip(source.sound), source.sound))
        return is_right


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

    "overall" and "classes" are what the product gives, where the stem of an absent thing is silent; "kept" is what the model
    makes (`--absent keep`); "chance" is a template that ignores the picture. Raises RequestError when seeds are among those of
    training.
    """
    scorers = {
        name: Scorer(judge=judge, mel_distance=mel_distance, round_trip=round_trip)
        for name in ("overall", "kept", "chance")
    }
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(num_scenes):
            scene = scored_scene(first_seed + index)
            started = time.monotonic()
            waves = render_waves(engine, scene, Path(folder), settings)
            seconds.append((time.monotonic() - started) / len(waves))
            scorers["overall"].add(scene, arrange(scene, waves, keeps_absent=False))
            scorers["kept"].add(scene, arrange(scene, waves, keeps_absent=True))
            scorers["chance"].add(scene, render_control(scene, build_controls(scene)[CHANCE]))
            log.info("scored scene %d of %d", index + 1, num_scenes)
    tallies = scorers["overall"].tallies
    return {
        "model": engine.model_id,
        "weights_sha256": engine.weights_sha256,
        "device": engine.device_report,
        "settings": asdict(settings),
        "first_seed": first_seed,
        "num_scenes": num_scenes,
        "judge_accuracy_on_dry_sounds": round(judge.accuracy, 4),
        "seconds_per_stem_median": round(float(np.median(seconds)), 3),
        **{name: scorer.tallies["overall"].scores() for name, scorer in scorers.items()},
        "classes": {kind: tallies[kind].scores() for kind in KINDS if kind in tallies},
    }


def evaluate_controls(
    judge: Judge, *, first_seed: int, num_scenes: int, mel_distance: MelDistance
) -> dict[str, Any]:
    """The scores of each control, by name: what a score is worth that they reach too. Raises RequestError as above."""
    scorers = {name: Scorer(judge=judge, mel_distance=mel_distance) for name in CONTROLS}
    for index in range(num_scenes):
        scene = scored_scene(first_seed + index)
        for name, control in build_controls(scene).items():
            scorers[name].add(scene, render_control(scene, control))
        log.info("scored the controls of scene %d of %d", index + 1, num_scenes)
    return {name: scorer.tallies["overall"].scores() for name, scorer in scorers.items()}


def scored_scene(seed: int) -> Scene:
    """The scene of a held-back seed with two or three sound sources. Raises RequestError for a seed of training."""
    if seed < FIRST_HELD_BACK_SEED:
        raise RequestError(f"seeds below {FIRST_HELD_BACK_SEED} are for training; got {seed}", seed=seed)
    return build_scene(seed, duration_s=SCENE_S, num_targets=2 + seed % 2)


def absent_kinds(scene: Scene) -> list[str]:
    """Kinds that a scene does not show, NUM_ABSENT of them."""
    shown = {placed.source.kind for placed in (*scene.targets, *scene.idle)}
    others = [kind for kind in KINDS if kind not in shown]
    rng = np.random.default_rng([scene.seed, 11])
    return [str(kind) for kind in rng.choice(others, NUM_ABSENT, replace=False)]


def render_waves(engine: Engine, scene: Scene, folder: Path, settings: SamplingSettings) -> list[Waveform]:
    """Stems of a scene from an MP4 by the product's engine: two of each source, then of absent kinds, then of still things.

    Where `settings` separates stems, those of a phrasing are led away from each other.
    """
    path = folder / f"{scene.seed}.mp4"
    write_video(scene, path, size_px=192)
    rng = np.random.default_rng(scene.seed)
    seed = scene.seed % 1000
    prompts = []
    for placed in scene.targets:
        lists = [phrasings[placed.source.kind] for phrasings in (TRAINING, HELD_BACK)]
        prompts.append([each[rng.integers(len(each))] for each in lists])
    requests = [
        StemRequest(
            prompt=prompt,
            seed=seed,
            siblings=siblings_of(prompt, (each[index] for each in prompts)) if settings.separate else (),
        )
        for pair in prompts
        for index, prompt in enumerate(pair)
    ]
    for index, kind in enumerate([*absent_kinds(scene), *(placed.source.kind for placed in scene.idle)]):
        choices = (TRAINING, HELD_BACK)[index % 2][kind]
        requests.append(StemRequest(prompt=choices[rng.integers(len(choices))], seed=seed))
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(scene.duration_s))
    waves = engine.render(
        picture, requests, settings=settings, on_progress=lambda _: None, is_cancelled=lambda: False
    )
    path.unlink()
    return waves


def arrange(scene: Scene, waves: Sequence[Waveform], *, keeps_absent: bool) -> RenderedScene:
    """The result of `render_waves` by what it is of. Without `keeps_absent`, absent things are silenced, as in the product."""
    silenced = [wave.is_absent and not keeps_absent for wave in waves]
    samples = [
        wave.silenced().samples if is_silenced else wave.samples
        for wave, is_silenced in zip(waves, silenced, strict=True)
    ]
    kinds = absent_kinds(scene)
    first_absent = 2 * len(scene.targets)
    first_still = first_absent + len(kinds)
    return RenderedScene(
        stems=[RenderedPair(*samples[k : k + 2]) for k in range(0, first_absent, 2)],
        absent=dict(zip(kinds, samples[first_absent:first_still], strict=True)),
        still=dict(zip((each.source.kind for each in scene.idle), samples[first_still:], strict=True)),
        silenced=[sum(silenced[k : k + 2]) for k in range(0, first_absent, 2)],
    )


def render_control(scene: Scene, control: Control) -> RenderedScene:
    """What a control makes of the same prompts."""
    stems = [control(placed.source.kind) for placed in scene.targets]
    return RenderedScene(
        stems=[RenderedPair(wave, wave) for wave in stems],
        absent={kind: control(kind) for kind in absent_kinds(scene)},
        still={placed.source.kind: control(placed.source.kind) for placed in scene.idle},
    )


def agreement(source: SoundSource, wave: FloatArray) -> float:
    """How well a stem follows its source: onset F1, or the correlation of level or pitch."""
    if source.seen is None:
        return f1(*match_onsets(measures.find_onsets(wave), _audible_onsets(source)))
    return _curve_correlation(source, wave)


def _score_timing(source: SoundSource, wave: FloatArray, tally: Tally) -> None:
    if source.seen is None:
        tally.onsets.append(match_onsets(measures.find_onsets(wave), _audible_onsets(source)))
    else:
        tally.correlations.append(_curve_correlation(source, wave))


def _curve_correlation(source: SoundSource, wave: FloatArray) -> float:
    num_frames = round(SCENE_S * FRAMES_PER_SECOND)
    if source.seen is None:
        raise ValueError("only sustained sources have a curve")
    seen = source.seen.at((np.arange(num_frames) + 0.5) / FRAMES_PER_SECOND)
    if source.follows == "level":
        return measures.correlation(measures.level_at_frames(wave, FRAMES_PER_SECOND, num_frames), seen)
    pitch = measures.pitch_at_frames(wave, FRAMES_PER_SECOND, num_frames)
    is_pitched = pitch > 0
    return measures.correlation(pitch[is_pitched], seen[is_pitched]) if is_pitched.sum() > 10 else 0.0


def _audible_onsets(source: SoundSource) -> list[float]:
    """Onsets that can be detected in the dry sound itself: a stem is not expected to have more than that."""
    found = measures.find_onsets(source.sound)
    return [
        onset for onset in source.onsets_s if any(abs(onset - time_s) <= TOLERANCE_S / 2 for time_s in found)
    ]


def _score_level_and_leakage(
    source: SoundSource, others: Sequence[SoundSource], wave: FloatArray, tally: Tally
) -> None:
    tally.levels_db.append(measures.level_difference_db(wave, source.sound))
    share = measures.leaked_share(wave, own=source.sound, others=[other.sound for other in others])
    if share is not None:
        tally.leakages.append(share)
    other_s = [onset for other in others for onset in other.onsets_s]
    if source.loudness is None:
        tail_s = RINGING_S.get(source.kind, DEFAULT_RINGING_S)
        leaked = measures.leakage_db(wave, own_s=source.onsets_s, other_s=other_s, tail_s=tail_s)
    else:
        num_hops = wave.size * 100 // SAMPLE_RATE_HZ
        loudness = source.loudness.at((np.arange(num_hops) + 0.5) * measures.HOP_S)
        leaked = measures.quiet_leakage_db(wave, loudness=loudness, other_s=other_s)
    if leaked is not None:
        tally.leakages_at_onsets_db.append(leaked)

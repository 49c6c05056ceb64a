"""The evaluation gives the dry sounds themselves full scores, and those of the wrong source none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, Evidence, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.training import __main__ as training
from selva_core.training.evaluation.controls import CONTROLS
from selva_core.training.evaluation.evaluate import (
    evaluate_controls,
    evaluate_model,
    render_waves,
    scored_scene,
)
from selva_core.training.evaluation.sound_distance import measure_mel_distance
from selva_core.training.evaluation.spectrograms import draw_spectrograms
from selva_core.training.prompts import HELD_BACK, TRAINING
from selva_core.training.scenes.scene import silence

SEED = 3_000_000
KIND_OF = {
    prompt: kind for table in (TRAINING, HELD_BACK) for kind, prompts in table.items() for prompt in prompts
}


def _sounds() -> dict[str, npt.NDArray[np.float32]]:
    return {placed.source.kind: placed.source.sound for placed in scored_scene(SEED).targets}


class TruthfulEngine:
    """Renders the dry sound of the source that the prompt names; is_swapped: of the next source instead."""

    model_id, weights_sha256, licence, device_report, notices = "truth", "0" * 64, "", "none", ()
    key_precision = ""

    def __init__(self, *, is_swapped: bool) -> None:
        self.is_swapped = is_swapped
        self.requests: list[StemRequest] = []

    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        self.requests += requests
        return [Waveform(samples=self._sound_of(KIND_OF[r.prompt]), sample_rate_hz=16_000) for r in requests]

    def _sound_of(self, kind: str) -> npt.NDArray[np.float32]:
        sounds = _sounds()
        kinds = list(sounds)
        if kind not in kinds:
            return silence(8.0)
        return sounds[kinds[(kinds.index(kind) + (1 if self.is_swapped else 0)) % len(kinds)]]

    def look(self, request: BatchRequest) -> list[Evidence | None]:
        return [None] * len(request.requests)

    max_batch_pictures = 1

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        raise NotImplementedError("the evaluation renders picture by picture")

    def close(self) -> None:
        pass


class PerfectJudge:
    """Names the dry sound of the scene that a stem is most similar to."""

    accuracy = 1.0

    def verdict(self, wave: npt.NDArray[np.float32]) -> str:
        return max(_sounds().items(), key=lambda item: float(wave @ item[1]))[0]


def _report(*, is_swapped: bool) -> dict[str, Any]:
    return evaluate_model(
        TruthfulEngine(is_swapped=is_swapped),
        PerfectJudge(),  # type: ignore[arg-type]
        first_seed=SEED,
        num_scenes=1,
        settings=SamplingSettings(),
        mel_distance=measure_mel_distance,
    )


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_stems_of_one_phrasing_are_led_away_from_each_other_where_stems_are_separated(
    tmp_path: Path, weight: float
) -> None:
    engine, scene = TruthfulEngine(is_swapped=False), scored_scene(SEED)
    render_waves(engine, scene, tmp_path, SamplingSettings(num_steps=1, separate=weight))
    stems = engine.requests[: 2 * len(scene.targets)]
    for first in range(2):
        prompts = {request.prompt for request in stems[first::2]}
        for request in stems[first::2]:
            assert set(request.siblings) == (prompts - {request.prompt} if weight else set())
    assert not any(request.siblings for request in engine.requests[len(stems) :])


def test_dry_sounds_get_full_scores() -> None:
    report = _report(is_swapped=False)
    overall = report["overall"]
    assert overall["selection"] == overall["selection_unseen_phrasing"] == overall["swap"] == 1.0
    assert overall["absent_silent"] == 1.0
    assert overall["level_db"] == 0.0
    assert overall["present_silenced"] == 0.0
    assert overall["fidelity"] == 0.0 < overall["fidelity_upper_bound"]
    assert overall["onset_f1"] is None or overall["onset_f1"] > 0.75
    assert overall["counts"]["stems"] == len(_sounds())
    assert set(report["classes"]) == set(_sounds())


def test_dry_sounds_of_another_source_get_none() -> None:
    overall = _report(is_swapped=True)["overall"]
    assert overall["selection"] == overall["selection_unseen_phrasing"] == overall["swap"] == 0.0
    assert overall["kind"] == overall["kind_unseen_phrasing"] == 0.0
    assert overall["fidelity"] > 0.1


def test_stems_of_absent_things_are_scored_as_the_product_gives_them_and_as_the_model_makes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model that makes a noise for all that it does not see: the product silences it."""
    noise = np.full(128_000, 0.1, np.float32)
    monkeypatch.setattr(Waveform, "is_absent", property(lambda wave: bool(wave.samples[0] == noise[0])))
    truthful = TruthfulEngine._sound_of
    monkeypatch.setattr(
        TruthfulEngine,
        "_sound_of",
        lambda engine, kind: truthful(engine, kind) if kind in _sounds() else noise,
    )
    report = _report(is_swapped=False)
    assert report["overall"]["absent_silent"] == 1.0
    assert report["kept"]["absent_silent"] == 0.0
    assert report["overall"]["selection"] == report["kept"]["selection"] == 1.0
    assert report["overall"]["counts"]["absent"] == 4


def test_no_control_has_the_scores_of_a_model_that_looks_and_listens() -> None:
    scores = evaluate_controls(
        PerfectJudge(),  # type: ignore[arg-type]
        first_seed=SEED,
        num_scenes=1,
        mel_distance=measure_mel_distance,
    )
    assert set(scores) == set(CONTROLS)
    for name in ("template", "metronome", "global motion", "other scene", "mix", "silence"):
        assert scores[name]["swap"] == 0.0, name
    assert scores["quiet copy"]["level_db"] == pytest.approx(-30.0, abs=0.1)
    assert scores["silence"]["level_db"] < -60
    assert [scores[name]["absent_silent"] for name in ("silence", "mix", "template")] == [1.0, 0.0, 0.0]


def test_the_judge_lies_where_caches_lie_and_nothing_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELVA_CACHE_DIR", str(tmp_path / "cache"))
    options = training._parser().parse_args(["evaluate", "--report", str(tmp_path / "r.json")])
    assert options.judge == tmp_path / "cache" / "evaluation" / "judge.pt"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], SamplingSettings(num_steps=4)),
        (["--quality", "draft"], SamplingSettings(num_steps=2, quality="draft")),
        (["--quality", "draft", "--steps", "7"], SamplingSettings(num_steps=7, quality="draft")),
        (["--model", "selva-small-16k"], SamplingSettings(num_steps=25)),
    ],
)
def test_what_is_scored_is_sampled_as_the_product_samples_with_that_model(
    tmp_path: Path, arguments: list[str], expected: SamplingSettings
) -> None:
    options = training._parser().parse_args(["evaluate", "--report", str(tmp_path / "r.json"), *arguments])
    assert training._sampling_settings(options) == expected


def test_seeds_of_training_are_refused() -> None:
    with pytest.raises(RequestError, match="for training"):
        evaluate_model(
            TruthfulEngine(is_swapped=False),
            PerfectJudge(),  # type: ignore[arg-type]
            first_seed=12,
            num_scenes=1,
            settings=SamplingSettings(),
            mel_distance=measure_mel_distance,
        )


def test_spectrograms_are_drawn_for_scenes_outside_of_training_only(tmp_path: Path) -> None:
    engine = TruthfulEngine(is_swapped=False)
    draw_spectrograms(engine, [SEED], tmp_path / "sounds.png", settings=SamplingSettings())
    with Image.open(tmp_path / "sounds.png") as image:
        assert image.size == (13 * 80, round(2 * 1.5 * 80))
    with pytest.raises(RequestError, match="for training"):
        draw_spectrograms(engine, [3], tmp_path / "none.png", settings=SamplingSettings())
    assert not (tmp_path / "none.png").exists()

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
from selva_core.engine import BatchRequest, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.training.evaluation.evaluate import evaluate_model, scored_scene
from selva_core.training.evaluation.sound_distance import measure_mel_distance
from selva_core.training.evaluation.spectrograms import draw_spectrograms
from selva_core.training.prompts import HELD_BACK, TRAINING

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

    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        sounds = _sounds()
        kinds = list(sounds)
        offset = 1 if self.is_swapped else 0
        rendered_kinds = [kinds[(kinds.index(KIND_OF[r.prompt]) + offset) % len(kinds)] for r in requests]
        return [Waveform(samples=sounds[kind], sample_rate_hz=16_000) for kind in rendered_kinds]

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


def test_dry_sounds_get_full_scores() -> None:
    report = _report(is_swapped=False)
    overall = report["overall"]
    assert overall["selection"] == overall["selection_unseen_phrasing"] == overall["swap"] == 1.0
    assert overall["fidelity"] == 0.0 < overall["fidelity_upper_bound"]
    assert overall["onset_f1"] is None or overall["onset_f1"] > 0.75
    assert overall["counts"]["stems"] == len(_sounds())
    assert set(report["classes"]) == set(_sounds())


def test_dry_sounds_of_another_source_get_none() -> None:
    overall = _report(is_swapped=True)["overall"]
    assert overall["selection"] == overall["selection_unseen_phrasing"] == overall["swap"] == 0.0
    assert overall["fidelity"] > 0.1


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
    draw_spectrograms(engine, [SEED], tmp_path / "sounds.png")
    with Image.open(tmp_path / "sounds.png") as image:
        assert image.size == (13 * 80, round(2 * 1.5 * 80))
    with pytest.raises(RequestError, match="for training"):
        draw_spectrograms(engine, [3], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()

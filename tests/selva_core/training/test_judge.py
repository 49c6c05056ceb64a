"""The judge classifies dry sounds after a short training, and recognises silence."""

from __future__ import annotations

import numpy as np
import torch

from selva_core.training.evaluation.judge import dry_sounds, train_judge
from selva_core.training.scenes.scene import KINDS


def test_judge_learns_kinds_from_a_few_examples() -> None:
    torch.set_num_threads(1)
    judge = train_judge(num_steps=60, num_per_kind=10)
    assert judge.accuracy > 0.7
    assert judge.verdict(np.zeros(16_000, np.float32)) == "silence"


def test_dry_sounds_contain_every_kind_equally_often() -> None:
    waves, kinds = dry_sounds(1, 2)
    assert len(waves) == 2 * len(KINDS)
    assert np.array_equal(np.bincount(kinds), np.full(len(KINDS), 2))

"""Held-back phrasings are not in the training set, and every kind has enough phrasings."""

from __future__ import annotations

import re

import numpy as np

from selva_core.training.prompts import HELD_BACK, TRAINING, all_training_prompts, choose_prompt, prompts_of
from selva_core.training.scenes.scene import KINDS


def _plain(prompt: str) -> str:
    return re.sub(r"[^a-z' ]", "", prompt.lower()).strip()


def test_no_held_back_phrasing_is_used_in_training() -> None:
    trained = {_plain(prompt) for _, prompt in all_training_prompts()}
    held_back = {_plain(prompt) for prompts in HELD_BACK.values() for prompt in prompts}
    assert not trained & held_back


def test_every_kind_has_phrasings_for_training_and_for_evaluation() -> None:
    assert set(TRAINING) == set(HELD_BACK) == set(KINDS)
    assert all(len(set(prompts)) >= 10 for prompts in TRAINING.values())
    assert all(len(set(prompts)) >= 3 for prompts in HELD_BACK.values())


def test_no_phrasing_belongs_to_two_kinds() -> None:
    prompts = [prompt for _, prompt in all_training_prompts()]
    assert len(prompts) == len(set(prompts))


def test_a_chosen_prompt_is_one_of_the_phrasings_in_some_style() -> None:
    rng = np.random.default_rng(0)
    plain = {_plain(prompt) for prompt in prompts_of("footsteps", "gravel")}
    for _ in range(200):
        chosen = _plain(choose_prompt(rng, prompts_of("footsteps", "gravel")))
        assert chosen.removeprefix("sound of ") in plain


def test_detail_adds_phrasings_that_name_the_ground() -> None:
    assert any("gravel" in prompt for prompt in prompts_of("footsteps", "gravel"))
    assert not any("gravel" in prompt for prompt in prompts_of("footsteps", "wood"))

"""Words that a small model met in training, words that it did not, and words that say what is not heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_core.base.errors import WeightsMissingError
from selva_core.inference.lexicon import Lexicon, find_negations, load_lexicon, stem_of
from selva_core.models.catalog import BUNDLED_WEIGHTS_DIR

NANO = load_lexicon(BUNDLED_WEIGHTS_DIR / "selva-nano" / "lexicon.txt")


@pytest.mark.parametrize(
    ("prompt", "strangers"),
    [
        ("asdfgh", ("asdfgh",)),
        ("typing on a keyboard", ("typing", "keyboard")),
        ("a violin concerto", ("violin", "concerto")),
        ("people talking", ("people", "talking")),
    ],
)
def test_prompts_that_nano_never_met_are_strange_to_it(prompt: str, strangers: tuple[str, ...]) -> None:
    assert NANO.strangers(prompt) == strangers


@pytest.mark.parametrize(
    "prompt",
    [
        "a dog barking",
        "small dog barking",
        "Boots on wet gravel",
        "a hound yapping",
        "knocks on a door",
        "no dog",
    ],
)
def test_prompts_near_those_of_training_are_not(prompt: str) -> None:
    assert NANO.strangers(prompt) == ()


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("no dog barking", ("no",)),
        ("rain without wind", ("without",)),
        ("the dog doesn\u2019t bark", ("doesn't",)),
        ("nobody knocks", ("nobody",)),
        ("neither rain nor wind", ("neither", "nor")),
        ("a soundless bell", ("soundless",)),
        ("a muted bell", ()),
        ("the clock cannot tick", ("cannot",)),
        ("a knot in a rope", ()),
        ("somebody knocks", ()),
        ("a minute hand ticks", ()),
    ],
)
def test_negations_are_found_as_words(prompt: str, found: tuple[str, ...]) -> None:
    assert find_negations(prompt) == found


def test_endings_do_not_matter() -> None:
    assert {stem_of(word) for word in ("bark", "barks", "barked", "barking")} == {"bark"}
    assert Lexicon.of(["dripping taps"]).strangers("a tap drips") == ()


def test_a_lexicon_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match=r"lexicon\.txt"):
        load_lexicon(tmp_path / "lexicon.txt")

"""Categories of the Universal Category System, found by the words of a prompt."""

from __future__ import annotations

import re

import pytest

from selva_otio.placement.ucs import FALLBACK_CAT_ID, find_cat_id, load_categories


@pytest.mark.parametrize(
    ("prompt", "cat_id"),
    [
        ("small dog barking", "ANMLDog"),
        ("Barking!", "ANMLDog"),
        ("boots on wet gravel", "FEETHmn"),
        ("someone walks up the stairs", "FEETHmn"),
        ("rain", "RAIN"),
        ("rain on a tin roof", "RAINMetl"),
        ("a wooden door creaks open", "DOORWood"),
        ("a door", "DOORMisc"),
        ("knocking on a wooden door", "DOORKnck"),
        ("glass shatters on the floor", "GLASBrk"),
        ("a church bell tolls", "BELLLrg"),
        ("bells", "BELLMisc"),
        ("ocean waves on the shore", "WATRWave"),
        ("an ambulance siren far away", "ALRMSirn"),
        ("café chatter", "AMBRest"),
    ],
)
def test_prompts_fall_into_their_category(prompt: str, cat_id: str) -> None:
    assert find_cat_id(prompt) == cat_id


@pytest.mark.parametrize("prompt", ["zorbling quux", "犬が吠える", "", "the and of"])
def test_prompt_that_matches_no_phrase_is_miscellaneous(prompt: str) -> None:
    assert find_cat_id(prompt) == FALLBACK_CAT_ID


def test_a_track_may_begin_with_its_category() -> None:
    assert find_cat_id("a thud", track="METLImpt hero hit") == "METLImpt"
    assert find_cat_id("small dog barking", track="Metal") == "ANMLDog"


@pytest.mark.parametrize(
    ("track", "cat_id"),
    [
        ("ANMLRept lizard", "ANMLRept"),
        ("SCIDoor", "SCIDoor"),
        ("UIGlitch", "UIGlitch"),
        ("AMBForst_birds", "AMBForst"),
        ("HAIL on glass", "HAIL"),
    ],
)
def test_a_category_that_was_typed_stands_though_the_table_does_not_know_it(track: str, cat_id: str) -> None:
    assert find_cat_id("small dog barking", track=track) == cat_id


@pytest.mark.parametrize(
    "track", ["Dog", "DOG", "SFXDoor", "ANMLdog", "ANMLDog2", "COMputer", "TV", "McGuffin"]
)
def test_a_name_that_is_no_category_does_not_overrule_the_prompt(track: str) -> None:
    assert find_cat_id("a wooden door creaks open", track=track) == "DOORWood"


def test_the_table_has_well_formed_cat_ids_with_phrases() -> None:
    categories = load_categories()
    assert len(categories) == 213
    assert all(re.fullmatch(r"[A-Z]+[A-Za-z]*", cat_id) for cat_id in categories)
    assert all(phrases and all(phrases) for phrases in categories.values())

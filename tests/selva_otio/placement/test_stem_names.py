"""File names of stems."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest

from selva_otio.placement.stem_names import (
    NAMINGS,
    NameParts,
    build_stem_name,
    ensure_unique,
    fold_name,
    sanitize_block,
    sanitize_file_stem,
)

DOG = NameParts(
    track="Dog",
    prompt="small dog barking",
    clip="shot A.mov",
    take=2,
    timecode="01:00:05;12",
    timeline="Reel 1",
)
UCS_SHAPE = re.compile(r"[A-Z]+[A-Za-z]*_[^_-]{1,24}_SELVA_[^_]+_[^_]+")
AWKWARD_TEXTS = [
    "...",
    "con",
    " trailing dot. ",
    'a/b\\c:d*e?f"g<h>i|j',
    "\u202egpj.exe",
    "tab\tand\0nul",
    "e\u0301te\u0301",
    "犬が吠える",
    "собака лает",
    "كلب ينبح",
    "กำลังเห่า",
    "😀 dog",
    "",
    "_" * 40,
    "x" * 500,
    "犬" * 500,
]


def test_a_stem_name_has_track_clip_take_and_timecode() -> None:
    assert build_stem_name(DOG) == "Dog_shot-A_t02_01-00-05-12"


def test_a_ucs_name_has_category_sound_creator_timeline_clip_take_and_timecode() -> None:
    assert build_stem_name(DOG, "ucs") == "ANMLDog_SmallDogBarking_SELVA_Reel-1_shot-A-t02-01-00-05-12"


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("field", ["track", "prompt", "clip", "timeline"])
@pytest.mark.parametrize("text", AWKWARD_TEXTS)
def test_a_stem_name_is_safe_on_every_system(field: str, text: str, naming: str) -> None:
    changed = {
        "track": replace(DOG, track=text),
        "prompt": replace(DOG, prompt=text),
        "clip": replace(DOG, clip=text),
        "timeline": replace(DOG, timeline=text),
    }
    name = build_stem_name(changed[field], naming)
    assert name == unicodedata.normalize("NFC", name)
    assert not set(name) & set('<>:"/\\|?*. \0\t')
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zs") for char in name)
    assert len(name) <= 115
    assert len(name.encode("utf-8")) <= 180
    assert name.count("_") == (4 if naming == "ucs" else 3)
    assert all(block.strip("-") == block != "" for block in name.split("_"))
    if naming == "ucs":
        assert UCS_SHAPE.fullmatch(name)


@pytest.mark.parametrize("naming", NAMINGS)
def test_the_longest_names_stay_within_what_a_job_may_ask_for(naming: str) -> None:
    parts = NameParts(
        track="t" * 300,
        prompt="p" * 300,
        clip="c" * 300,
        take=9999,
        timecode="23:59:59:59",
        timeline="r" * 300,
    )
    assert len(build_stem_name(parts, naming)) <= 115


def test_other_scripts_are_kept_and_accents_folded() -> None:
    parts = replace(DOG, track="犬の声", clip="Szene Übung.mov")
    assert build_stem_name(parts) == "犬の声_Szene-Ubung_t02_01-00-05-12"


def test_composed_and_decomposed_names_are_one() -> None:
    composed, decomposed = (unicodedata.normalize(form, "がぎ é") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert sanitize_block(composed, max_bytes=40, fallback="x") == sanitize_block(
        decomposed, max_bytes=40, fallback="x"
    )


def test_long_names_are_cut_between_letters() -> None:
    assert sanitize_block("犬" * 20, max_bytes=32, fallback="x") == "犬" * 10
    assert sanitize_block("ab" * 20, max_bytes=5, fallback="x") == "ababa"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Schritte über Kies", "Schritte-uber-Kies"),
        ("a#b?c%d/e\\f", "a-b-c-d-e-f"),
        ("con", "con-x"),
        ("LPT1", "LPT1-x"),
        ("猫", "fallback"),
        ("...", "fallback"),
        ("-_-", "fallback"),
        ("x" * 50, "x" * 40),
    ],
)
def test_names_are_folded_to_ascii_that_every_system_accepts(text: str, folded: str) -> None:
    assert fold_name(text, max_chars=40, fallback="fallback") == folded


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("Dog_shot-A_t02_01-00-05-12_7117efd000", "Dog_shot-A_t02_01-00-05-12_7117efd000"),
        ("足音_clip_t01_1", "足音_clip_t01_1"),
        ("A001_C002 (1).take#2", "A001_C002-1-take-2"),
        ("__", "media"),
        ("nul", "nul-x"),
        ("x" * 200, "x" * 120),
    ],
)
def test_file_names_are_made_safe_and_stem_names_stay(text: str, spelt: str) -> None:
    assert sanitize_file_stem(text, max_bytes=120, fallback="media") == spelt


def test_taken_names_are_numbered_and_case_does_not_count() -> None:
    assert ensure_unique("Dog", {"dog", "dog-2"}) == "Dog-3"
    assert ensure_unique("Dog", {"cat"}) == "Dog"

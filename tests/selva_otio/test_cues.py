from __future__ import annotations

import pytest
from selva_otio.cues import MAX_PROMPT_CHARS, MAX_TRACK_NAME_CHARS, StemTrack, parse_stem_track
from selva_otio.errors import CueError
from selva_otio.stem_names import build_stem_name, ensure_unique, fold_name


def test_a_track_reads_name_equals_prompt() -> None:
    track = parse_stem_track(" Dog = small dog, a=b ")
    assert (track.name, track.prompt) == ("Dog", "small dog, a=b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dog", "reads NAME=PROMPT"),
        ("Dog: barking", "'Dog=barking'"),
        ("Dog=", "needs a prompt"),
        ("Dog=   ", "needs a prompt"),
        ("=barking", "needs a name"),
        ("D\x07g=barking", "printable"),
        ("x" * (MAX_TRACK_NAME_CHARS + 1) + "=barking", "characters"),
        ("Dog=" + "x" * (MAX_PROMPT_CHARS + 1), "at most"),
    ],
)
def test_tracks_that_say_too_little_or_too_much_are_refused(text: str, message: str) -> None:
    with pytest.raises(CueError, match=message):
        parse_stem_track(text)


def test_the_longest_name_and_prompt_are_accepted() -> None:
    track = StemTrack(name="x" * MAX_TRACK_NAME_CHARS, prompt="y" * MAX_PROMPT_CHARS)
    assert len(track.name) == MAX_TRACK_NAME_CHARS


def test_a_stem_name_tells_track_clip_take_and_timecode() -> None:
    name = build_stem_name(track="Dog", clip="shot A.mov", take=2, timecode="01:00:05;12")
    assert name == "Dog_shot-A_t02_01-00-05-12"


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
def test_names_are_folded_to_what_every_system_takes(text: str, folded: str) -> None:
    assert fold_name(text, max_chars=40, fallback="fallback") == folded


def test_stem_names_stay_within_a_hundred_characters() -> None:
    name = build_stem_name(track="t" * 300, clip="c" * 300, take=9999, timecode="23:59:59:59")
    assert len(name) <= 100


def test_taken_names_are_counted_on_without_regard_to_case() -> None:
    assert ensure_unique("Dog", {"dog", "dog-2"}) == "Dog-3"
    assert ensure_unique("Dog", {"cat"}) == "Dog"

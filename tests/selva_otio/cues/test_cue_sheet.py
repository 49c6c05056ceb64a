"""Stem tracks and the text form they are given in."""

from __future__ import annotations

import pytest

from selva_core.base.limits import MAX_PROMPT_CHARS, MAX_TRACK_NAME_CHARS
from selva_otio.cues.cue_sheet import StemTrack, parse_stem_track
from selva_otio.errors import CueError


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
def test_tracks_without_name_or_prompt_or_with_too_long_ones_are_refused(text: str, message: str) -> None:
    with pytest.raises(CueError, match=message):
        parse_stem_track(text)


def test_the_longest_name_and_prompt_are_accepted() -> None:
    track = StemTrack(name="x" * MAX_TRACK_NAME_CHARS, prompt="y" * MAX_PROMPT_CHARS)
    assert len(track.name) == MAX_TRACK_NAME_CHARS

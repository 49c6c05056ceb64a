"""Rules are found without asking every rule about every shot, and nothing is missed by it."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.cues.rules import CUE_SHEET, MARKER, CueRule, CueRuleIndex, choose_rules
from selva_otio.picture.shots import Picture, Shot, ShotIndex, overlay_picture

DOG = StemTrack(name="Dog", prompt="dog barking")
TRACK = otio.schema.Track(name="V1", kind="Video")
NAMES = ("yard", "Garden", "hall.mov", "a[1]")
MEDIA = Path("/media/A001.mov")


def build_shot(start_s: Fraction, end_s: Fraction, name: str = "yard") -> Shot:
    return Shot(
        clip=otio.schema.Clip(name=name),
        track=TRACK,
        record_start_s=start_s,
        record_end_s=end_s,
        cut_start_s=start_s,
        cut_end_s=end_s,
        media_start_s=Fraction(0),
        speed=Fraction(1),
    )


def build_dissolving_shots(chance: random.Random, num_shots: int) -> list[Shot]:
    """One after another, now and then overlapping, now and then with a gap."""
    shots, cursor_s = [], Fraction(0)
    for _ in range(num_shots):
        start_s = max(cursor_s + Fraction(chance.choice([-1, 0, 0, 1]), 5), Fraction(0))
        cursor_s = start_s + Fraction(chance.randint(1, 20), 10)
        shots.append(build_shot(start_s, cursor_s, chance.choice(NAMES)))
    return sorted(shots, key=lambda shot: shot.record_start_s)


def build_rule(chance: random.Random, shots: list[Shot]) -> CueRule:
    start_s, end_s = sorted(Fraction(chance.randint(0, 400), 10) for _ in range(2))
    pattern = chance.choice([None, "YARD", "garden", "h*", "a[1]", "a?1?", "a001.mov", "nobody"])
    return CueRule(
        source=chance.choice([CUE_SHEET, MARKER]),
        stem_track=DOG,
        origin="a test",
        clip_pattern=pattern,
        record_start_s=chance.choice([None, start_s]),
        record_end_s=chance.choice([None, end_s]),
        only_on=chance.choice([None, None, None, *shots[:3]]),
    )


@pytest.mark.parametrize("seed", range(20))
def test_found_rules_speak_as_all_rules_would(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    shots = build_dissolving_shots(chance, 30)
    rules = [build_rule(chance, shots) for _ in range(60)]
    book = CueRuleIndex(rules, ShotIndex(shots))
    for shot in shots:
        found = book.find(shot, MEDIA)
        assert list(choose_rules(shot, MEDIA, found)) == list(choose_rules(shot, MEDIA, rules))


def test_of_a_thousand_rules_a_shot_is_asked_about_its_own() -> None:
    shots = [build_shot(Fraction(i), Fraction(i + 1), f"clip {i}") for i in range(1000)]
    by_time = [
        CueRule(
            source=MARKER,
            stem_track=DOG,
            origin="m",
            record_start_s=Fraction(i),
            record_end_s=Fraction(i + 1),
        )
        for i in range(1000)
    ]
    by_name = [
        CueRule(source=CUE_SHEET, stem_track=DOG, origin="c", clip_pattern=f"clip {i}") for i in range(1000)
    ]
    book = CueRuleIndex([*by_time, *by_name], ShotIndex(shots))
    assert book.find(shots[500], MEDIA) == [by_time[500], by_name[500]]


@pytest.mark.parametrize("seed", range(5))
def test_shots_in_a_stretch_are_those_that_are_seen_there(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    shots = build_dissolving_shots(chance, 40)
    by_time = ShotIndex(shots)
    for tenth in range(0, 450, 3):
        start_s, end_s = Fraction(tenth, 10), Fraction(tenth + 7, 10)
        seen = [shot for shot in shots if shot.record_start_s < end_s and shot.record_end_s > start_s]
        assert list(by_time.iter_overlapping(start_s, end_s)) == seen
        on_screen = [shot for shot in shots if shot.record_start_s <= start_s < shot.record_end_s]
        assert list(by_time.iter_at(start_s)) == on_screen


def test_a_layer_with_many_pieces_hides_what_lies_under_each() -> None:
    below = Picture(shots=[build_shot(Fraction(i), Fraction(i + 1)) for i in range(10)])
    above = Picture(
        shots=[build_shot(i + Fraction(1, 4), i + Fraction(1, 2)) for i in map(Fraction, range(10))]
    )
    overlay_picture(below, above)
    left = [(shot.record_start_s, shot.record_end_s) for shot in below.shots[:-10]]
    assert left == [
        edge
        for i in map(Fraction, range(10))
        for edge in ((i, i + Fraction(1, 4)), (i + Fraction(1, 2), i + 1))
    ]

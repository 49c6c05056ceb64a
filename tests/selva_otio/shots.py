"""Shots without a timeline."""

from __future__ import annotations

import random
from fractions import Fraction

import opentimelineio as otio

from selva_otio.picture.shots import Shot

TRACK = otio.schema.Track(name="V1", kind="Video")
NAMES = ("yard", "Garden", "hall.mov", "a[1]")


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

"""The same cut before and after it went through a file of another kind."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio import CueSheet, Stem, StemTrack, place_stems, spot_timeline
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")


def rich_cut(cut: CutBuilder) -> otio.schema.Timeline:
    """Gaps, offsets, retimes and a second picture track, starting where the builder says."""
    first = cut.track(
        cut.gap(13),
        cut.clip("a", offset=37, frames=120),
        cut.clip("b", offset=11, frames=40, speed=2.0),
        cut.gap(7),
        cut.clip("c", offset=90, frames=24, speed=-1.0),
        cut.clip("d", offset=5, frames=9, speed=0.5),
        cut.clip("e", offset=50, frames=1),
        cut.clip("f", offset=60, frames=12, speed=0.0),
    )
    second = cut.track(cut.gap(40), cut.clip("over", offset=3, frames=10), name="V2")
    return cut.timeline(first, second)


def spot(timeline: otio.schema.Timeline, **options: Any) -> CueSheet:
    return spot_timeline(timeline, [DOG], base_folder=Path("/"), **options)


def seen(sheet: CueSheet) -> list[tuple[str, Path, Fraction, Fraction, Fraction, Fraction, str]]:
    """What is seen and when, to the last digit."""
    return [
        (
            clip.name,
            clip.media_path,
            clip.record_start_s,
            clip.duration_s,
            clip.media_start_s,
            clip.speed,
            clip.source_timecode,
        )
        for clip in sheet.clips
    ]


def with_stems(
    timeline: otio.schema.Timeline, folder: Path, *, num_takes: int = 1, rate_hz: int = 48_000
) -> otio.schema.Timeline:
    """The timeline with a stem on every clip; the files are named, not made."""
    sheet = spot(timeline)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / f"Dog #{number} ä t{take}.wav",
            sample_rate_hz=rate_hz,
            num_samples=1000,
        )
        for number, cue in enumerate(sheet.cues)
        for take in range(1, num_takes + 1)
    ]
    return place_stems(timeline, sheet, stems).timeline

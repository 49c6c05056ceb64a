"""A cut of two clips, rendered for tests of what hosts do to its stems."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_otio import PlacementResult, Stem, StemTrack, measure_span, place_stems, spot_timeline
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking", gain_db=-6.0)


def two_clip_cut(cut: CutBuilder) -> otio.schema.Timeline:
    """Clips "a" and "b" with a gap between them."""
    track = cut.track(cut.clip("a", offset=0, frames=20), cut.gap(5), cut.clip("b", offset=50, frames=30))
    return cut.timeline(track)


def render(timeline: otio.schema.Timeline, folder: Path, run: str, *, takes: int = 2) -> PlacementResult:
    sheet = spot_timeline(timeline, [DOG], base_folder=folder)
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / "stems" / f"{cue.clip.name}-{run}-{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]
    return place_stems(timeline, sheet, stems)

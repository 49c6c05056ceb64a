"""Cut and cues that the tests of cue sources share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio import CueSheet, CueSheetRow, SpotOptions, StemTrack, spot_timeline
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")


def spot(
    timeline: otio.schema.Timeline, *tracks: StemTrack, rows: list[CueSheetRow] | None = None, **options: Any
) -> CueSheet:
    return spot_timeline(
        timeline, tracks, base_folder=Path("/cuts"), rows=rows or (), options=SpotOptions(**options)
    )


def cue_rows(sheet: CueSheet) -> list[tuple[str, str, str, int, int]]:
    """(clip, track, prompt, record start, record end) of each cue, in frames at 24 fps."""
    return [
        (
            cue.clip.name,
            cue.track,
            cue.prompt,
            int(cue.clip.record_start_s * 24),
            int(cue.clip.record_end_s * 24),
        )
        for cue in sheet.cues
    ]


def build_marker(
    cut: CutBuilder, name: str, start: float, frames: float, *, colour: str = "GREEN", comment: str = ""
) -> otio.schema.Marker:
    return otio.schema.Marker(name=name, marked_range=cut.span(start, frames), color=colour, comment=comment)


def clips_of(timeline: otio.schema.Timeline) -> list[otio.schema.Clip]:
    return list(timeline.find_clips())

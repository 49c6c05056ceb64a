"""A cut with stems, a new cut, and what conform makes of the two."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio import CueSheet, Stem, StemTrack, measure_span, place_stems, spot_timeline
from selva_otio.conform.changes import ChangeList, list_changes
from selva_otio.conform.cut_reading import read_cut, read_old_cut
from selva_otio.conform.plan import ConformPlan, plan_conform
from selva_otio.conform.stem_placing import ConformedTimeline, place_moves
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.cues.spotting import SpotOptions
from selva_otio.picture.media import file_name_in_url
from selva_otio.picture.media_search import MediaLookup
from selva_otio.placement.stem_tracks import read_subtracks
from selva_otio.time.item_times import trimmed_start_s
from tests.selva_otio.cuts import CutBuilder

DOG = StemTrack(name="Dog", prompt="small dog barking")
RAIN = StemTrack(name="Rain", prompt="rain on a tin roof")
CUT = CutBuilder(rate_hz=24.0, start_frame=86_400)
FOLDER = Path("/cuts").absolute()


def cut(*items: otio.core.Composable) -> otio.schema.Timeline:
    return CUT.timeline(CUT.track(*items))


def with_stems(
    timeline: otio.schema.Timeline, *tracks: StemTrack, handles: int = 0, takes: int = 1
) -> otio.schema.Timeline:
    """The timeline with a stem for every shot, with handles of so many frames. Files are named TRACK-CLIP-FRAME-take.wav."""
    options = SpotOptions(handles_s=Fraction(handles, 24))
    sheet = spot_timeline(timeline, tracks or (DOG,), base_folder=FOLDER, options=options)
    return place_stems(timeline, sheet, list(stems_for(sheet, takes=takes))).timeline


def stems_for(sheet: CueSheet, *, takes: int = 1) -> list[Stem]:
    return [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=FOLDER / "stems" / f"{cue.track}-{cue.clip.name}-{cue.clip.media_start_s * 24}-{take}.wav",
            sample_rate_hz=48_000,
            num_samples=measure_span(cue.clip, sheet.clock, 48_000).num_samples,
        )
        for cue in sheet.cues
        for take in range(1, takes + 1)
    ]


@dataclass(frozen=True, kw_only=True)
class Conformed:
    plan: ConformPlan
    changes: ChangeList
    result: ConformedTimeline

    def placed(self, track: str = "Dog") -> list[tuple[str, float, float, float]]:
        """Of each item on a stem track: the file's name without its suffix, its record range and its offset, in frames."""
        rows = []
        for subtrack in read_subtracks(self.result.timeline, track):
            for placed in subtrack.items:
                url = placed.item.media_reference.target_url
                rows.append(
                    (
                        file_name_in_url(url).removesuffix("-1.wav"),
                        float(placed.start_s * 24),
                        float(placed.end_s * 24),
                        float(trimmed_start_s(placed.item) * 24),
                    )
                )
        return sorted(rows, key=lambda row: row[1])

    def rendered(self) -> list[tuple[str, str, float, float]]:
        """Track, clip and record range, in frames, of what must be rendered."""
        return [
            (cue.track, cue.clip.name, float(cue.clip.record_start_s * 24), float(cue.clip.record_end_s * 24))
            for cue in self.plan.sheet.cues
        ]

    def shots(self) -> list[tuple[str, str]]:
        return [(row.name, " ".join(row.changes)) for row in self.changes.shots]


def conform(
    old: otio.schema.Timeline, new: otio.schema.Timeline, *, wanted: Any = (), **options: Any
) -> Conformed:
    """wanted: stem tracks that the user names for the new cut."""
    media = MediaLookup(base_folder=FOLDER)
    new_cut = read_cut(new, media)
    plan = plan_conform(
        read_old_cut(old, media),
        new_cut,
        spotter=ShotSpotter(clock=new_cut.clock, media=media),
        wanted=spot_timeline(new, wanted, base_folder=FOLDER) if wanted else None,
        **options,
    )
    return Conformed(plan=plan, changes=list_changes(plan), result=place_moves(plan))

"""What the tasks of a farm's job are given by the scheduler, as it was typed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.timeline_options import ModelOption, NegativeOption, SpotArguments, TrackOption

if TYPE_CHECKING:
    from selva_render.farm.job_folder import FarmRequest


@dataclass(frozen=True, kw_only=True)
class RequestArguments:
    """What is heard and how, as a scheduler's parameters say it. Empty texts are parameters that somebody emptied."""

    tracks: TrackOption = field(default_factory=list)
    negatives: NegativeOption = field(default_factory=list)
    cue_sheet: Annotated[
        str, typer.Option("--cue-sheet", metavar="FILE", help="A cue sheet, by its name in the job's folder.")
    ] = ""
    model: ModelOption = None
    takes: Annotated[int | None, typer.Option("--takes", help="Versions of each stem.")] = None
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the first take.")] = None
    quality: Annotated[
        str | None, typer.Option("--quality", metavar="draft|final", help="draft: for a first look.")
    ] = None

    def build(self, job: Path) -> FarmRequest:
        """job: its folder. Raises CueError."""
        from selva_render.farm.job_folder import FarmRequest  # noqa: PLC0415 - --help stays light

        typed = SpotArguments(
            tracks=[text for text in self.tracks if text.strip()],
            negatives=[text for text in self.negatives if text.strip()],
            cues=job / self.cue_sheet if self.cue_sheet.strip() else None,
        )
        return FarmRequest(
            tracks=typed.parse_tracks(),
            rows=typed.load_rows(),
            model=(self.model or "").strip() or None,
            num_takes=self.takes,
            seed=self.seed,
            quality=(self.quality or "").strip() or None,
        )

"""The stems that leave the panel: all takes that were not rejected, or those that were kept where some were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_otio import Cue, CueSheet, Stem
from selva_panel.errors import NothingToDoError, NotThereError
from selva_panel.session.records import SessionRecord, StemRecord
from selva_panel.timeline.cut import Cut
from selva_panel.timeline.sheet import build_panel_sheet


@dataclass(frozen=True, kw_only=True)
class ChosenTake:
    """A take and the cue of the present rows that it is for. is_active: the one of its cue that is heard."""

    stem: StemRecord
    cue: Cue
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class ChosenStems:
    """What is placed or saved. sheet: with the cues that have stems, in record order."""

    sheet: CueSheet
    takes: Sequence[ChosenTake]

    @property
    def active_takes(self) -> dict[str, int]:
        """By cue."""
        return {take.cue.id: take.stem.take for take in self.takes if take.is_active}

    def to_otio(self) -> list[Stem]:
        """As `selva_otio.place_stems` takes them."""
        return [build_otio_stem(take) for take in self.takes]


def choose_stems(cut: Cut, record: SessionRecord) -> ChosenStems:
    """Raises NothingToDoError where nothing is left, NotThereError where the file of a take that is heard is gone, CueError for
    rows that cannot be tracks.
    """
    sheet = build_panel_sheet(cut, record.rows)
    cue_of = {cell: cue_id for cue_id, cell in sheet.cells.items()}
    cues = {cue.id: cue for cue in sheet.sheet.cues}
    by_cell: dict[tuple[str, str], list[StemRecord]] = {}
    for stem in record.stems:
        if (stem.row_id, stem.clip_id) in cue_of:
            by_cell.setdefault((stem.row_id, stem.clip_id), []).append(stem)
    takes = [
        ChosenTake(stem=stem, cue=cues[cue_of[cell]], is_active=stem is active)
        for cell, stems in by_cell.items()
        if (wanted := _wanted_of(stems))
        for active in [next((stem for stem in wanted if stem.active), wanted[0])]
        for stem in wanted
        if stem is active or Path(stem.file).is_file()
    ]
    for take in takes:
        if take.is_active and not Path(take.stem.file).is_file():
            raise stem_gone(take.stem)
    if not takes:
        raise NothingToDoError("no stem is there that was not rejected; render first, or keep a take")
    takes.sort(key=lambda take: (take.cue.clip.record_start_s, take.cue.track, take.stem.take))
    chosen = sheet.only({take.cue.id for take in takes})
    return ChosenStems(sheet=chosen.sheet, takes=takes)


def stem_gone(stem: StemRecord) -> NotThereError:
    """For a file that somebody has moved or deleted: another take in its place would be a guess."""
    return NotThereError(
        f"the stem {Path(stem.file).name} is not there any more; render it again (More like this makes later takes again), "
        "or reject the take"
    )


def _wanted_of(stems: Sequence[StemRecord]) -> list[StemRecord]:
    """The takes of a cue that somebody wants, in their order."""
    favoured = [stem for stem in stems if stem.choice == "keep"]
    return sorted(favoured or [stem for stem in stems if stem.choice != "reject"], key=lambda stem: stem.take)


def build_otio_stem(take: ChosenTake) -> Stem:
    """With what the timeline's metadata says of how it was made, as `selva render` writes it."""
    stem = take.stem
    provenance: list[tuple[str, str | int | float | bool]] = [
        ("model", stem.model),
        ("num_steps", stem.num_steps),
        ("guidance", stem.guidance),
    ]
    if stem.presence is not None:
        provenance.append(("presence", stem.presence))
    if stem.evidence is not None:
        provenance.append(("evidence", Path(stem.evidence).name))
    if stem.silenced:
        provenance.append(("silenced", True))
    return Stem(
        cue=take.cue.id,
        take=stem.take,
        seed=stem.seed,
        file=Path(stem.file),
        sample_rate_hz=stem.sample_rate_hz,
        num_samples=stem.num_samples,
        num_channels=stem.channels,
        pan=tuple(stem.pan),
        provenance=tuple(provenance),
    )

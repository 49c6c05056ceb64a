"""Where stems can go: a host that the panel was opened from, or a timeline file of any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from selva_otio import TimelineClock, place_stems
from selva_panel.delivery.chosen import ChosenStems, ChosenTake
from selva_panel.delivery.saving import SaveFormat, digest_of, save_timeline
from selva_panel.errors import NothingToDoError
from selva_panel.timeline.cut import Cut


@dataclass(frozen=True, kw_only=True)
class PlaceLine:
    """What became of one stem, or of the whole where `stem_id` is None. text: a sentence, empty where all is as planned."""

    stem_id: str | None
    track: str
    start_timecode: str
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "stem_id": self.stem_id,
            "track": self.track,
            "start_timecode": self.start_timecode,
            "text": self.text,
        }


@dataclass(frozen=True, kw_only=True)
class PlaceReport:
    """What was really placed. files: that were written, to be downloaded. undo: what `remove` of the target needs, as JSON."""

    lines: Sequence[PlaceLine]
    files: Sequence[Path] = ()
    undo: Mapping[str, Any] | None = None


class PlaceTarget(Protocol):
    """One row of `can_place`. Its methods wait, and are called from threads."""

    @property
    def id(self) -> str: ...

    @property
    def label(self) -> str: ...

    def find_conflicts(self, chosen: ChosenStems) -> Mapping[str, str]:
        """By the ids of stems: what there is in the way, as a sentence."""
        ...

    def place(self, chosen: ChosenStems, name: str) -> PlaceReport:
        """Raises what its host or format raises. name: of the file, where one is written."""
        ...

    def remove(self, undo: Mapping[str, Any]) -> Sequence[PlaceLine]:
        """Remove what an earlier `place` placed, where nobody has changed it since."""
        ...


@dataclass(frozen=True, kw_only=True)
class FileTarget:
    """A timeline file beside the cut."""

    cut: Cut
    row: SaveFormat

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def label(self) -> str:
        return self.row.label

    def find_conflicts(self, chosen: ChosenStems) -> Mapping[str, str]:
        """Stems of an earlier render that an editor has changed on the timeline stay as they are."""
        placement = place_stems(
            self.cut.timeline, chosen.sheet, chosen.to_otio(), active_takes=chosen.active_takes
        )
        edited = {cue.id for cue in placement.edited_cues}
        return {
            take.stem.id: "its earlier stem was changed on the timeline; that one stays, and this one lies in the stems folder"
            for take in chosen.takes
            if take.cue.id in edited
        }

    def place(self, chosen: ChosenStems, name: str) -> PlaceReport:
        saved = save_timeline(self.cut, chosen, self.row, name)
        stays = "its earlier stem was changed on the timeline and stays"
        lines = [
            line_of(take, chosen.sheet.clock, stays if take.cue.id in saved.edited_cues else "")
            for take in chosen.takes
        ]
        whole = [PlaceLine(stem_id=None, track="", start_timecode="", text=loss) for loss in saved.losses]
        written = PlaceLine(stem_id=None, track="", start_timecode="", text=f"written: {saved.files[0]}")
        return PlaceReport(
            lines=[written, *lines, *whole],
            files=saved.files,
            undo={"files": [str(file) for file in saved.files], "digests": dict(saved.digests)},
        )

    def remove(self, undo: Mapping[str, Any]) -> Sequence[PlaceLine]:
        """The file that was written, unless somebody has written it since. Folders are left: other files may lie in them."""
        lines = []
        for text in undo.get("files", ()):
            file = Path(text)
            if not file.is_file():
                outcome = "is not there any more"
            elif digest_of(file) != undo.get("digests", {}).get(text):
                outcome = "was changed since, and stays"
            else:
                file.unlink()
                outcome = "was removed"
            lines.append(PlaceLine(stem_id=None, track="", start_timecode="", text=f"{file} {outcome}"))
        if not lines:
            raise NothingToDoError("nothing that this panel has written is there to be removed")
        return lines


def line_of(take: ChosenTake, clock: TimelineClock, text: str = "") -> PlaceLine:
    """The line of one stem in a plan or report."""
    name = take.cue.track if take.is_active else f"{take.cue.track} (take {take.stem.take}, silent)"
    return PlaceLine(
        stem_id=take.stem.id,
        track=name,
        start_timecode=clock.timecode(take.cue.clip.record_start_s),
        text=text,
    )


def seconds_of(take: ChosenTake) -> float:
    return float(Fraction(take.stem.length_samples, take.stem.sample_rate_hz))

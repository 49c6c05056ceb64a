"""From the rows of the page to a cue sheet, as `selva render` would have it for the same prompts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from msgspec import UNSET

from selva_otio import Cue, CueSheet, SpottedClip, StemTrack
from selva_otio.cues.cue_sheet import CueBuilder, check_stem_tracks
from selva_panel.timeline.cut import Cut, PanelClip
from selva_panel.timeline.rows import Row, iter_marked_cues

PANEL_SOURCE = "panel"

Cell = tuple[str, str]
"""The ids of a row and of a clip."""


@dataclass(frozen=True, kw_only=True)
class PanelSheet:
    """A cue sheet and, for each of its cues, the row and the clip of the page that it is of."""

    sheet: CueSheet
    cells: Mapping[str, Cell]

    def only(self, cue_ids: Collection[str]) -> PanelSheet:
        """The sheet of some of its cues; they keep their ids, so that a stem stays that of its cue."""
        sheet = replace(self.sheet, cues=tuple(cue for cue in self.sheet.cues if cue.id in cue_ids))
        return PanelSheet(sheet=sheet, cells={cue: self.cells[cue] for cue in self.cells if cue in cue_ids})


def build_panel_sheet(cut: Cut, rows: Sequence[Row]) -> PanelSheet:
    """Every cue that the rows may have, on every clip that can be rendered, wanted or not. Raises CueError.

    The ids of cues count how often the same range of a file is used, and so the whole cut is gone through, as `selva render`
    does: what is left out does not change the ids of the others.
    """
    complete = [row for row in rows if row.is_complete]
    check_stem_tracks([_stem_track(row) for row in complete])
    marked = _marked_clips(cut)
    builder = CueBuilder()
    cues: list[Cue] = []
    cells: dict[str, Cell] = {}
    for clip in cut.clips:
        if clip.spotted is None:
            continue
        for row in complete:
            spotted = _part_of(clip, clip.spotted, row, cut, marked)
            cue = builder.build_cue(spotted, _stem_track(row, clip.id), PANEL_SOURCE)
            cues.append(cue)
            cells[cue.id] = (row.id, clip.id)
    sheet = CueSheet(
        clock=cut.clock,
        tracks=tuple(row.name.strip() for row in complete),
        cues=tuple(cues),
        skipped=cut.skipped,
    )
    return PanelSheet(sheet=sheet, cells=cells)


def _stem_track(row: Row, clip_id: str = "") -> StemTrack:
    prompt = row.prompt_on(clip_id).strip() or row.prompt.strip()
    return StemTrack(
        name=row.name.strip(),
        prompt=prompt,
        negative_prompt=row.negative_on(clip_id).strip(),
        num_takes=row.takes,
        gain_db=row.gain_db,
    )


def _marked_clips(cut: Cut) -> dict[tuple[str, int, int], SpottedClip]:
    """The parts of clips that markers are for, by clip and by frames: spotted by the timeline's own rules."""
    rate_hz = cut.clock.frame_rate_hz
    return {
        (clip.id, round(cue.clip.record_start_s * rate_hz), round(cue.clip.duration_s * rate_hz)): cue.clip
        for cue, clip in iter_marked_cues(cut)
    }


def _part_of(
    clip: PanelClip,
    spotted: SpottedClip,
    row: Row,
    cut: Cut,
    marked: Mapping[tuple[str, int, int], SpottedClip],
) -> SpottedClip:
    """The clip, or the part of it that the row's marker is for."""
    override = row.overrides.get(clip.id)
    if override is None or override.start_frames is UNSET or override.duration_frames is UNSET:
        return spotted
    start, duration = override.start_frames - cut.clock.start_frame, override.duration_frames
    if (clip.id, start, duration) in marked:
        return marked[clip.id, start, duration]
    rate_hz = cut.clock.frame_rate_hz
    start_s = max(Fraction(start) / rate_hz, spotted.record_start_s)
    end_s = min(Fraction(start + duration) / rate_hz, spotted.record_end_s)
    if end_s <= start_s:
        return spotted
    return replace(
        spotted,
        record_start_s=start_s,
        duration_s=end_s - start_s,
        media_start_s=spotted.media_start_s + spotted.speed * (start_s - spotted.record_start_s),
    )


def iter_cells(rows: Sequence[Row], cut: Cut) -> Iterator[tuple[Row, PanelClip]]:
    """Every row with every clip that can be rendered."""
    for row in rows:
        if row.is_complete:
            yield from ((row, clip) for clip in cut.clips if clip.spotted is not None)

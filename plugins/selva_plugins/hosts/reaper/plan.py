"""Rendered stems as the entries of a plan, in REAPER's seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_otio.time.clock import TimelineClock
from selva_plugins.hosts.reaper.item_spans import SAME_S, ItemSpan, snap_seconds
from selva_plugins.hosts.reaper.recipes import build_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperTake
from selva_render.report import RenderedStem, RenderReport


@dataclass(frozen=True, kw_only=True)
class PlanTake:
    """One take of a stem item: its file, the take's name, and the recipe that is kept in it.

    pan: points of the curve that the take's pan envelope follows, seconds of its file and -1 left to 1 right; empty for none.
    replaces_file: the file of the take that it goes on from and takes the place of; None for a take of its own.
    """

    file: str
    name: str
    recipe: dict[str, Any]
    pan: tuple[tuple[float, float], ...] = ()
    replaces_file: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanLonger:
    """That a stem item is made longer. head_s: by how much the new files begin before those of the takes that are there.
    position_s, length_s, source_offset_s: the item until then, by which the script sees what was done to it since.
    """

    head_s: float
    position_s: float
    length_s: float
    source_offset_s: float


@dataclass(frozen=True, kw_only=True)
class PlanAnchor:
    """The picture item as it was when the request was written, by which the script sees what was done to it since."""

    item_guid: str
    position_s: float
    length_s: float
    start_offset_s: float
    play_rate: float
    picture_key: str


@dataclass(frozen=True, kw_only=True)
class PlanStem:
    """One entry of `placements` in plan.json, field by field; the scripts of every version read these names.

    start_s, length_s: where the item lies, in REAPER's seconds. source_offset_s: how far into the file it begins. anchor: the
    picture item that it goes with. into_item: the GUID of a stem item that gets the takes, in place of a new item. longer: of
    such an item that then lies from start_s on. gain_db: of a new item.
    """

    cue: str
    label: str
    stem_track: str
    start_s: float
    length_s: float
    source_offset_s: float
    anchor: PlanAnchor | None
    into_item: str | None
    takes: tuple[PlanTake, ...]
    gain_db: float = 0.0
    longer: PlanLonger | None = None

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        if self.longer is None:
            del values["longer"]
        return values


def group_by_cue(reports: Iterable[RenderReport]) -> dict[str, list[RenderedStem]]:
    """The takes of each cue, first take first."""
    by_cue: dict[str, list[RenderedStem]] = defaultdict(list)
    for report in reports:
        for stem in report.stems:
            by_cue[stem.cue.id].append(stem)
    return {cue_id: sorted(stems, key=lambda stem: stem.result.take) for cue_id, stems in by_cue.items()}


def build_new_item(
    item_span: ItemSpan, stems: Sequence[RenderedStem], options: RenderOptions, clock: TimelineClock
) -> PlanStem:
    """A new item for the takes of one cue.

    Where the stem begins or ends with its picture item it gets that item's own doubles, so that the edges meet exactly:
    an item that is 1e-12 s longer than its neighbour would overlap the next one.
    """
    item, rate_hz = item_span.item, options.sample_rate_hz
    cue, stem_span = stems[0].cue, stems[0].span
    lead_s = cue.clip.record_start_s - snap_seconds(item.position_s, clock, rate_hz)
    tail_s = snap_seconds(item.position_s + item.length_s, clock, rate_hz) - cue.clip.record_end_s
    begins_with_item, ends_with_item = abs(lead_s) < SAME_S, abs(tail_s) < SAME_S
    return PlanStem(
        cue=cue.id,
        label=f"{cue.track}: {cue.clip.name}",
        stem_track=cue.track,
        start_s=item.position_s if begins_with_item else float(cue.clip.record_start_s),
        length_s=item.length_s if begins_with_item and ends_with_item else float(cue.clip.duration_s),
        source_offset_s=stem_span.offset_samples / rate_hz,
        anchor=build_anchor(item, item_span.take),
        into_item=None,
        takes=tuple(
            build_take(stem, options, number=stem.result.take, is_only=len(stems) == 1) for stem in stems
        ),
        gain_db=cue.gain_db,
    )


def build_more_takes(
    item: ReaperItem, stems: Sequence[RenderedStem], options: RenderOptions, *, first_number: int
) -> PlanStem:
    """Takes for a stem item that lies on the timeline already; the first of them has the number `first_number`."""
    cue = stems[0].cue
    return PlanStem(
        cue=cue.id,
        label=f"{cue.track}: {cue.clip.name}",
        stem_track=cue.track,
        start_s=item.position_s,
        length_s=item.length_s,
        source_offset_s=0.0,
        anchor=None,
        into_item=item.guid,
        takes=tuple(
            build_take(stem, options, number=first_number + index, is_only=False)
            for index, stem in enumerate(stems)
        ),
    )


def build_take(stem: RenderedStem, options: RenderOptions, *, number: int, is_only: bool) -> PlanTake:
    name = f"{stem.cue.track} - {stem.cue.clip.name}"
    return PlanTake(
        file=stem.result.file,
        name=name if is_only else f"{name} take {number}",
        recipe=build_recipe(stem.cue, options, seed=stem.result.seed, take=number),
        pan=stem.result.pan,
    )


def build_anchor(item: ReaperItem, take: ReaperTake) -> PlanAnchor:
    return PlanAnchor(
        item_guid=item.guid,
        position_s=item.position_s,
        length_s=item.length_s,
        start_offset_s=take.start_offset_s,
        play_rate=take.play_rate,
        picture_key=take.picture_key,
    )

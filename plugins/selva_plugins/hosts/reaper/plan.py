"""Rendered stems as the placements of a plan, in REAPER's seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_otio.time.clock import TimelineClock
from selva_plugins.hosts.reaper.recipes import describe_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperTake
from selva_plugins.hosts.reaper.timeline import SAME_S, ItemSpan, snap_seconds
from selva_render.report import RenderedStem, RenderReport

Placement = dict[str, Any]


def group_by_cue(reports: Iterable[RenderReport]) -> dict[str, list[RenderedStem]]:
    """The takes of each cue, first take first."""
    by_cue: dict[str, list[RenderedStem]] = defaultdict(list)
    for report in reports:
        for stem in report.stems:
            by_cue[stem.cue.id].append(stem)
    return {cue_id: sorted(stems, key=lambda stem: stem.result.take) for cue_id, stems in by_cue.items()}


def build_new_item(
    stretch: ItemSpan, stems: Sequence[RenderedStem], options: RenderOptions, clock: TimelineClock
) -> Placement:
    """A new item for the takes of one cue.

    Where the stem begins and ends with its picture item it gets that item's own doubles, not ones that differ by dust.
    """
    item, rate_hz = stretch.item, options.sample_rate_hz
    placed, span = stems[0].cue.clip, stems[0].span
    lead_s = placed.record_start_s - snap_seconds(item.position_s, clock, rate_hz)
    tail_s = snap_seconds(item.position_s + item.length_s, clock, rate_hz) - placed.record_end_s
    begins_with_item, ends_with_item = abs(lead_s) < SAME_S, abs(tail_s) < SAME_S
    return {
        **_describe(stems[0]),
        "start_s": item.position_s if begins_with_item else float(placed.record_start_s),
        "length_s": item.length_s if begins_with_item and ends_with_item else float(placed.duration_s),
        "source_offset_s": span.offset_samples / rate_hz,
        "anchor": _describe_anchor(item, stretch.take),
        "into_item": None,
        "takes": [
            build_take(stem, options, number=stem.result.take, is_only=len(stems) == 1) for stem in stems
        ],
    }


def build_more_takes(
    item: ReaperItem, stems: Sequence[RenderedStem], options: RenderOptions, *, first_number: int
) -> Placement:
    """Takes for a stem item that is there."""
    return {
        **_describe(stems[0]),
        "start_s": item.position_s,
        "length_s": item.length_s,
        "source_offset_s": 0.0,
        "anchor": None,
        "into_item": item.guid,
        "takes": [
            build_take(stem, options, number=first_number + index, is_only=False)
            for index, stem in enumerate(stems)
        ],
    }


def build_take(stem: RenderedStem, options: RenderOptions, *, number: int, is_only: bool) -> dict[str, Any]:
    name = f"{stem.cue.track} - {stem.cue.clip.name}"
    return {
        "file": stem.result.file,
        "name": name if is_only else f"{name} take {number}",
        "recipe": describe_recipe(stem.cue, options, seed=stem.result.seed, take=number),
    }


def _describe(stem: RenderedStem) -> Placement:
    cue = stem.cue
    return {"cue": cue.id, "label": f"{cue.track}: {cue.clip.name}", "stem_track": cue.track}


def _describe_anchor(item: ReaperItem, take: ReaperTake) -> dict[str, Any]:
    """The item as it was, for the script to see what the user has done to it since."""
    return {
        "item_guid": item.guid,
        "position_s": item.position_s,
        "length_s": item.length_s,
        "start_offset_s": take.start_offset_s,
        "play_rate": take.play_rate,
        "picture_key": take.picture_key,
    }

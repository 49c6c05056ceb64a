"""Rendered stems as the placements of a plan, in REAPER's seconds.

`plan.json` holds `placements`, each with `cue`, `label`, `stem_track`, `start_s` and `length_s`, `source_offset_s` (how far
into the file the item begins), `takes` (file, name, recipe), and either `anchor`, the picture item as it was when the request
was written, or `into_item`, the GUID of a stem item that gets the takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_otio import Cue
from selva_otio.time.clock import TimelineClock
from selva_plugins.hosts.reaper.item_spans import SAME_S, ItemSpan, snap_seconds
from selva_plugins.hosts.reaper.recipes import build_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperTake
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
    item_span: ItemSpan, stems: Sequence[RenderedStem], options: RenderOptions, clock: TimelineClock
) -> Placement:
    """A new item for the takes of one cue.

    Where the stem begins or ends with its picture item it gets that item's own doubles, so that the edges meet exactly:
    an item that is 1e-12 s longer than its neighbour would overlap the next one.
    """
    item, rate_hz = item_span.item, options.sample_rate_hz
    clip, stem_span = stems[0].cue.clip, stems[0].span
    lead_s = clip.record_start_s - snap_seconds(item.position_s, clock, rate_hz)
    tail_s = snap_seconds(item.position_s + item.length_s, clock, rate_hz) - clip.record_end_s
    begins_with_item, ends_with_item = abs(lead_s) < SAME_S, abs(tail_s) < SAME_S
    return {
        **_describe_cue(stems[0].cue),
        "start_s": item.position_s if begins_with_item else float(clip.record_start_s),
        "length_s": item.length_s if begins_with_item and ends_with_item else float(clip.duration_s),
        "source_offset_s": stem_span.offset_samples / rate_hz,
        "anchor": _build_anchor(item, item_span.take),
        "into_item": None,
        "takes": [
            _build_take(stem, options, number=stem.result.take, is_only=len(stems) == 1) for stem in stems
        ],
    }


def build_more_takes(
    item: ReaperItem, stems: Sequence[RenderedStem], options: RenderOptions, *, first_number: int
) -> Placement:
    """Takes for a stem item that lies on the timeline already; the first of them has the number `first_number`."""
    return {
        **_describe_cue(stems[0].cue),
        "start_s": item.position_s,
        "length_s": item.length_s,
        "source_offset_s": 0.0,
        "anchor": None,
        "into_item": item.guid,
        "takes": [
            _build_take(stem, options, number=first_number + index, is_only=False)
            for index, stem in enumerate(stems)
        ],
    }


def _build_take(stem: RenderedStem, options: RenderOptions, *, number: int, is_only: bool) -> dict[str, Any]:
    name = f"{stem.cue.track} - {stem.cue.clip.name}"
    return {
        "file": stem.result.file,
        "name": name if is_only else f"{name} take {number}",
        "recipe": build_recipe(stem.cue, options, seed=stem.result.seed, take=number),
    }


def _describe_cue(cue: Cue) -> Placement:
    return {"cue": cue.id, "label": f"{cue.track}: {cue.clip.name}", "stem_track": cue.track}


def _build_anchor(item: ReaperItem, take: ReaperTake) -> dict[str, Any]:
    """The picture item as it was, by which the script sees what the user has done to it since."""
    return {
        "item_guid": item.guid,
        "position_s": item.position_s,
        "length_s": item.length_s,
        "start_offset_s": take.start_offset_s,
        "play_rate": take.play_rate,
        "picture_key": take.picture_key,
    }

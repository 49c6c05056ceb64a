"""Which stems are wanted and not there: what "render" makes, and what it will take."""

from __future__ import annotations

from collections.abc import Collection

from selva_core.base.limits import DEFAULT_SEED
from selva_panel.session.records import SessionRecord, StemRecord
from selva_panel.timeline.cut import Cut, PanelClip
from selva_panel.timeline.rows import Row
from selva_panel.timeline.sheet import iter_cells

Recipe = tuple[str, str, str | None, int, str]
"""Prompt, negative prompt, model, seed and pan."""


def find_missing(
    record: SessionRecord,
    cut: Cut,
    model: str | None,
    *,
    row_ids: Collection[str] | None = None,
    clip_ids: Collection[str] | None = None,
) -> list[tuple[Row, PanelClip]]:
    """The rows and clips whose takes are not all there as they are asked for now, and that no job makes at this moment.

    A clip that the user has neither taken in nor left out is left out where a calibrated model does not see the prompt in it.
    row_ids, clip_ids: of these only.
    """
    made: dict[tuple[str, str], dict[int, Recipe]] = {}
    for stem in record.stems:
        made.setdefault((stem.row_id, stem.clip_id), {})[stem.take] = _recipe_of(stem)
    under_way = {
        (cue.row_id, cue.clip_id, cue.prompt, cue.negative)
        for job in record.jobs
        if not job.is_finished and job.kind == "render"
        for cue in job.cues.values()
    }
    absent = {(seen.row_id, seen.clip_id) for seen in record.evidence if seen.acts and not seen.seen}
    missing = []
    for row, clip in iter_cells(record.rows, cut):
        cell = (row.id, clip.id)
        if (row_ids and row.id not in row_ids) or (clip_ids and clip.id not in clip_ids):
            continue
        included = row.include_on(clip.id)
        if included is False or (included is None and cell in absent):
            continue
        prompt, negative = effective_prompts(row, clip.id)
        if (*cell, prompt, negative) in under_way:
            continue
        takes = made.get(cell, {})
        first_seed = first_seed_of(row, clip.id)
        if any(
            takes.get(take) != (prompt, negative, model, first_seed + take - 1, row.pan)
            for take in range(1, row.takes + 1)
        ):
            missing.append((row, clip))
    return missing


def effective_prompts(row: Row, clip_id: str) -> tuple[str, str]:
    """Prompt and negative prompt of a row on a clip, as they are rendered."""
    return row.prompt_on(clip_id).strip() or row.prompt.strip(), row.negative_on(clip_id).strip()


def first_seed_of(row: Row, clip_id: str) -> int:
    seed = row.seed_on(clip_id)
    return DEFAULT_SEED if seed is None else seed


def _recipe_of(stem: StemRecord) -> Recipe:
    return stem.prompt, stem.negative, stem.model, stem.seed, stem.pan_mode

"""Which stems are wanted and not there: what "render" makes, and what it will take."""

from __future__ import annotations

from collections.abc import Collection

from selva_core.base.limits import DEFAULT_SEED
from selva_panel.errors import NothingToDoError
from selva_panel.session.records import SessionRecord, StemRecord
from selva_panel.timeline.cut import Cut, PanelClip
from selva_panel.timeline.rows import Row
from selva_panel.timeline.sheet import iter_cells

Recipe = tuple[str, str, str | None, int, str]
"""Prompt, negative prompt, model, seed and pan."""
MAX_NAMED = 5
"""Rows that a message names."""


def find_missing(
    record: SessionRecord,
    cut: Cut,
    model: str | None,
    *,
    row_ids: Collection[str] | None = None,
    clip_ids: Collection[str] | None = None,
    gone: Collection[str] = (),
) -> list[tuple[Row, PanelClip]]:
    """The rows and clips whose takes are not all there as they are asked for now, and that no job makes at this moment.

    A clip that the user has neither taken in nor left out is left out where a calibrated model does not see the prompt in it.
    row_ids, clip_ids: of these only. gone: ids of stems whose files are not there any more.
    """
    made: dict[tuple[str, str], dict[int, Recipe]] = {}
    for stem in record.stems:
        if stem.id not in gone:
            made.setdefault((stem.row_id, stem.clip_id), {})[stem.take] = _recipe_of(stem)
    under_way = {
        (cue.row_id, cue.clip_id, cue.prompt, cue.negative)
        for job in record.jobs
        if not job.is_finished and job.kind == "render"
        for cue in job.cues.values()
    }
    absent = _list_absent(record)
    missing = []
    for row, clip in iter_cells(record.rows, cut):
        cell = (row.id, clip.id)
        if (row_ids and row.id not in row_ids) or (clip_ids and clip.id not in clip_ids):
            continue
        if not _is_wanted(row, clip.id, absent):
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


def explain_nothing(
    record: SessionRecord,
    cut: Cut,
    *,
    row_ids: Collection[str] = (),
    clip_ids: Collection[str] = (),
) -> NothingToDoError:
    """Why `find_missing` finds nothing of these rows and clips, and what to do about it."""
    rows = [row for row in record.rows if not row_ids or row.id in row_ids]
    clips = [clip for clip in cut.clips if not clip_ids or clip.id in clip_ids]
    bare = [row.name.strip() or "without a name" for row in rows if not row.is_complete]
    if len(bare) == len(rows):
        names = ", ".join(bare[:MAX_NAMED])
        return NothingToDoError(
            f"no prompt to render: {names} says nothing of what is heard" if names else "there is no row yet",
            remedy="Write what is heard, for example: small dog barking.",
        )
    if (fault := _explain_broken(clips)) is not None:
        return fault
    absent = _list_absent(record)
    wanted = [cell for cell in iter_cells(rows, cut) if cell[1] in clips]
    if wanted and not any(_is_wanted(row, clip.id, absent) for row, clip in wanted):
        return NothingToDoError(
            "the prompt is left out of what is asked for, by you or because it is not seen there",
            remedy="Choose “Render this clip” at the clip (X) first.",
        )
    return NothingToDoError("everything that is asked for is rendered, or is being rendered, already")


def explain_all_seen(record: SessionRecord, cut: Cut) -> NothingToDoError:
    """Why there is nothing to look for."""
    if not any(row.is_complete for row in record.rows):
        return explain_nothing(record, cut)
    fault = _explain_broken(cut.clips)
    return fault or NothingToDoError("every prompt was looked for in every clip already")


def _explain_broken(clips: Collection[PanelClip]) -> NothingToDoError | None:
    """What is wrong with the first of the clips, where none of them can be rendered."""
    first = next(iter(clips), None)
    if first is None:
        return NothingToDoError("the cut has no clip with picture")
    if any(clip.spotted is not None for clip in clips):
        return None
    return NothingToDoError(f"{first.name} cannot be rendered: {first.problem}")


def _list_absent(record: SessionRecord) -> set[tuple[str, str]]:
    """Rows and clips where a calibrated model does not see the prompt."""
    return {(seen.row_id, seen.clip_id) for seen in record.evidence if seen.acts and not seen.seen}


def _is_wanted(row: Row, clip_id: str, absent: Collection[tuple[str, str]]) -> bool:
    included = row.include_on(clip_id)
    return (row.id, clip_id) not in absent if included is None else included


def effective_prompts(row: Row, clip_id: str) -> tuple[str, str]:
    """Prompt and negative prompt of a row on a clip, as they are rendered."""
    return row.prompt_on(clip_id).strip() or row.prompt.strip(), row.negative_on(clip_id).strip()


def first_seed_of(row: Row, clip_id: str) -> int:
    seed = row.seed_on(clip_id)
    return DEFAULT_SEED if seed is None else seed


def _recipe_of(stem: StemRecord) -> Recipe:
    return stem.prompt, stem.negative, stem.model, stem.seed, stem.pan_mode

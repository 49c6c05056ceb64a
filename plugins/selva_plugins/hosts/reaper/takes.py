"""More takes of stems that are on the timeline: the recipe in a take, with the next seeds or another prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.render_options import RenderOptions
from selva_otio import CueSheet
from selva_otio.cues.cue_sheet import CueBuilder
from selva_otio.errors import CueError
from selva_otio.time.clock import TimelineClock
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm, choose_model_for_form, with_prompt
from selva_plugins.hosts.reaper.plan import PlanStem, build_more_takes, group_by_cue
from selva_plugins.hosts.reaper.recipes import parse_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperSnapshot
from selva_plugins.hosts.reaper.timeline import build_clock
from selva_plugins.rendering import RenderTask
from selva_render.options import OutputOptions
from selva_render.report import RenderReport


@dataclass(frozen=True, kw_only=True)
class _StemItem:
    """A stem item and how its new takes are made; the first of them has the number `first_number`."""

    item: ReaperItem
    task: RenderTask
    first_number: int

    def build_plan_stems(self, report: RenderReport) -> list[PlanStem]:
        return [
            build_more_takes(self.item, stems, self.task.options, first_number=self.first_number)
            for stems in group_by_cue([report]).values()
        ]


def prepare_takes(snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path) -> PreparedRequest[PlanStem]:
    """Raises NothingToRenderError, FormError."""
    clock = build_clock(snapshot)
    notices: list[str] = []
    stem_items: list[_StemItem] = []
    for item in snapshot.items:
        try:
            stem_items.append(_read_stem_item(item, form, stems_folder, clock))
        except (SnapshotError, CueError) as error:
            notices.append(f"{item.label}: {error.message}")
    if not stem_items:
        raise NothingToRenderError("; ".join(["no selected item is a stem of Selva", *notices[:5]]))

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        pairs = zip(stem_items, reports, strict=True)
        return [stem for stem_item, report in pairs for stem in stem_item.build_plan_stems(report)]

    return PreparedRequest(
        tasks=[stem_item.task for stem_item in stem_items],
        timeline_name=snapshot.project.name,
        notices=notices,
        build_placements=build_placements,
    )


def _read_stem_item(item: ReaperItem, form: HostForm, stems_folder: Path, clock: TimelineClock) -> _StemItem:
    """Raises SnapshotError, CueError for items that no recipe can be read from."""
    if item.take is None or not item.take.recipe:
        raise SnapshotError("Selva did not make its active take")
    recipe = parse_recipe(item.take.recipe)
    recipes = [recipe, *(parse_recipe(text) for text in item.recipes)]
    sound = with_prompt(recipe.sound, form.prompt) if form.prompt else recipe.sound
    options = RenderOptions(
        model=choose_model_for_form(form.model or recipe.model),
        num_takes=form.num_takes,
        seed=max(other.seed for other in recipes) + 1 if form.seed is None else form.seed,
        sample_rate_hz=recipe.sample_rate_hz,
        sampling=recipe.sampling,
        precision=recipe.precision,
        pan=recipe.pan,
    )
    cue = CueBuilder().build_cue(recipe.clip, sound, "")
    sheet = CueSheet(clock=clock, tracks=(sound.name,), cues=(cue,))
    return _StemItem(
        item=item,
        task=RenderTask(sheet=sheet, options=options, output=OutputOptions(stems_folder=stems_folder)),
        first_number=max(other.take for other in recipes) + 1,
    )

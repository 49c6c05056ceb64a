"""The time selection of stem items made anew: more takes of them, which are the active take outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from msgspec import UNSET

from selva_core.base.errors import SelvaError
from selva_core.base.render_options import ENVELOPE, RenderOptions
from selva_otio import CueSheet
from selva_otio.cues.cue_sheet import CueBuilder
from selva_otio.time.clock import TimelineClock, sample_index
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm, with_prompt
from selva_plugins.hosts.reaper.plan import PlanStem, build_more_takes, group_by_cue
from selva_plugins.hosts.reaper.recipes import Recipe, parse_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperSnapshot, ReaperTake, ReaperTimeSelection
from selva_plugins.hosts.reaper.timeline import build_clock
from selva_plugins.rendering import RenderTask
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions
from selva_render.redo import Redo, build_redo_job, open_stem
from selva_render.report import RenderReport


@dataclass(frozen=True, kw_only=True)
class _RedoneItem:
    """A stem item and how its new takes are made; the first of them has the number `first_number`."""

    item: ReaperItem
    task: RenderTask
    first_number: int

    def build_plan_stems(self, report: RenderReport) -> list[PlanStem]:
        return [
            build_more_takes(self.item, stems, self.task.options, first_number=self.first_number)
            for stems in group_by_cue([report]).values()
        ]


def prepare_redo(snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path) -> PreparedRequest[PlanStem]:
    """Raises NothingToRenderError."""
    selection = snapshot.time_selection
    if selection is UNSET or selection.end_s <= selection.start_s:
        raise NothingToRenderError("no time is selected; select the stretch that is to be made anew")
    clock = build_clock(snapshot)
    notices: list[str] = []
    redone: list[_RedoneItem] = []
    for item in snapshot.items:
        try:
            redone.append(_read_item(item, selection, form, stems_folder, clock))
        except SelvaError as error:
            notices.append(f"{item.label}: {error.message}")
    if not redone:
        raise NothingToRenderError("; ".join(["no selected item can be made anew there", *notices[:5]]))

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        pairs = zip(redone, reports, strict=True)
        return [stem for each, report in pairs for stem in each.build_plan_stems(report)]

    return PreparedRequest(
        tasks=[each.task for each in redone],
        timeline_name=snapshot.project.name,
        notices=notices,
        build_placements=build_placements,
    )


def _read_item(
    item: ReaperItem,
    selection: ReaperTimeSelection,
    form: HostForm,
    stems_folder: Path,
    clock: TimelineClock,
) -> _RedoneItem:
    """Raises SnapshotError, CueError, RequestError and MediaError for items that no stretch of can be made anew."""
    take = item.take
    if take is None or not take.recipe:
        raise SnapshotError("Selva did not make its active take")
    recipe = parse_recipe(take.recipe)
    recipes = [recipe, *(parse_recipe(text) for text in item.recipes)]
    first_number = max(other.take for other in recipes) + 1
    stem = open_stem(Path(take.sources[-1].file))
    start, end = _selected_samples(item, take, selection, stem.sample_rate_hz)
    redo = Redo(
        stem=stem,
        start_sample=start,
        end_sample=min(end, stem.num_samples),
        prompt=form.prompt or None,
        seed=max(other.seed for other in recipes) + 1 if form.seed is None else form.seed,
        take=first_number,
        num_takes=form.num_takes,
        folder=stems_folder,
        pan_envelope=recipe.pan.width if recipe.pan.mode == ENVELOPE else None,
    )
    return _RedoneItem(
        item=item,
        task=_build_task(redo, recipe, form, clock, OutputOptions(stems_folder=stems_folder)),
        first_number=first_number,
    )


def _build_task(
    redo: Redo, recipe: Recipe, form: HostForm, clock: TimelineClock, output: OutputOptions
) -> RenderTask:
    sound = with_prompt(recipe.sound, form.prompt) if form.prompt else recipe.sound
    request = build_redo_job(redo, media=recipe.clip.picture_path)
    # The stem's own cue, so that the results of the job are found again.
    cue = replace(CueBuilder().build_cue(recipe.clip, sound, ""), id=request.cues[0].cue)
    options = RenderOptions(
        model=recipe.model,
        num_takes=form.num_takes,
        seed=request.cues[0].takes[0].seed,
        sample_rate_hz=recipe.sample_rate_hz,
        sampling=recipe.sampling,
        precision=recipe.precision,
        pan=recipe.pan,
    )
    return RenderTask(
        sheet=CueSheet(clock=clock, tracks=(sound.name,), cues=(cue,)),
        options=options,
        output=output,
        jobs=(ClipJob(clip=cue.clip, cues=(cue,), request=request),),
    )


def _selected_samples(
    item: ReaperItem, take: ReaperTake, selection: ReaperTimeSelection, sample_rate_hz: int
) -> tuple[int, int]:
    """The samples of the take's file that are selected in the item. Raises SnapshotError."""
    if not take.plain_file:
        raise SnapshotError(
            "its take is retimed, reversed or a section; a stretch is made anew at the speed of its file"
        )
    start_s = max(selection.start_s, item.position_s)
    end_s = min(selection.end_s, item.position_s + item.length_s)
    if end_s <= start_s:
        raise SnapshotError("it does not lie in the time selection")
    in_file = (Fraction(at_s - item.position_s + take.start_offset_s) for at_s in (start_s, end_s))
    start, end = (max(sample_index(at_s, sample_rate_hz), 0) for at_s in in_file)
    return start, max(end, start + 1)

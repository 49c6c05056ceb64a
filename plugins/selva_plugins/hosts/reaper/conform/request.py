"""The requests of "Conform stems to this cut": first the plan, without a render, then what no stem reaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_otio import Cue, CueSheet
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import FormError, HostError, NothingToRenderError
from selva_plugins.form import HostForm, choose_model_for_form, parse_form
from selva_plugins.hosts.reaper.conform.longer_items import LongerItems, PartGuids
from selva_plugins.hosts.reaper.conform.old_cut import AnchoredStem
from selva_plugins.hosts.reaper.conform.plan import plan_project
from selva_plugins.hosts.reaper.cues import SpottedItems
from selva_plugins.hosts.reaper.plan import PlanStem, build_new_item, group_by_cue
from selva_plugins.hosts.reaper.snapshot import parse_snapshot
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder
from selva_render.report import RenderReport


def plan_request(request: HostRequest) -> dict[str, Any]:
    """What is to be done, for the script to show and to do. Raises SnapshotError, NothingToRenderError, TimelineError."""
    folder = request.stems_folder or Path()
    return plan_project(parse_snapshot(request.snapshot), stems_folder=folder).to_json()


def prepare_request(request: HostRequest) -> PreparedRequest[PlanStem]:
    """Render what the plan of the same snapshot found missing: stems go on where they can, the rest is made as the stems of its
    track were. Raises HostError, TimelineError.
    """
    snapshot, form = parse_snapshot(request.snapshot), parse_form(request.form_values)
    if request.stems_folder is None:
        raise HostError("a conform needs a stems folder")
    check_stems_folder(request.stems_folder)
    stems_folder = request.stems_folder.absolute()
    conform = plan_project(snapshot, stems_folder=stems_folder)
    if not conform.num_cues:
        raise NothingToRenderError("the stems reach all of the new cut; there is nothing to render")
    missing = conform.missing
    longer = LongerItems(
        missing.continuations, conform.new, _read_part_guids(request.form_values), stems_folder
    )
    num_longer = len(longer.tasks)
    notices = list(conform.new.notices)
    new_stems = [_NewStems(*missing.spot(lambda key: key not in longer.taken), form, stems_folder)]
    notices += new_stems[0].spotted.notices

    def build_more_tasks(reports: Sequence[RenderReport]) -> Sequence[RenderTask]:
        refused = longer.settle(reports[:num_longer], notices)
        new_stems.append(_NewStems(*missing.spot(refused.__contains__), form, stems_folder))
        return new_stems[1].tasks

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        placements = [*longer.build_placements(reports[:num_longer])]
        left = reports[num_longer:]
        for each in new_stems:
            placements += each.build_placements(left[: len(each.tasks)])
            left = left[len(each.tasks) :]
        return placements

    return PreparedRequest(
        tasks=[*longer.tasks, *new_stems[0].tasks],
        timeline_name=snapshot.project.name,
        notices=notices,
        build_placements=build_placements,
        build_more_tasks=build_more_tasks,
    )


def _read_part_guids(values: Mapping[str, Any]) -> PartGuids:
    """What the script has made of the items that it moved; earlier scripts do not say it."""
    parts = values.get("parts", {})
    if not isinstance(parts, Mapping):
        raise FormError(f"parts are lists of GUIDs by GUID; got {parts!r:.80}")
    return {
        guid: [each for each in guids if isinstance(each, str)]
        for guid, guids in parts.items()
        if isinstance(guids, list)
    }


class _NewStems:
    """Cues that get stems of their own, rendered in one task per kind of stem."""

    def __init__(
        self,
        spotted: SpottedItems,
        recipes: Mapping[str, AnchoredStem],
        form: HostForm,
        stems_folder: Path,
    ) -> None:
        self.spotted = spotted
        by_options: dict[RenderOptions, list[Cue]] = defaultdict(list)
        for cue in spotted.sheet.cues:
            by_options[_build_options(recipes[cue.id], form)].append(cue)
        self.tasks = [
            RenderTask(
                sheet=CueSheet(
                    clock=spotted.sheet.clock,
                    tracks=tuple(dict.fromkeys(cue.track for cue in cues)),
                    cues=tuple(cues),
                ),
                options=options,
                output=OutputOptions(stems_folder=stems_folder),
            )
            for options, cues in by_options.items()
        ]

    def build_placements(self, reports: Sequence[RenderReport]) -> list[PlanStem]:
        return [
            build_new_item(self.spotted.spans[cue_id], stems, task.options, self.spotted.sheet.clock)
            for task, report in zip(self.tasks, reports, strict=True)
            for cue_id, stems in group_by_cue([report]).items()
        ]


def _build_options(stem: AnchoredStem, form: HostForm) -> RenderOptions:
    """As the stem was made, with as many takes as it has."""
    recipe = stem.recipe
    return RenderOptions(
        model=choose_model_for_form(form.model or recipe.model),
        num_takes=max(1, len(stem.item.recipes)),
        seed=recipe.seed,
        sample_rate_hz=recipe.sample_rate_hz,
        sampling=recipe.sampling,
        precision=recipe.precision,
        pan=recipe.pan,
    )

"""The requests of "Conform stems to this cut": first the plan, without a render, then what no stem reaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_otio import Cue, CueSheet
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import NothingToRenderError
from selva_plugins.form import HostForm, choose_model_for_form
from selva_plugins.hosts.reaper.conform.old_cut import AnchoredStem
from selva_plugins.hosts.reaper.conform.plan import plan_project
from selva_plugins.hosts.reaper.plan import PlanStem, build_new_item, group_by_cue
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot, parse_snapshot
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions
from selva_render.report import RenderReport


def plan_request(request: HostRequest) -> dict[str, Any]:
    """What is to be done, for the script to show and to do. Raises SnapshotError, NothingToRenderError, TimelineError."""
    return plan_project(parse_snapshot(request.snapshot)).to_json()


def prepare_missing(
    snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path
) -> PreparedRequest[PlanStem]:
    """Render what the plan of the same snapshot found missing, each stretch as the stems of its track were made.

    Raises NothingToRenderError, FormError.
    """
    conform = plan_project(snapshot)
    spotted = conform.spotted
    if not spotted.sheet.cues:
        raise NothingToRenderError("the stems reach all of the new cut; there is nothing to render")
    by_options: dict[RenderOptions, list[Cue]] = defaultdict(list)
    for cue in spotted.sheet.cues:
        by_options[_build_options(conform.recipes[cue.id], form)].append(cue)
    options = list(by_options)

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        return [
            build_new_item(spotted.spans[cue_id], stems, made_with, spotted.sheet.clock)
            for made_with, report in zip(options, reports, strict=True)
            for cue_id, stems in group_by_cue([report]).items()
        ]

    return PreparedRequest(
        tasks=[
            RenderTask(
                sheet=CueSheet(
                    clock=spotted.sheet.clock,
                    tracks=tuple(dict.fromkeys(cue.track for cue in by_options[each])),
                    cues=tuple(by_options[each]),
                ),
                options=each,
                output=OutputOptions(stems_folder=stems_folder),
            )
            for each in options
        ],
        timeline_name=snapshot.project.name,
        notices=[*conform.new.notices, *spotted.notices],
        build_placements=build_placements,
    )


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

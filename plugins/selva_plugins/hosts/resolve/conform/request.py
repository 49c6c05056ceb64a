"""The requests of "Conform stems": first what would be done, then the plan that does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions
from selva_otio.formats.profiles import find_profile
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.form import HostForm, parse_form
from selva_plugins.hosts.resolve.conform.last_cuts import load_last_cut
from selva_plugins.hosts.resolve.conform.plan import TimelineConform, plan_timeline
from selva_plugins.hosts.resolve.plan import build_stems, build_target
from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder, choose_model
from selva_render.report import RenderReport

CONFORM, CONFORM_RENDER = "conform", "conform_render"
CONFORM_TITLE = "Conform stems"


def describe_conform(request: HostRequest) -> dict[str, Any]:
    """What is shown before anything is done. Raises HostError, TimelineError."""
    _, form, conform = _plan(request)
    del form
    return {"summary": conform.summary, "lines": list(conform.lines), "has_changes": conform.has_changes}


def prepare_conform(request: HostRequest) -> PreparedRequest[PlanStem]:
    """Render what is missing; the plan deletes and places the stems that move. Raises HostError, TimelineError."""
    snapshot, form, conform = _plan(request)
    if not conform.has_changes:
        raise NothingToRenderError("every stem lies where its picture is; there is nothing to do")
    if request.stems_folder is None:
        raise HostError("a conform needs a stems folder")
    target = build_target(snapshot)
    tasks = []
    if conform.sheet.cues:
        check_stems_folder(request.stems_folder)
        tasks.append(_build_task(conform, snapshot, form, request.stems_folder))

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        return [*conform.stems, *build_stems(reports, target)]

    return PreparedRequest(
        tasks=tasks,
        timeline_name=snapshot.timeline.name,
        notices=list(conform.lines),
        build_placements=build_placements,
        plan_extra={"removals": list(conform.removals)},
        may_be_empty=True,
    )


def _plan(request: HostRequest) -> tuple[ResolveSnapshot, HostForm, TimelineConform]:
    snapshot, form = parse_snapshot(request.snapshot), parse_form(request.form_values)
    last = load_last_cut(request.form_values.get("last_cut"))
    return snapshot, form, plan_timeline(snapshot, last, handles_s=form.handles_s)


def _build_task(
    conform: TimelineConform, snapshot: ResolveSnapshot, form: HostForm, stems_folder: Path
) -> RenderTask:
    """With the model of the stems that are there, where they have one and none is named."""
    options = RenderOptions(
        model=choose_model(form.model or conform.model),
        seed=DEFAULT_SEED if form.seed is None else form.seed,
        sample_rate_hz=snapshot.stem_rate_hz,
    )
    output = OutputOptions(stems_folder=stems_folder.absolute(), profile=find_profile("resolve"))
    return RenderTask(sheet=conform.sheet, options=options, output=output)

"""The requests of "Conform stems": first what would be done, then the plan that does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions
from selva_otio import Cue
from selva_otio.formats.profiles import find_profile
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.form import HostForm, parse_form
from selva_plugins.hosts.resolve.conform.last_cuts import load_last_cut
from selva_plugins.hosts.resolve.conform.own_files import give_own_files
from selva_plugins.hosts.resolve.conform.plan import TimelineConform, plan_timeline
from selva_plugins.hosts.resolve.plan import build_stems, build_target
from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder, choose_model
from selva_render.report import RenderReport
from selva_render.takes.continuing import list_extended

CONFORM, CONFORM_RENDER = "conform", "conform_render"
CONFORM_TITLE = "Conform stems"


def describe_conform(request: HostRequest) -> dict[str, Any]:
    """What is shown before anything is done. Raises HostError, TimelineError."""
    _, form, conform = _plan(request)
    del form
    return {"summary": conform.summary, "lines": list(conform.lines), "has_changes": conform.has_changes}


def prepare_conform(request: HostRequest) -> PreparedRequest[PlanStem]:
    """Render what is missing, stems going on where they can; the plan deletes and places the stems that move. Raises HostError,
    TimelineError.
    """
    snapshot, form, conform = _plan(request)
    if not conform.has_changes:
        raise NothingToRenderError("every stem lies where its picture is; there is nothing to do")
    if request.stems_folder is None:
        raise HostError("a conform needs a stems folder")
    if conform.sheet.cues:
        check_stems_folder(request.stems_folder)
    prepared = _PreparedConform(conform, snapshot, form, request.stems_folder)
    return PreparedRequest(
        tasks=prepared.tasks,
        timeline_name=snapshot.timeline.name,
        notices=prepared.notices,
        build_placements=prepared.build_placements,
        build_more_tasks=prepared.build_more_tasks,
        plan_extra=prepared.plan_extra,
        may_be_empty=True,
    )


class _PreparedConform:
    """The tasks of a conform: stems that go on, new stems, and new stems in place of those that the daemon refused to make
    longer. plan_extra: what is deleted, complete once the placements are built.
    """

    def __init__(
        self, conform: TimelineConform, snapshot: ResolveSnapshot, form: HostForm, stems_folder: Path
    ) -> None:
        self._conform, self._target = conform, build_target(snapshot)
        self._stems = snapshot.timeline.stems
        self._options = _build_options(conform, snapshot, form)
        self._output = OutputOptions(stems_folder=stems_folder.absolute(), profile=find_profile("resolve"))
        self.notices = list(conform.lines)
        self.plan_extra: dict[str, Any] = {}
        found = conform.continuations
        extended = list_extended(found)
        longer = RenderTask(
            sheet=replace(conform.sheet, cues=tuple(each.cue for each in found)),
            options=self._options,
            output=self._output,
            jobs=tuple(job for each in found for job in each.jobs),
        )
        new = self._build_task(tuple(cue for cue in conform.sheet.cues if cue.id not in extended))
        self.tasks = [*([longer] if found else []), *new]

    def _build_task(self, cues: Sequence[Cue]) -> list[RenderTask]:
        """With the model of the stems that are there, where they have one and none is named."""
        if not cues:
            return []
        sheet = replace(self._conform.sheet, cues=tuple(cues))
        return [RenderTask(sheet=sheet, options=self._options, output=self._output)]

    def build_more_tasks(self, reports: Sequence[RenderReport]) -> Sequence[RenderTask]:
        if not self._conform.continuations:
            return ()
        self.notices += [
            f"{failed.name}: the stem does not go on, a new one lies beside it: {failed.message}"
            for failed in reports[0].failed
        ]
        self._conform = self._conform.settle(reports[0], self._options)
        return self._build_task(self._conform.sheet.cues)

    def build_placements(self, reports: Sequence[RenderReport]) -> list[PlanStem]:
        new = reports[1:] if self._conform.continuations else reports
        removals = self._conform.removals
        self.plan_extra["removals"] = list(removals)
        stay = (stem.file for stem in self._stems if stem.id not in removals)
        moved = give_own_files(self._conform.stems, stay, self._conform.comments)
        return [*moved, *build_stems(new, self._target)]


def _plan(request: HostRequest) -> tuple[ResolveSnapshot, HostForm, TimelineConform]:
    snapshot, form = parse_snapshot(request.snapshot), parse_form(request.form_values)
    last = load_last_cut(request.form_values.get("last_cut"))
    conform = plan_timeline(
        snapshot,
        last,
        handles_s=form.handles_s,
        model=form.model,
        stems_folder=request.stems_folder or Path(),
    )
    return snapshot, form, conform


def _build_options(conform: TimelineConform, snapshot: ResolveSnapshot, form: HostForm) -> RenderOptions:
    return RenderOptions(
        model=choose_model(form.model or conform.model),
        seed=DEFAULT_SEED if form.seed is None else form.seed,
        sample_rate_hz=snapshot.stem_rate_hz,
    )

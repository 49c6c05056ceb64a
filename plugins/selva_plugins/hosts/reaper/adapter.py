"""The REAPER host: requests of its scripts as cue sheets, and stems as a plan that its scripts can place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selva_core.base.render_options import RenderOptions
from selva_plugins.bridge import PreparedRequest
from selva_plugins.checks import CheckResult
from selva_plugins.errors import FormError, HostError, NothingToRenderError
from selva_plugins.form import HostForm, build_render_options, parse_form
from selva_plugins.hosts.reaper.check import check_installation
from selva_plugins.hosts.reaper.conform.request import plan_request, prepare_request
from selva_plugins.hosts.reaper.cues import SpottedItems, spot_items, spot_markers
from selva_plugins.hosts.reaper.events import find_item_events
from selva_plugins.hosts.reaper.extend import prepare_extend
from selva_plugins.hosts.reaper.item_spans import ItemSpanReader
from selva_plugins.hosts.reaper.plan import PlanStem, build_new_item, group_by_cue
from selva_plugins.hosts.reaper.redo import prepare_redo
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot, parse_snapshot
from selva_plugins.hosts.reaper.takes import prepare_takes
from selva_plugins.hosts.reaper.timeline import (
    ReaperTimeline,
    build_clock,
    build_timeline,
    choose_sample_rate_hz,
)
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder
from selva_render.report import RenderReport

__all__ = ["check", "find_events", "plan_conform", "prepare", "read_picture"]


def prepare(request: HostRequest) -> PreparedRequest[PlanStem]:
    """Raises FormError, SnapshotError, NothingToRenderError, TimelineError."""
    if request.action == "conform_render":
        return prepare_request(request)
    actions = {
        "items": _prepare_items,
        "regions": _prepare_regions,
        "takes": prepare_takes,
        "redo": prepare_redo,
        "extend": prepare_extend,
    }
    if request.action not in actions or request.stems_folder is None:
        raise HostError(
            f"an action is {', '.join(actions)}, conform_render or check, with a stems folder; got {request.action!r}"
        )
    form = parse_form(request.form_values)
    check_stems_folder(request.stems_folder)
    return actions[request.action](parse_snapshot(request.snapshot), form, request.stems_folder)


def check(request: HostRequest) -> list[CheckResult]:
    """The state of the installation that the request came from."""
    return check_installation(request)


def find_events(request: HostRequest) -> list[dict[str, Any]]:
    """The sounds of the selected stem items. Raises SnapshotError, NothingToRenderError."""
    return find_item_events(request)


def plan_conform(request: HostRequest) -> dict[str, Any]:
    """What a conform of the project would do. Raises SnapshotError, NothingToRenderError, TimelineError."""
    return plan_request(request)


def _prepare_items(snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path) -> PreparedRequest[PlanStem]:
    if not form.sounds:
        raise FormError('name at least one sound, as "Track: prompt", for instance "Dog: small dog barking"')
    built, reader = read_picture(snapshot, "no selected item has a picture")
    options = build_render_options(form, sample_rate_hz=choose_sample_rate_hz(snapshot))
    notices = [*reader.refused, *reader.warnings]
    return _prepare_spotted(snapshot, options, stems_folder, spot_items(built, form), notices)


def _prepare_regions(
    snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path
) -> PreparedRequest[PlanStem]:
    built, reader = read_picture(snapshot, "the project has no video items")
    options = build_render_options(form, sample_rate_hz=choose_sample_rate_hz(snapshot))
    return _prepare_spotted(
        snapshot, options, stems_folder, spot_markers(built, snapshot.markers, form), reader.warnings
    )


def read_picture(snapshot: ReaperSnapshot, no_picture: str) -> tuple[ReaperTimeline, ItemSpanReader]:
    """What the items of a snapshot show. no_picture: begins the message where none has a picture. Raises NothingToRenderError."""
    reader = ItemSpanReader(build_clock(snapshot), choose_sample_rate_hz(snapshot))
    built = build_timeline(snapshot, reader.read(snapshot.items))
    if not built.picture_tracks:
        raise NothingToRenderError("; ".join([no_picture, *reader.refused[:5]]))
    return built, reader


def _prepare_spotted(
    snapshot: ReaperSnapshot,
    options: RenderOptions,
    stems_folder: Path,
    spotted: SpottedItems,
    notices: Sequence[str],
) -> PreparedRequest[PlanStem]:
    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        return [
            build_new_item(spotted.spans[cue_id], stems, options, spotted.sheet.clock)
            for cue_id, stems in group_by_cue(reports).items()
        ]

    output = OutputOptions(stems_folder=stems_folder)
    return PreparedRequest(
        tasks=[RenderTask(sheet=spotted.sheet, options=options, output=output)],
        timeline_name=snapshot.project.name,
        notices=[*notices, *spotted.notices],
        build_placements=build_placements,
    )

"""The REAPER host: what its scripts ask for as cue sheets, and stems as a plan that its scripts can place.

Plan (`plan.json`): `placements`, each with `cue`, `label`, `stem_track`, `start_s` and `length_s` (REAPER's seconds),
`source_offset_s` (how far into the file the item begins), `takes` (file, name, recipe), and `anchor`, the item it follows
as it was when asked; or `into_item`, the GUID of a stem item that gets the takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions
from selva_plugins.bridge import PreparedRequest
from selva_plugins.checks import CheckResult
from selva_plugins.errors import FormError, HostError, NothingToRenderError
from selva_plugins.form import HostForm, choose_model_for_form, parse_form
from selva_plugins.hosts.reaper.check import check_installation
from selva_plugins.hosts.reaper.cues import SpottedItems, spot_items, spot_spans
from selva_plugins.hosts.reaper.plan import Placement, build_new_item, group_by_cue
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot, parse_snapshot
from selva_plugins.hosts.reaper.takes import prepare_takes
from selva_plugins.hosts.reaper.timeline import (
    PictureReader,
    ReaperTimeline,
    build_clock,
    build_timeline,
    stem_rate_hz,
)
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder
from selva_render.report import RenderReport

__all__ = ["check", "prepare"]


def prepare(request: HostRequest) -> PreparedRequest:
    """Raises FormError, SnapshotError, NothingToRenderError, TimelineError."""
    actions = {"items": _prepare_items, "regions": _prepare_regions, "takes": prepare_takes}
    if request.action not in actions or request.stems_folder is None:
        raise HostError(
            f"an action is {', '.join(actions)} or check, with a stems folder; got {request.action!r}"
        )
    wishes = parse_form(request.form_values)
    check_stems_folder(request.stems_folder)
    return actions[request.action](parse_snapshot(request.snapshot), wishes, request.stems_folder)


def check(request: HostRequest) -> list[CheckResult]:
    """The state of the installation that the request came from."""
    return check_installation(request)


def _prepare_items(snapshot: ReaperSnapshot, wishes: HostForm, stems_folder: Path) -> PreparedRequest:
    if not wishes.sounds:
        raise FormError('name at least one sound, as "Track: prompt", for instance "Dog: small dog barking"')
    built, reader = _read_picture(snapshot, "no selected item has a picture")
    options, output = _build_options(snapshot, wishes), OutputOptions(stems_folder=stems_folder)
    notices = [*reader.refused, *reader.warnings]
    return _prepare_spotted(snapshot, options, output, spot_items(built, wishes), notices)


def _prepare_regions(snapshot: ReaperSnapshot, wishes: HostForm, stems_folder: Path) -> PreparedRequest:
    built, reader = _read_picture(snapshot, "the project has no video items")
    options, output = _build_options(snapshot, wishes), OutputOptions(stems_folder=stems_folder)
    return _prepare_spotted(
        snapshot, options, output, spot_spans(built, snapshot.spans, wishes), reader.warnings
    )


def _read_picture(snapshot: ReaperSnapshot, nothing: str) -> tuple[ReaperTimeline, PictureReader]:
    reader = PictureReader(build_clock(snapshot), stem_rate_hz(snapshot))
    built = build_timeline(snapshot, reader.read(snapshot.items))
    if not built.lanes:
        raise NothingToRenderError("; ".join([nothing, *reader.refused[:5]]))
    return built, reader


def _build_options(snapshot: ReaperSnapshot, wishes: HostForm) -> RenderOptions:
    return RenderOptions(
        model=choose_model_for_form(wishes.model),
        num_takes=wishes.num_takes,
        seed=DEFAULT_SEED if wishes.seed is None else wishes.seed,
        sample_rate_hz=stem_rate_hz(snapshot),
    )


def _prepare_spotted(
    snapshot: ReaperSnapshot,
    options: RenderOptions,
    output: OutputOptions,
    spotted: SpottedItems,
    notices: Sequence[str],
) -> PreparedRequest:
    def build_placements(reports: Sequence[RenderReport]) -> list[Placement]:
        return [
            build_new_item(spotted.stretches[cue_id], stems, options, spotted.sheet.clock)
            for cue_id, stems in group_by_cue(reports).items()
        ]

    return PreparedRequest(
        tasks=[RenderTask(sheet=spotted.sheet, options=options, output=output)],
        timeline_name=snapshot.project_name,
        notices=[*notices, *spotted.notices],
        build_placements=build_placements,
    )

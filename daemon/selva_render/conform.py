"""Conform: the stems of a rendered timeline brought to a new cut, and what they do not reach rendered."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import opentimelineio as otio

from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_otio import CueSheet
from selva_otio.conform.changes import add_change_markers, list_changes
from selva_otio.conform.cut_reading import read_cut, read_old_cut
from selva_otio.conform.media_content import ContentComparison
from selva_otio.conform.plan import ConformPlan, plan_conform
from selva_otio.conform.stem_placing import place_moves
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.cues.spotting import SpotOptions
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.flat_layout import find_media_file
from selva_otio.formats.registry import find_format
from selva_otio.formats.stem_metadata import iter_stems
from selva_otio.picture.media_probe import ProbeMedia
from selva_otio.placement.place_stems import Stem, place_stems
from selva_otio.timelines import OpenTimeline, check_timeline_target, write_timeline
from selva_render.conform_report import ConformReport, describe_damaged_files
from selva_render.options import OutputOptions, choose_model, settle_sampling
from selva_render.render import StatusListener, render_sheet, to_stem
from selva_render.report import RenderReport
from selva_render.takes.continuing import continue_stems, find_continuations, list_extended
from selva_render.written_timelines import note_written_files


@dataclass(frozen=True, kw_only=True)
class ConformOptions:
    """How two cuts are compared. relinked: new media path to the old one it stands for. marks: whether the shots that changed
    get markers in the timeline that is written.
    """

    relinked: Mapping[str, str]
    marks: bool = True


def prepare_conform(
    old: OpenTimeline,
    new: OpenTimeline,
    *,
    options: ConformOptions,
    spot: SpotOptions,
    wanted: CueSheet | None = None,
) -> ConformPlan:
    """Compare two timelines and plan the conform; nothing is changed or written.

    wanted: cues for new shots and new stem tracks. Raises TimelineError.
    """
    old_cut, new_cut = read_old_cut(old.timeline, old.media), read_cut(new.timeline, new.media)
    return plan_conform(
        old_cut,
        new_cut,
        spotter=ShotSpotter(clock=new_cut.clock, media=new.media, handles_s=spot.handles_s),
        wanted=wanted,
        relinked=options.relinked,
        has_same_content=ContentComparison().compare,
    )


def plan_report(plan: ConformPlan, options: RenderOptions, output: OutputOptions) -> ConformReport:
    """What a conform would do, for a dry run: no daemon is asked, so that a stem it would refuse to make longer counts as
    extended. Raises UnknownModelError.
    """
    damaged = list_damaged_stems(plan)
    if not plan.sheet.cues:
        return ConformReport(plan=plan, changes=list_changes(plan), is_dry_run=True, damaged=damaged)
    options = replace(options, model=choose_model(options.model))
    extended = list_extended(find_continuations(plan, options, output))
    changes = list_changes(plan, extended=extended)
    return ConformReport(plan=plan, changes=changes, is_dry_run=True, damaged=damaged)


def list_damaged_stems(plan: ConformPlan) -> list[str]:
    """As `describe_damaged_files`, of the stems of a plan."""
    folder = plan.old.spotter.media.base_folder
    items = (move.stem.placed.item for move in plan.moves if move.stem.is_stem)
    files = (
        find_media_file(item.media_reference, folder) for item in items if isinstance(item, otio.schema.Clip)
    )
    return describe_damaged_files(file for file in files if file is not None)


def check_conform_target(old: Path, new: Path, output: OutputOptions) -> None:
    """Refuse a target that cannot hold the result, before anything is rendered. Raises TimelineWriteError,
    UnsupportedFormatError.
    """
    target = find_target(output)
    check_timeline_target(target, new, output.profile)
    if target.exists() and target.samefile(old):
        raise TimelineWriteError(
            f"{target} is the timeline that has the stems; it is never changed, choose another name"
        )
    if find_format(old).holds_media and not find_format(target).holds_media:
        raise TimelineWriteError(
            f"the stems of {old.name} are inside it; write a bundle too: {target.with_suffix('.otioz').name}"
        )


def settle_options(plan: ConformPlan, options: RenderOptions) -> RenderOptions:
    """The options with the model of the old stems where none is named: an extension is to sound like what it extends."""
    if options.model is not None:
        return options
    models = {
        str(take["model"])
        for _, stem in iter_stems(plan.old.timeline)
        for take in stem.get("takes") or ()
        if isinstance(take, Mapping) and take.get("model")
    }
    return replace(options, model=models.pop()) if len(models) == 1 else options


def conform_timeline(
    plan: ConformPlan,
    options: RenderOptions,
    output: OutputOptions,
    *,
    connect: AbstractContextManager[Client],
    on_status: StatusListener,
    conform: ConformOptions,
    probe: ProbeMedia | None = None,
) -> ConformReport:
    """Move the stems, render what is missing, and write the new cut with all of them to `output.timeline`.

    connect: gives the daemon's client; entered only when something must be rendered. A clip that fails does not stop the
    others: its change says so and the timeline is written. Raises UnknownModelError, DaemonError, TimelineWriteError.
    """
    target = find_target(output)
    rendered = Rendered(plan=plan)
    if plan.sheet.cues:
        rendered = render_missing(plan, options, output, connect=connect, on_status=on_status)
    report = ConformReport(
        plan=plan,
        changes=list_changes(plan, extended=rendered.extended),
        rendered=rendered.report,
        damaged=list_damaged_stems(plan),
    )
    conformed = place_moves(rendered.plan)
    report.num_cross_fades_lost = conformed.num_cross_fades_lost
    placement = place_stems(conformed.timeline, rendered.plan.sheet, rendered.stems, replaces=False)
    timeline = placement.timeline
    if conform.marks:
        add_change_markers(timeline, report.changes)
    written = write_timeline(
        timeline,
        target,
        base_folder=plan.new.spotter.media.base_folder,
        profile=output.profile,
        probe=probe,
        media=plan.new.spotter.media,
    )
    note_written_files(written.files, AppPaths.find())
    report.add_written(written)
    return report


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What was rendered for a plan. plan: the same, with the stems that were made longer. stems: those that are placed beside
    them. report: on all that was rendered; None where nothing was. extended: the ids of cues that stems were made longer for.
    """

    plan: ConformPlan
    stems: tuple[Stem, ...] = ()
    report: RenderReport | None = None
    extended: frozenset[str] = frozenset()


def render_missing(
    plan: ConformPlan,
    options: RenderOptions,
    output: OutputOptions,
    *,
    connect: AbstractContextManager[Client],
    on_status: StatusListener,
) -> Rendered:
    """Render what no stem of a plan reaches: by making stems longer where that can be, the rest anew.

    Raises UnknownModelError, DaemonError.
    """
    options = replace(options, model=choose_model(options.model))
    with connect as client:
        continued = continue_stems(plan, options, output, client=client, on_status=on_status)
        if continued.rendered is not None and not continued.plan.sheet.cues:
            return Rendered(plan=continued.plan, report=continued.rendered, extended=continued.taken)
        report = render_sheet(
            continued.plan.sheet,
            options,
            output,
            client=client,
            timeline_name=plan.new.timeline.name,
            on_status=on_status,
        )
    sampling = settle_sampling(options)
    stems = tuple(to_stem(stem, report.model, sampling, options.pan) for stem in report.stems)
    if continued.rendered is not None:
        report.add(continued.rendered)
    return Rendered(plan=continued.plan, stems=stems, report=report, extended=continued.taken)


def find_target(output: OutputOptions) -> Path:
    """The timeline to be written. Raises TimelineWriteError where none is named."""
    if output.timeline is None:
        raise TimelineWriteError("a conform writes a timeline; name it")
    return output.timeline

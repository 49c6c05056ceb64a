"""The host DaVinci Resolve: from a request of its agent to cues, and from stems to a plan in its frames.

snapshot.json -> ResolveSnapshot -> ResolveTimeline -> CueSheet -> daemon -> RenderReport -> PlanStem -> plan.json
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import OFF, RenderOptions, SamplingOptions
from selva_core.base.settings import load_settings
from selva_otio import CueSheet, SpotOptions
from selva_otio.formats.profiles import find_profile
from selva_otio.placement.stem_names import fold_name
from selva_plugins.bridge import PreparedRequest
from selva_plugins.checks import CheckResult, build_check_result
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.form import HostForm, parse_form
from selva_plugins.hosts.resolve.conform.request import CONFORM_RENDER, describe_conform, prepare_conform
from selva_plugins.hosts.resolve.cues import (
    find_cue_sheet,
    has_marker_cues,
    iter_shift_notices,
    spot_snapshot,
)
from selva_plugins.hosts.resolve.plan import PlanTarget, build_stems, build_target
from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_application, parse_snapshot
from selva_plugins.hosts.resolve.timeline import ResolveTimeline, build_timeline
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder, choose_model

__all__ = ["check", "find_project_folder", "plan_conform", "prepare", "prepare_snapshot"]


def prepare(request: HostRequest) -> PreparedRequest[PlanStem]:
    """Raises HostError, TimelineError."""
    if request.action == CONFORM_RENDER:
        return prepare_conform(request)
    snapshot = parse_snapshot(request.snapshot)
    return prepare_snapshot(snapshot, parse_form(request.form_values), stems_folder=request.stems_folder)


def check(request: HostRequest) -> list[CheckResult]:
    """Which Resolve the agent runs in, and whether agent and bridge are of one version."""
    text = f"version {request.script_version}, the bridge is {selva_core.__version__}"
    is_same = request.script_version == selva_core.__version__
    agent = (
        build_check_result("Agent", text)
        if is_same
        else build_check_result(
            "Agent", f"{text}; run: {selva_command('host', 'install', 'resolve')}", "warning"
        )
    )
    application = parse_application(request.snapshot)
    return [build_check_result("Resolve", application.label_with_transport), agent]


def plan_conform(request: HostRequest) -> dict[str, Any]:
    """What a conform of the timeline would do. Raises HostError, TimelineError."""
    return describe_conform(request)


def find_events(request: HostRequest) -> list[dict[str, Any]]:
    """Raises HostError: Resolve imports markers from a file."""
    raise HostError(
        "Resolve's scripts mark no sounds; write the markers with `selva events OUT.otio -o OUT.edl` and import them with "
        "Timelines > Import > Timeline Markers from EDL"
    )


def prepare_snapshot(
    snapshot: ResolveSnapshot,
    form: HostForm,
    *,
    stems_folder: Path | None = None,
    cue_sheet: Path | None = None,
    options: SpotOptions | None = None,
    sampling: SamplingOptions | None = None,
    sample_rate_hz: int | None = None,
) -> PreparedRequest[PlanStem]:
    """A snapshot and a form made ready for the daemon.

    stems_folder: by default beside the project. cue_sheet: by default the one beside the project. options: how the timeline
    is looked at; the handles are those of the form. sample_rate_hz: by default the timeline's. Raises HostError, TimelineError.
    """
    options = replace(options or SpotOptions(), handles_s=form.handles_s)
    built = build_timeline(snapshot)
    project_folder = find_project_folder(snapshot) if stems_folder is None else stems_folder.parent
    stems_folder = stems_folder or project_folder / "stems"
    cue_sheet = cue_sheet or find_cue_sheet(snapshot, project_folder)
    if not (form.sounds or cue_sheet or has_marker_cues(built.timeline, options)):
        raise NothingToRenderError(
            "nothing says what is to be heard: set a marker named 'Dog: small dog barking' on the timeline or on a clip, or "
            f"write a cue sheet at {project_folder / 'cues.csv'}"
        )
    target = build_target(snapshot)
    sheet = spot_snapshot(snapshot, built, form.sounds, cue_sheet=cue_sheet, options=options)
    check_stems_folder(stems_folder)
    render_options = RenderOptions(
        model=choose_model(form.model),
        num_takes=form.num_takes,
        seed=DEFAULT_SEED if form.seed is None else form.seed,
        sample_rate_hz=sample_rate_hz or snapshot.stem_rate_hz,
        sampling=sampling or SamplingOptions(),
    )
    notices = list_notices(built, sheet, target)
    return PreparedRequest(
        tasks=[_build_task(sheet, render_options, stems_folder)],
        timeline_name=snapshot.timeline.name,
        notices=[*notices, *([f"cue sheet: {cue_sheet}"] if cue_sheet else [])],
        build_placements=lambda reports: build_stems(reports, target),
    )


def _build_task(sheet: CueSheet, options: RenderOptions, stems_folder: Path) -> RenderTask:
    """The profile leaves the time reference out of the stems: Resolve would take it for their source timecode, and conform
    them as offline.
    """
    output = OutputOptions(stems_folder=stems_folder.absolute(), profile=find_profile("resolve"))
    return RenderTask(sheet=sheet, options=options, output=output)


def find_project_folder(snapshot: ResolveSnapshot, *, videos_folder: Path | None = None) -> Path:
    """Where a project's stems and cue sheets lie: in its own media folder where it names one that is there, else among the
    user's videos.
    """
    name = fold_name(snapshot.project_name, max_chars=60, fallback="project")
    media_folder = snapshot.project_settings.media_folder
    if media_folder is not None and media_folder.is_dir():
        return media_folder / "Selva" / name
    return (videos_folder or Path(platformdirs.user_videos_path())) / "Selva" / name


def list_notices(built: ResolveTimeline, sheet: CueSheet, target: PlanTarget) -> list[str]:
    """What the user should know before anything is rendered, each sentence once."""
    notices = list(built.notices)
    if load_settings().pan != OFF:
        notices.append(
            "stems are heard from the middle: Resolve's scripting sets no pan over time; a timeline written with `selva render "
            "CUT -o OUT.fcpxml --pan envelope` has it"
        )
    if target.tells_no_speeds:
        notices.append(
            "this version of Resolve does not tell the speed of clips: it was worked out from what lies before and after them, "
            "which shows neither reverse nor freeze frames; 19.0.2 and later tell it"
        )
    if target.wav_rate < target.rate:
        notices.append(
            f"the project has {float(target.wav_rate):g} frames per second and this timeline {float(target.rate):g}: Resolve "
            "cuts sound at the project's frames, so that stems may end up to one of them early"
        )
    warnings = (f"{clip.name}: {warning}" for clip in sheet.clips for warning in clip.warnings)
    return list(dict.fromkeys([*notices, *sheet.warnings, *warnings, *iter_shift_notices(sheet)]))

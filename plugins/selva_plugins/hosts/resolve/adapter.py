"""The host DaVinci Resolve: from a request of its agent to cues, and from stems to a plan in its frames.

What is heard: typed "Track: prompt" lines over the selected clips where the version tells the selection, else
over the timeline's marked range, else over every clip; markers that read "Dog: small dog barking", on the
timeline or on a clip; and a cue sheet beside the project. Which of them counts where is the rule of
`selva_otio.cues.rules`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import platformdirs

import selva_core
from selva_core.base.limits import DEFAULT_SEED
from selva_core.base.render_options import RenderOptions, SamplingSettings
from selva_otio import Cue, CueSheet, SpotOptions, SpottedClip, StemTrack, TimelineClock, spot_timeline
from selva_otio.cues.markers import parse_marker_cue
from selva_otio.cues.rules import TRACK_PROMPT, CueRule
from selva_otio.cues.sheet_files import CueSheetRow, load_cue_sheet
from selva_otio.formats.profiles import find_profile
from selva_otio.placement.stem_names import fold_name
from selva_plugins.bridge import PreparedRequest
from selva_plugins.checks import CheckResult, build_check_result
from selva_plugins.errors import NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm, parse_form
from selva_plugins.hosts.resolve.plan import PlanFrame, build_stems
from selva_plugins.hosts.resolve.snapshot import SNAPSHOT_SCHEMA
from selva_plugins.hosts.resolve.timeline import HostTimeline, build_timeline, project_rate, timeline_rate
from selva_plugins.rendering import RenderTask
from selva_plugins.request_folder import HostRequest
from selva_render.options import OutputOptions, check_stems_folder, choose_model
from selva_render.report import RenderReport

CUE_SHEET_SUFFIXES = (".toml", ".csv", ".tsv")
SAMPLE_RATES_HZ = range(8_000, 192_001)

Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _SelectedClip:
    """Where a selected clip lies, in seconds after the timeline's start."""

    track: str
    start_s: Fraction
    end_s: Fraction

    def is_seen_in(self, clip: SpottedClip) -> bool:
        middle_s = clip.record_start_s + clip.duration_s / 2
        return self.track == clip.video_track and self.start_s <= middle_s < self.end_s


class _MarkedSound(CueSheetRow):
    """A typed prompt for what lies between the timeline's in and out marks; it counts as typed, not as a cue sheet's."""

    def to_rule(self, clock: TimelineClock) -> CueRule:
        return replace(super().to_rule(clock), source=TRACK_PROMPT)


def prepare(request: HostRequest) -> PreparedRequest:
    """Raises HostError, TimelineError."""
    snapshot = parse_snapshot(request.snapshot)
    return prepare_snapshot(snapshot, parse_form(request.form_values), stems_folder=request.stems_folder)


def prepare_snapshot(
    snapshot: Facts,
    wishes: HostForm,
    *,
    stems_folder: Path | None = None,
    cue_sheet: Path | None = None,
    options: SpotOptions | None = None,
    sampling: SamplingSettings | None = None,
    sample_rate_hz: int | None = None,
) -> PreparedRequest:
    """A snapshot and wishes made ready for the daemon.

    stems_folder: by default beside the project. cue_sheet: by default the one beside the project. options: how the timeline is
    looked at; the handles are those of the wishes. sample_rate_hz: by default the timeline's. Raises HostError, TimelineError.
    """
    options = replace(options or SpotOptions(), handles_s=wishes.handles_s)
    told = read_timeline(snapshot)
    project_folder = find_project_folder(snapshot) if stems_folder is None else stems_folder.parent
    chosen_folder = stems_folder or project_folder / "stems"
    cue_sheet = cue_sheet or find_cue_sheet(snapshot, project_folder)
    has_markers = options.use_markers and _has_prompting_markers(told, options)
    if not (wishes.sounds or cue_sheet or has_markers):
        raise NothingToRenderError(
            "nothing says what is to be heard: set a marker named 'Dog: small dog barking' on the timeline or on a clip, or "
            f"write a cue sheet at {project_folder / 'cues.csv'}"
        )
    frame = plan_frame(snapshot)
    sheet = spot_request(snapshot, told, wishes.sounds, cue_sheet=cue_sheet, options=options)
    check_stems_folder(chosen_folder)
    render_options = RenderOptions(
        model=choose_model(wishes.model),
        num_takes=wishes.num_takes,
        seed=DEFAULT_SEED if wishes.seed is None else wishes.seed,
        sample_rate_hz=sample_rate_hz or find_sample_rate_hz(snapshot),
        sampling=sampling or SamplingSettings(),
    )
    # The profile leaves the time reference out: Resolve would take it for the source timecode, and not find the stem.
    output = OutputOptions(stems_folder=chosen_folder.absolute(), profile=find_profile("resolve"))

    def build_placements(reports: Sequence[RenderReport]) -> list[dict[str, Any]]:
        return build_stems(reports, frame)

    return PreparedRequest(
        tasks=[RenderTask(sheet=sheet, options=render_options, output=output)],
        timeline_name=told.timeline.name,
        notices=[*list_notices(told, sheet, frame), *([f"cue sheet: {cue_sheet}"] if cue_sheet else [])],
        build_placements=build_placements,
    )


def read_timeline(snapshot: Facts) -> HostTimeline:
    """The timeline of a snapshot. Raises SnapshotError, also for snapshots of another version."""
    try:
        return build_timeline(snapshot)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, SnapshotError):
            raise
        raise SnapshotError(
            f"the agent's snapshot cannot be read ({error!r}); run: selva host install resolve"
        ) from error


def check(request: HostRequest) -> list[CheckResult]:
    """What the agent found out about its Resolve, and whether agent and bridge are of one version."""
    snapshot = parse_snapshot(request.snapshot)
    text = f"version {request.script_version}, the bridge is {selva_core.__version__}"
    is_same = request.script_version == selva_core.__version__
    agent = (
        build_check_result("Agent", text)
        if is_same
        else build_check_result("Agent", f"{text}; run: selva host install resolve", "warning")
    )
    return [build_check_result("Resolve", describe_application(snapshot)), agent]


def describe_application(snapshot: Facts) -> str:
    """Product, version and the way its letters take: "DaVinci Resolve 21.1.0.17, letters through Fusion's
    preferences".
    """
    application = snapshot.get("application") or {}
    way = "Fusion's preferences" if application.get("sandboxed") else "files"
    return f"{describe_product(application)}, letters through {way}"


def describe_product(application: Facts) -> str:
    """Product and version: "DaVinci Resolve Studio 21.1.0.17"."""
    version = ".".join(str(field) for field in application.get("version", [])[:4])
    return f"{application.get('product')} {version}"


def parse_snapshot(text: str) -> Facts:
    """Raises SnapshotError."""
    try:
        snapshot = json.loads(text)
    except ValueError as error:
        raise SnapshotError(f"the agent's snapshot is not JSON: {error}") from error
    if not isinstance(snapshot, dict) or snapshot.get("schema") != SNAPSHOT_SCHEMA:
        raise SnapshotError(
            f"the agent's snapshot is not a {SNAPSHOT_SCHEMA}; run: selva host install resolve"
        )
    return snapshot


def plan_frame(snapshot: Facts, *, has_markers: bool = False, replaces: bool = False) -> PlanFrame:
    """What the numbers of a plan for this snapshot's timeline count from. Raises SnapshotError."""
    timeline = snapshot["timeline"]
    return PlanFrame(
        timeline_id=timeline["id"],
        timeline_name=timeline["name"],
        rate=timeline_rate(snapshot),
        file_rate=project_rate(snapshot) or timeline_rate(snapshot),
        start_frame=int(timeline["start_frame"]),
        has_markers=has_markers,
        replaces=replaces,
    )


def spot_request(
    snapshot: Facts,
    told: HostTimeline,
    sounds: Sequence[StemTrack],
    *,
    cue_sheet: Path | None,
    options: SpotOptions,
) -> CueSheet:
    """The cues of a request. Raises TimelineError, NothingToRenderError."""
    clock = TimelineClock(
        frame_rate_hz=told.rate,
        otio_rate_hz=float(told.rate),
        start_frame=told.start_frame,
        drop_frame=told.drop_frame,
    )
    selected = _find_selected(snapshot, told)
    marked = None if selected else _find_marks(snapshot, told)
    rows = [] if cue_sheet is None else load_cue_sheet(cue_sheet)
    sheet = spot_timeline(
        told.timeline,
        sounds if marked is None else (),
        base_folder=Path.cwd(),
        rows=rows if marked is None else [*rows, *_mark_sounds(sounds, *marked)],
        options=options,
        clock=clock,
    )
    file_rate = project_rate(snapshot)
    if options.handles_s and file_rate is not None and file_rate != told.rate:
        sheet = _fit_handles(sheet, file_rate)
    if not selected:
        return sheet
    kept = tuple(
        cue
        for cue in sheet.cues
        if cue.source != TRACK_PROMPT or any(clip.is_seen_in(cue.clip) for clip in selected)
    )
    if not kept:
        raise NothingToRenderError(
            "none of the selected clips has a picture that is seen; select others, or none"
        )
    return replace(sheet, cues=kept)


def _has_prompting_markers(told: HostTimeline, options: SpotOptions) -> bool:
    tracks = told.timeline.tracks
    items = (child for child in tracks.find_children() if isinstance(child, otio.core.Item))
    markers = (marker for item in (tracks, *items) for marker in item.markers)
    return any(parse_marker_cue(marker, colour=options.marker_colour) for marker in markers)


def _fit_handles(sheet: CueSheet, file_rate: Fraction) -> CueSheet:
    """Where a WAV counts other frames than the timeline, its handle is whole frames of its own: they are cut off exactly."""

    def fit(cue: Cue) -> Cue:
        handle_s = math.floor(cue.clip.handle_before_s * file_rate) / file_rate
        return replace(cue, clip=replace(cue.clip, handle_before_s=handle_s))

    return replace(sheet, cues=tuple(fit(cue) for cue in sheet.cues))


def _find_selected(snapshot: Facts, told: HostTimeline) -> list[_SelectedClip]:
    """The selected clips, where the version tells them."""
    timeline = snapshot["timeline"]
    selected = set(timeline.get("selected") or ())
    return [
        _SelectedClip(
            track=track["name"],
            start_s=(item["start"] - told.start_frame) / told.rate,
            end_s=(item["start"] + item["duration"] - told.start_frame) / told.rate,
        )
        for track in timeline["video_tracks"]
        for item in track["items"]
        if item.get("id") in selected
    ]


def _find_marks(snapshot: Facts, told: HostTimeline) -> tuple[Fraction, Fraction] | None:
    """From where to where the timeline is marked, in seconds after its start; None where it is not.

    Raises NothingToRenderError where no clip lies between the marks.
    """
    timeline = snapshot["timeline"]
    marks = (timeline.get("marks") or {}).get("video") or {}
    if not marks:
        return None
    first = int(marks.get("in", 0))
    end = int(marks.get("out", timeline["end_frame"] - told.start_frame - 1)) + 1
    low, high = told.start_frame + first, told.start_frame + end
    items = (item for track in timeline["video_tracks"] for item in track["items"] if item.get("media"))
    if not any(item["start"] < high and low < item["start"] + item["duration"] for item in items):
        raise NothingToRenderError(
            "no clip with picture lies between the timeline's in and out marks; move them, or clear them with Alt+X"
        )
    return first / told.rate, end / told.rate


def _mark_sounds(sounds: Sequence[StemTrack], start_s: Fraction, end_s: Fraction) -> list[_MarkedSound]:
    return [
        _MarkedSound(
            stem_track=sound,
            origin="typed prompt",
            clip_pattern=None,
            record_from=str(start_s),
            record_to=str(end_s),
        )
        for sound in sounds
    ]


def find_project_folder(snapshot: Facts, *, videos_folder: Path | None = None) -> Path:
    """Where a project's stems and cue sheets lie: in its own media folder where it names one, else among the
    user's videos.
    """
    name = fold_name(str(snapshot["project"].get("name") or ""), max_chars=60, fallback="project")
    media_folder = snapshot["project"].get("settings", {}).get("media_folder")
    if media_folder and Path(media_folder).is_dir():
        return Path(media_folder) / "Selva" / name
    return (videos_folder or Path(platformdirs.user_videos_path())) / "Selva" / name


def find_cue_sheet(snapshot: Facts, project_folder: Path) -> Path | None:
    """The cue sheet beside the project: one named after the timeline, else `cues`."""
    timeline = str(snapshot["timeline"].get("name") or "")
    names = (timeline, fold_name(timeline, max_chars=60, fallback="timeline"), "cues")
    candidates = (
        project_folder / f"{name}{suffix}" for name in names if name for suffix in CUE_SHEET_SUFFIXES
    )
    return next((path for path in candidates if path.is_file()), None)


def find_sample_rate_hz(snapshot: Facts) -> int:
    """The timeline's audio rate, else 48000."""
    for owner in ("timeline", "project"):
        text = str(snapshot[owner].get("settings", {}).get("sample_rate") or "")
        if text.isdigit() and int(text) in SAMPLE_RATES_HZ:
            return int(text)
    return 48_000


def list_notices(told: HostTimeline, sheet: CueSheet, frame: PlanFrame) -> list[str]:
    """What the user should know before anything is rendered, each sentence once."""
    notes = list(told.notes)
    if frame.file_rate < frame.rate:
        notes.append(
            f"the project has {float(frame.file_rate):g} frames per second and this timeline {float(frame.rate):g}: Resolve cuts "
            "sound at the project's frames, so that stems may end up to one of them early"
        )
    warnings = (f"{clip.name}: {warning}" for clip in sheet.clips for warning in clip.warnings)
    return list(dict.fromkeys([*notes, *sheet.warnings, *warnings, *_shifted(sheet, told)]))


def _shifted(sheet: CueSheet, told: HostTimeline) -> Iterable[str]:
    for clip in sheet.clips:
        frames = clip.record_start_s * told.rate
        if frames.denominator != 1:
            off_ms = abs(float((frames - math.floor(frames + Fraction(1, 2))) / told.rate)) * 1000
            yield f"{clip.name}: its stem starts {off_ms:.0f} ms off, on the nearest frame, as Resolve knows no parts of frames"

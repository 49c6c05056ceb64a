"""DaVinci Resolve: the timeline of a snapshot as a cut, and stems as plans, for the agent inside it or for Studio's scripting."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selva_daemon.protocol.status import StemResult
from selva_otio import StemTrack, measure_span
from selva_otio.formats.profiles import find_profile
from selva_panel.delivery.chosen import ChosenStems, ChosenTake
from selva_panel.delivery.targets import PlaceLine, PlaceReport, line_of
from selva_panel.errors import HostSilentError, PanelError
from selva_panel.hosts.conflicts import AudioTracks
from selva_panel.timeline.cut import Cut, build_cut_of_sheet
from selva_panel.timeline.markers import find_markers
from selva_plugins.hosts.resolve.adapter import find_project_folder
from selva_plugins.hosts.resolve.audio_items import ResolveSound
from selva_plugins.hosts.resolve.cues import spot_markers, spot_picture
from selva_plugins.hosts.resolve.plan import (
    PlanTarget,
    build_plan,
    build_stems,
    build_target,
    list_place_notices,
)
from selva_plugins.hosts.resolve.plan_schema import PlacementReport, PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.hosts.resolve.timeline import build_timeline
from selva_plugins.request_folder import PLAN_SCHEMA, HostRequest, RequestFolder, read_json, write_json
from selva_render.report import RenderedStem, RenderReport

PLACE_ACTION = "panel-place"
REPORT_PATIENCE_S = 120.0
_POLL_S = 0.2
_EVERY_CLIP = StemTrack(name="picture", prompt="picture")


def open_resolve_request(folder: Path, request: HostRequest) -> tuple[Cut, AgentTarget]:
    """The timeline of the agent's request, and the agent as its target. Raises HostError, TimelineError."""
    snapshot = parse_snapshot(request.snapshot)
    cut = build_resolve_cut(snapshot, stems_folder=request.stems_folder)
    plan_target = build_target(snapshot, replaces=True)
    return cut, AgentTarget(folder=folder, cut=cut, plan_target=plan_target, tracks=_tracks_of(snapshot, cut))


def open_studio(environment: Mapping[str, str] | None = None) -> tuple[Cut, StudioTarget]:
    """The timeline that is open in Resolve Studio, and Studio as its target. Raises HostError, TimelineError."""
    environment = dict(os.environ if environment is None else environment)
    with StudioBridge(environment=environment) as studio:
        snapshot = studio.take_snapshot()
    cut = build_resolve_cut(snapshot, stems_folder=None)
    target = build_target(snapshot, replaces=True)
    return cut, StudioTarget(
        cut=cut, plan_target=target, tracks=_tracks_of(snapshot, cut), environment=environment
    )


def _tracks_of(snapshot: ResolveSnapshot, cut: Cut) -> AudioTracks:
    timeline = snapshot.timeline
    return AudioTracks(tracks=timeline.audio_tracks, start_frame=timeline.start_frame, clock=cut.clock)


def build_resolve_cut(snapshot: ResolveSnapshot, *, stems_folder: Path | None) -> Cut:
    """The selected clips, else what lies between the marks, else the whole timeline. Raises HostError, TimelineError."""
    built = build_timeline(snapshot)
    sheet, scope = spot_picture(snapshot, built, _EVERY_CLIP)
    return build_cut_of_sheet(
        sheet,
        timeline=built.timeline,
        name=snapshot.timeline.name,
        identity=f"resolve\n{snapshot.project_name}\n{snapshot.timeline.id}",
        source="resolve",
        scope=scope,
        marked=spot_markers(snapshot, built),
        markers=find_markers(built.timeline, built.clock),
        notices=built.notices,
        stems_folder=stems_folder or find_project_folder(snapshot) / "stems",
        sample_rate_hz=snapshot.stem_rate_hz,
        profile=find_profile("resolve"),
    )


@dataclass(frozen=True, kw_only=True)
class _ResolvePlacing:
    """What both ways into Resolve share: from chosen takes to a plan, and from a report to lines. tracks: as they were when the
    panel was opened. placed: by this panel since, by the names of tracks.
    """

    cut: Cut
    plan_target: PlanTarget
    tracks: AudioTracks
    placed: dict[str, list[ResolveSound]] = field(default_factory=dict)

    id = "resolve"
    label = "DaVinci Resolve"

    def find_conflicts(self, chosen: ChosenStems) -> Mapping[str, str]:
        """What lies on the audio tracks where stems go; nothing of the user's gives way."""
        rendered, takes_by_id = self._build_report(chosen)
        tracks = self.tracks.with_sounds(self.placed)
        found = {
            takes_by_id[stem.id].stem.id: tracks.describe_conflict(stem)
            for stem in build_stems([rendered], self.plan_target)
        }
        return {stem_id: text for stem_id, text in found.items() if text is not None}

    def _note_placed(self, report: PlacementReport, stems: Sequence[PlanStem]) -> None:
        """What lies there now is in the way of what is placed later."""
        planned = {stem.id: stem for stem in stems}
        for result in report.stems:
            stem = planned.get(result.id)
            if stem is not None and result.is_placed:
                sound = ResolveSound(
                    name=Path(stem.file).name,
                    start_frame=stem.record_frame,
                    duration_frames=stem.duration_frames,
                )
                self.placed.setdefault(result.track_name, []).append(sound)

    def _build_report(self, chosen: ChosenStems) -> tuple[RenderReport, dict[str, ChosenTake]]:
        """The chosen takes as a render's report, and the take of each id in the plan.

        Resolve's plan puts take 1 on the track of the row, and every other on a silent track: so the take that is heard is
        number 1 there.
        """
        stems, takes_by_id = [], {}
        by_cue: dict[str, list[ChosenTake]] = {}
        for take in chosen.takes:
            by_cue.setdefault(take.cue.id, []).append(take)
        for takes in by_cue.values():
            ordered = sorted(takes, key=lambda take: (not take.is_active, take.stem.take))
            for number, take in enumerate(ordered, start=1):
                span = measure_span(take.cue.clip, chosen.sheet.clock, take.stem.sample_rate_hz)
                stems.append(RenderedStem(cue=take.cue, span=span, result=_result_of(take, number)))
                takes_by_id[f"{take.cue.id}-{number}"] = take
        folder = Path(chosen.takes[0].stem.file).parent
        model = chosen.takes[0].stem.model
        return RenderReport(sheet=chosen.sheet, model=model, stems_folder=folder, stems=stems), takes_by_id

    def _describe(
        self, report: PlacementReport, takes_by_id: Mapping[str, ChosenTake], notices: Sequence[str]
    ) -> list[PlaceLine]:
        lines = [PlaceLine(stem_id=None, track="", start_timecode="", text=notice) for notice in notices]
        for result in report.stems:
            take = takes_by_id.get(result.id)
            if take is not None:
                text = (
                    f"placed on {result.track_name}" if result.is_placed else f"not placed: {result.reason}"
                )
                lines.append(line_of(take, self.cut.clock, text))
        return lines


@dataclass(frozen=True, kw_only=True)
class StudioTarget(_ResolvePlacing):
    """Resolve Studio, by its scripting from outside."""

    environment: Mapping[str, str]

    def place(self, chosen: ChosenStems, name: str) -> PlaceReport:
        """Raises HostError; TimelineNotOpenError where another timeline is open in Resolve."""
        del name
        rendered, takes_by_id = self._build_report(chosen)
        plan = build_plan(build_stems([rendered], self.plan_target), self.plan_target)
        with StudioBridge(environment=self.environment) as studio:
            report = studio.place(plan)
        self._note_placed(report, plan.stems)
        notices = list_place_notices(report, plan.stems)
        return PlaceReport(
            lines=self._describe(report, takes_by_id, notices), undo={"timeline": plan.timeline_id}
        )

    def remove(self, undo: Mapping[str, Any]) -> Sequence[PlaceLine]:
        """What Selva has placed on the timeline, whenever it did."""
        del undo
        with StudioBridge(environment=self.environment) as studio:
            report = studio.remove()
        self.placed.clear()
        stay = f", {report.num_kept} stay on locked tracks" if report.num_kept else ""
        text = f"{report.num_stems} stems and {report.num_tracks} tracks were removed{stay}"
        return [PlaceLine(stem_id=None, track="", start_timecode="", text=text)]


@dataclass(frozen=True, kw_only=True)
class AgentTarget(_ResolvePlacing):
    """The agent inside Resolve, Free or Studio. folder: of the panel's own request; those of placements lie beside it."""

    folder: Path
    patience_s: float = REPORT_PATIENCE_S
    sleep: Callable[[float], None] = time.sleep

    def place(self, chosen: ChosenStems, name: str) -> PlaceReport:
        """Raises HostSilentError where the agent does not place them in time; it does so later."""
        del name
        rendered, takes_by_id = self._build_report(chosen)
        stems = build_stems([rendered], self.plan_target)
        folder = self._write_request(
            [stem.to_json() for stem in stems], label=f"{self.cut.name}: {len(stems)} stems"
        )
        give_up_s = time.monotonic() + self.patience_s
        while time.monotonic() < give_up_s:
            if (folder / "report-1.json").exists():
                report = PlacementReport.from_json(read_json(folder / "report-1.json"))
                notices = list_place_notices(report, stems)
                self._note_placed(report, stems)
                return PlaceReport(lines=self._describe(report, takes_by_id, notices), undo={"agent": True})
            self.sleep(_POLL_S)
        raise HostSilentError(
            f"Resolve has not answered for {self.patience_s:g} s; choose Workspace > Scripts > Selva > Place finished "
            "stems in it, which goes on with them"
        )

    def remove(self, undo: Mapping[str, Any]) -> Sequence[PlaceLine]:
        raise PanelError(
            "choose Workspace > Scripts > Selva > Remove stems in Resolve; the agent removes what it has placed"
        )

    def _write_request(self, placements: list[dict[str, Any]], *, label: str) -> Path:
        """A finished request beside the panel's own; the watch hands its plan to the agent at the next look."""
        target = self.folder.parent / f"{self.folder.name}-{secrets.token_hex(4)}"
        target.mkdir()
        (target / "snapshot.json").write_bytes((self.folder / "snapshot.json").read_bytes())
        write_json(target / "plan.json", {"schema": PLAN_SCHEMA, "placements": placements})
        RequestFolder(target).write_ready(label, [])
        form_values = {**(read_json(self.folder / "request.json").get("wishes") or {}), "replaces": True}
        # Last: a folder with a request is complete.
        request = {
            **read_json(self.folder / "request.json"),
            "action": PLACE_ACTION,
            "label": label,
            "wishes": form_values,
        }
        write_json(target / "request.json", request)
        return target


def _result_of(take: ChosenTake, number: int) -> StemResult:
    """The stem under its number in Resolve's plan."""
    stem = take.stem
    return StemResult(
        cue=take.cue.id,
        track=take.cue.track,
        take=number,
        seed=stem.seed,
        file=stem.file,
        sample_rate_hz=stem.sample_rate_hz,
        num_samples=stem.num_samples,
        cached=True,
        warnings=stem.warnings,
        num_channels=stem.channels,
        pan=tuple(stem.pan),
    )

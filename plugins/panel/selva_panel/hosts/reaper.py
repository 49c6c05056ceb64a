"""REAPER: the items of a request as a cut, and stems as plans that REAPER's script places.

The script watches the folder of requests for as long as the panel's own request is being worked on. Each placement is a
request of its own there, finished from the start, which the script places at its next look, in one undo step.
"""

from __future__ import annotations

import datetime
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET

from selva_core.base.render_options import RenderOptions
from selva_daemon.protocol.status import StemResult
from selva_otio import StemTrack, measure_span
from selva_otio.time.clock import frame_index
from selva_panel.delivery.chosen import ChosenStems, ChosenTake
from selva_panel.delivery.targets import PlaceLine, PlaceReport, line_of
from selva_panel.errors import HostSilentError, NothingToDoError
from selva_panel.hosts.conflicts import describe_reaper_conflict
from selva_panel.timeline.cut import Cut, build_cut_of_sheet
from selva_panel.timeline.markers import CutMarker
from selva_plugins.errors import NothingToRenderError
from selva_plugins.form import HostForm
from selva_plugins.hosts.reaper.adapter import read_picture
from selva_plugins.hosts.reaper.cues import SpottedItems, spot_items, spot_markers
from selva_plugins.hosts.reaper.item_spans import ItemSpan
from selva_plugins.hosts.reaper.plan import build_new_item
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot, ReaperStemItem, parse_snapshot
from selva_plugins.hosts.reaper.timeline import ReaperTimeline, choose_sample_rate_hz
from selva_plugins.request_folder import PLAN_SCHEMA, HostRequest, RequestFolder, read_json, write_json
from selva_render.report import RenderedStem

PLACE_ACTION = "panel-place"
REPORT_PATIENCE_S = 60.0
_POLL_S = 0.1
_EVERY_ITEM = HostForm(sounds=(StemTrack(name="picture", prompt="picture"),))
_SCOPES = ("timeline", "selection", "marks")


def open_reaper_request(folder: Path, request: HostRequest) -> tuple[Cut, ReaperTarget]:
    """The items of a request as a cut, and the project that stems go back to. Raises HostError, TimelineError."""
    snapshot = parse_snapshot(request.snapshot)
    built, reader = read_picture(snapshot, "no item has a picture")
    spotted = spot_items(built, _EVERY_ITEM)
    regions = _spot_regions(built, snapshot)
    scope = str(request.form_values.get("scope"))
    cut = build_cut_of_sheet(
        spotted.sheet,
        timeline=built.timeline,
        name=snapshot.project.name,
        identity=f"reaper\n{snapshot.project.path or snapshot.project.id}",
        source="reaper",
        scope=scope if scope in _SCOPES else "timeline",
        marked=None if regions is None else regions.sheet,
        markers=_markers_of(snapshot, built),
        notices=(*reader.refused, *reader.warnings, *spotted.notices),
        stems_folder=request.stems_folder,
        sample_rate_hz=choose_sample_rate_hz(snapshot),
        # Everything lies later in the timeline than in REAPER where items begin before the project does.
        can_be_saved=built.lead_s == 0,
    )
    spans = {cue.clip: spotted.spans[cue.id] for cue in spotted.sheet.cues}
    by_clip = {clip.id: spans[clip.spotted] for clip in cut.clips if clip.spotted in spans}
    stems = [] if snapshot.stems is UNSET else list(snapshot.stems)
    return cut, ReaperTarget(folder=folder, spans=by_clip, cut=cut, stems=stems)


def _spot_regions(built: ReaperTimeline, snapshot: ReaperSnapshot) -> SpottedItems | None:
    try:
        return spot_markers(built, snapshot.markers, HostForm())
    except NothingToRenderError:
        return None


def _markers_of(snapshot: ReaperSnapshot, built: ReaperTimeline) -> tuple[CutMarker, ...]:
    rate_hz = built.clock.frame_rate_hz
    return tuple(
        CutMarker(
            frame=frame_index(built.snap(marker.start_s) - built.lead_s, rate_hz),
            name=marker.name,
            is_cue=":" in marker.name,
        )
        for marker in snapshot.markers
    )


@dataclass(frozen=True, kw_only=True)
class ReaperTarget:
    """The project of a request. folder: of the panel's own request; those of placements lie beside it. spans: by clip.

    stems: what lay on stem tracks when the panel was opened, and what it has placed since.
    """

    folder: Path
    spans: Mapping[str, ItemSpan]
    cut: Cut
    stems: list[ReaperStemItem] = field(default_factory=list)
    patience_s: float = REPORT_PATIENCE_S
    sleep: Callable[[float], None] = time.sleep

    id = "reaper"
    label = "REAPER"

    def find_conflicts(self, chosen: ChosenStems) -> Mapping[str, str]:
        """Stems in the same place: REAPER's script places nothing over anything, and makes a second track of the name."""
        conflicts: dict[str, str] = {}
        for takes in _by_cue(chosen).values():
            found = describe_reaper_conflict(self._build_entry(takes), self.stems)
            if found is not None:
                conflicts |= {take.stem.id: found for take in takes}
        return conflicts

    def place(self, chosen: ChosenStems, name: str) -> PlaceReport:
        """Raises HostSilentError where REAPER does not place them in time; it does so later."""
        del name
        by_cue = _by_cue(chosen)
        entries = [self._build_entry(takes) for takes in by_cue.values()]
        report = self._send({"placements": entries}, label=f"Panel: {len(entries)} stems")
        self._note_placed(report, entries)
        return PlaceReport(
            lines=_describe_placed(report, by_cue, chosen),
            undo={
                "items": [{key: placed[key] for key in _REMOVAL_KEYS} for placed in report.get("placed", ())]
            },
        )

    def remove(self, undo: Mapping[str, Any]) -> Sequence[PlaceLine]:
        items = undo.get("items") or []
        if not items:
            raise NothingToDoError("nothing that this panel has placed is there to be removed")
        report = self._send({"placements": [], "removals": items}, label="Panel: remove stems")
        removed, stayed = report.get("removed", []), report.get("stayed", [])
        gone = {item["item_guid"] for item in items} - {item.get("item_guid") for item in stayed}
        self.stems[:] = [stem for stem in self.stems if stem.guid not in gone]
        lines = [f"{len(removed)} stems were removed; Undo in REAPER brings them back"]
        lines += [f"one stays: {item.get('reason')}" for item in stayed]
        return [PlaceLine(stem_id=None, track="", start_timecode="", text=text) for text in lines]

    def _build_entry(self, takes: Sequence[ChosenTake]) -> dict[str, Any]:
        """The plan's entry of one cue; the take that is heard comes first, because the script makes the first one active."""
        ordered = sorted(takes, key=lambda take: (not take.is_active, take.stem.take))
        clock, rate_hz = self.cut.clock, takes[0].stem.sample_rate_hz
        stems = [
            RenderedStem(
                cue=take.cue,
                span=measure_span(take.cue.clip, clock, rate_hz),
                result=_result_of(take),
            )
            for take in ordered
        ]
        options = RenderOptions(model=takes[0].stem.model, sample_rate_hz=rate_hz)
        return build_new_item(self.spans[takes[0].stem.clip_id], stems, options, clock).to_json()

    def _note_placed(self, report: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
        """What lies there now is in the way of what is placed later."""
        by_cue = {entry["cue"]: entry for entry in entries}
        for placed in report.get("placed", ()):
            entry = by_cue.get(placed["cue"])
            if entry is not None:
                self.stems.append(
                    ReaperStemItem(
                        guid=placed["item_guid"],
                        track=entry["stem_track"],
                        name=entry["takes"][0]["name"],
                        file=entry["takes"][0]["file"],
                        position_s=placed["position_s"],
                        length_s=placed["length_s"],
                    )
                )

    def _send(self, plan: Mapping[str, Any], *, label: str) -> Mapping[str, Any]:
        """Write a finished request beside the panel's own, and wait for the script's report."""
        now = datetime.datetime.now(datetime.timezone.utc)
        target = self.folder.parent / f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        target.mkdir()
        written = RequestFolder(target)
        write_json(target / "plan.json", {"schema": PLAN_SCHEMA, **plan})
        written.write_ready(label, [])
        # Last: a folder with a request is complete, and the script places it at its next look.
        request = {
            **read_json(self.folder / "request.json"),
            "id": target.name,
            "action": PLACE_ACTION,
            "label": label,
        }
        write_json(target / "request.json", request)
        give_up_s = time.monotonic() + self.patience_s
        while time.monotonic() < give_up_s:
            if (target / "report-1.json").exists():
                return read_json(target / "report-1.json")
            self.sleep(_POLL_S)
        raise HostSilentError(
            f"REAPER has not answered for {self.patience_s:g} s; bring the project to the front, and choose the action "
            "Selva: Open job list, which goes on with it"
        )


def _by_cue(chosen: ChosenStems) -> dict[str, list[ChosenTake]]:
    by_cue: dict[str, list[ChosenTake]] = {}
    for take in chosen.takes:
        by_cue.setdefault(take.cue.id, []).append(take)
    return by_cue


_REMOVAL_KEYS = ("item_guid", "position_s", "length_s")


def _result_of(take: ChosenTake) -> StemResult:
    stem = take.stem
    return StemResult(
        cue=take.cue.id,
        track=take.cue.track,
        take=stem.take,
        seed=stem.seed,
        file=stem.file,
        sample_rate_hz=stem.sample_rate_hz,
        num_samples=stem.num_samples,
        cached=True,
        warnings=stem.warnings,
        presence=stem.presence,
        silenced=stem.silenced,
        num_channels=stem.channels,
        pan=tuple(stem.pan),
    )


def _describe_placed(
    report: Mapping[str, Any], by_cue: Mapping[str, Sequence[ChosenTake]], chosen: ChosenStems
) -> list[PlaceLine]:
    """A line for each stem, from what the script says that it really did."""
    texts: dict[str, str] = {}
    for placed in report.get("placed", ()):
        texts[placed["cue"]] = str(placed.get("note") or f"placed on {placed.get('track_name')}")
    texts |= {there["cue"]: "lies there already" for there in report.get("already", ())}
    texts |= {held["cue"]: f"not placed: {held.get('reason')}" for held in report.get("held", ())}
    failed = report.get("failed")
    lines = [
        line_of(
            take, chosen.sheet.clock, texts.get(cue_id, f"not placed: {failed or 'REAPER did not report it'}")
        )
        for cue_id, takes in by_cue.items()
        for take in takes
    ]
    return [
        *([PlaceLine(stem_id=None, track="", start_timecode="", text=str(failed))] if failed else []),
        *lines,
    ]

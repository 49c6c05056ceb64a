"""What one agent did: the renders it may place, its proposals, and the placements that can be undone; in memory, while the
server runs.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selva_cli.agents.allowed_folders import AllowedFolders
from selva_cli.agents.measures import load_evidence, measure_stem
from selva_cli.agents.timelines import describe_timeline, open_allowed, probe_inside, spot_for_agent
from selva_core.audio.take_hints import measure_take
from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.paths import AppPaths
from selva_core.base.regular_file import FileTooLargeError, read_bounded
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_otio import CueSheet
from selva_otio.formats.sidecars import sidecar_of
from selva_otio.placement.place_stems import place_stems
from selva_otio.timelines import check_timeline_target, write_timeline
from selva_render.look import look_at_sheet
from selva_render.options import OutputOptions, check_options, choose_model, settle_sampling
from selva_render.render import render_sheet, to_stem
from selva_render.report import RenderReport
from selva_render.spot_report import SpotReport, estimate_from_running_daemon
from selva_render.written_timelines import check_replaceable, note_written_files

MAX_REPLACED_BYTES = 256 << 20
_ID_COMES_FROM = {
    "render_id": "call render with dry_run false first",
    "proposal_id": "each is placed once: call propose_placement for another",
    "placement_id": "each is undone once, and place gives them",
}


@dataclass(frozen=True, kw_only=True)
class _Render:
    """Stems that were made and are not on a timeline yet."""

    timeline: Path
    sheet: CueSheet
    options: RenderOptions
    report: RenderReport


@dataclass(frozen=True, kw_only=True)
class _Proposal:
    """A placement that waits for a person's word."""

    render: _Render
    output: Path


@dataclass(frozen=True, kw_only=True)
class _Placement:
    """What a placement wrote: each file with the hash it had then, and what it held before, if anything."""

    written: Mapping[Path, str]
    before: Mapping[Path, bytes]


class AgentSession:
    """Renders, proposals and placements of one server, by id. Calls may come from several threads, one at a time each."""

    def __init__(self, folders: AllowedFolders) -> None:
        self.folders = folders
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # what a file held before is what undo brings back
        self._renders: dict[str, _Render] = {}
        self._proposals: dict[str, _Proposal] = {}
        self._placements: dict[str, _Placement] = {}
        self._num_ids = 0

    def spot(self, timeline: str, tracks: Mapping[str, str], *, handles_s: float) -> dict[str, Any]:
        """The cues of a timeline, with estimates where the daemon runs. Raises SelvaError."""
        with open_allowed(self.folders.resolve(timeline), self.folders) as opened:
            sheet = spot_for_agent(opened, tracks, handles_s=handles_s)
        self._require_media(sheet)
        estimate = estimate_from_running_daemon(choose_model(None))
        return {**SpotReport(sheet=sheet, num_takes=1, seconds_per_stem=estimate).to_json()}

    def look(self, timeline: str, tracks: Mapping[str, str], *, model: str | None) -> dict[str, Any]:
        """Of each cue, how much the model sees of what the prompt names, 0 to 1. Raises SelvaError."""
        with open_allowed(self.folders.resolve(timeline), self.folders) as opened:
            sheet = spot_for_agent(opened, tracks, handles_s=0)
            self._require_media(sheet)
            with Client.connect(start_if_needed=True) as client:
                looked = look_at_sheet(sheet, RenderOptions(model=model), client=client, on_status=_ignore)
        report = SpotReport(sheet=sheet, num_takes=1, seconds_per_stem=None, looked=looked.by_cue).to_json()
        return {**report, "failed": [clip.message for clip in looked.failed]}

    def check(self, stems_folder: str, options: RenderOptions) -> None:
        """Refuse what `render` would refuse, before anything is made. Raises SelvaError."""
        check_options(options, OutputOptions(stems_folder=self.folders.resolve(stems_folder)))

    def render(
        self,
        timeline: str,
        tracks: Mapping[str, str],
        stems_folder: str,
        options: RenderOptions,
        *,
        handles_s: float,
    ) -> dict[str, Any]:
        """Make the stems; no timeline is written. Gives the report with a `render_id`. Raises SelvaError."""
        self.check(stems_folder, options)
        path, folder = self.folders.resolve(timeline), self.folders.resolve(stems_folder)
        output = OutputOptions(stems_folder=folder)
        options = replace(options, model=choose_model(options.model))
        with open_allowed(path, self.folders) as opened:
            sheet = spot_for_agent(opened, tracks, handles_s=handles_s)
            self._require_media(sheet)
            with Client.connect(start_if_needed=True) as client:
                report = render_sheet(
                    sheet,
                    options,
                    output,
                    client=client,
                    timeline_name=opened.timeline.name,
                    on_status=_ignore,
                )
        render = _Render(timeline=path, sheet=sheet, options=options, report=report)
        return {"render_id": self._keep(self._renders, "render", render), **report.to_json()}

    def measure(self, stems: Sequence[str]) -> list[dict[str, Any]]:
        """Measures of stems, with hints. Siblings are the stems of the same clip in a render of this session; of other files
        those that are measured with them. Raises SelvaError.
        """
        resolve = self.folders.resolve
        files = [resolve(stem) for stem in stems]
        measured = [measure_stem(file, resolve=resolve) for file in files]
        seen = {file: load_evidence(file, resolve=resolve) for file in files}
        for values, file in zip(measured, files, strict=True):
            siblings = self._siblings_of(file)
            others = (
                [each for other, each in seen.items() if other != file]
                if siblings is None
                else [load_evidence(resolve(other), resolve=resolve) for other in siblings]
            )
            try:
                hints = measure_take(file, seen[file], [each for each in others if each is not None])
            except (OSError, ValueError, SelvaError):  # a sound file of a kind that stems do not have
                values["hints"] = None
            else:
                values["hints"] = hints.to_json()
        return measured

    def _siblings_of(self, file: Path) -> list[Path] | None:
        """The stems of other tracks on the clip of a stem; None where no render of this session made the file."""
        with self._lock:
            renders = list(self._renders.values())
        for render in reversed(renders):
            stems = {Path(stem.result.file): stem.cue for stem in render.report.stems}
            if (own := stems.get(file)) is not None:
                return [
                    other for other, cue in stems.items() if cue.clip == own.clip and cue.track != own.track
                ]
        return None

    def propose(self, render_id: str, output: str) -> dict[str, Any]:
        """What a placement would write, and where each stem would lie; writes nothing. Raises SelvaError."""
        render = _find(self._renders, render_id, "render_id")
        target = self.folders.resolve(output)
        self._check_target(render, target)
        proposal = _Proposal(render=render, output=target)
        stems = render.report.to_json()["stems"]
        return {
            "proposal_id": self._keep(self._proposals, "proposal", proposal),
            "timeline": str(target),
            "replaces_a_file": target.exists(),
            "stem_tracks": list(render.sheet.tracks),
            "stems": [
                {key: stem[key] for key in ("track", "take", "clip", "record_timecode", "file")}
                for stem in stems
            ],
            "next": "show this to the person; call place with confirmed true only after they agree",
        }

    def place(self, proposal_id: str, *, confirmed: bool) -> dict[str, Any]:
        """Write the timeline of a proposal. Raises SelvaError, also where nobody confirmed it."""
        if not confirmed:
            _find(self._proposals, proposal_id, "proposal_id")
            raise RequestError(
                "nothing was placed: show the proposal to the person, and call place again with confirmed true"
            )
        with self._taken(self._proposals, proposal_id, "proposal_id") as proposal, self._writing:
            return self._place(proposal)

    def _place(self, proposal: _Proposal) -> dict[str, Any]:
        self._check_target(proposal.render, proposal.output)
        render, target = proposal.render, proposal.output
        before = _read_files([target, sidecar_of(target)])
        sampling = settle_sampling(render.options)
        stems = [
            to_stem(stem, render.report.model, sampling, render.options.pan) for stem in render.report.stems
        ]
        with open_allowed(render.timeline, self.folders) as opened:
            placement = place_stems(opened.timeline, render.sheet, stems)
            written = write_timeline(
                placement.timeline,
                target,
                base_folder=opened.base_folder,
                probe=lambda file: probe_inside(file, self.folders),
                media=opened.media,
            )
        files = [*written.files, *([written.sidecar] if written.sidecar is not None else [])]
        note_written_files(written.files, AppPaths.find())
        placed = _Placement(written={file: _hash(file.read_bytes()) for file in files}, before=before)
        return {
            "placement_id": self._keep(self._placements, "placement", placed),
            "files": [str(file) for file in files],
            "losses": list(written.losses),
            "edited_stems_left_alone": [cue.id for cue in placement.edited_cues],
        }

    def undo(self, placement_id: str) -> dict[str, Any]:
        """Take back a placement: what it wrote is removed, what was there before is there again; stems stay as files.

        Raises RequestError where somebody has changed a file since.
        """
        with self._taken(self._placements, placement_id, "placement_id") as placement, self._writing:
            return self._undo(placement)

    def _undo(self, placement: _Placement) -> dict[str, Any]:
        for file, digest in placement.written.items():
            self.folders.resolve(file)
            if not file.is_file() or _hash(file.read_bytes()) != digest:
                raise RequestError(f"{file} was changed or moved since it was written, so nothing was undone")
        for file in placement.written:
            if file not in placement.before:
                file.unlink()
        for file, content in placement.before.items():
            write_atomic(file, content)
        return {
            "removed": [str(file) for file in placement.written if file not in placement.before],
            "restored": [str(file) for file in placement.before],
        }

    def describe(self, timeline: str) -> dict[str, Any]:
        """Tracks, clips and stems. Raises SelvaError."""
        with open_allowed(self.folders.resolve(timeline), self.folders) as opened:
            return describe_timeline(opened)

    def _check_target(self, render: _Render, target: Path) -> None:
        self.folders.resolve(target)
        check_timeline_target(target, render.timeline)
        check_replaceable(target, render.sheet.tracks, AppPaths.find())

    def _require_media(self, sheet: CueSheet) -> None:
        self.folders.require(clip.media_path for clip in sheet.clips)

    @contextmanager
    def _taken(self, table: dict[str, Any], key: str, what: str) -> Iterator[Any]:
        """What an id names, for one call only: another call with the same id finds none; after an error it is there again."""
        with self._lock:
            value = _find(table, key, what)
            del table[key]
        try:
            yield value
        except BaseException:
            with self._lock:
                table[key] = value
            raise

    def _keep(self, table: dict[str, Any], kind: str, value: Any) -> str:
        with self._lock:
            self._num_ids += 1
            key = f"{kind}-{self._num_ids}"
            table[key] = value
            return key


def _find(table: Mapping[str, Any], key: str, what: str) -> Any:
    if key not in table:
        known = ", ".join(table) or "none"
        raise RequestError(f"there is no {what} {key!r}; there are: {known}; {_ID_COMES_FROM[what]}")
    return table[key]


def _read_files(files: list[Path]) -> dict[Path, bytes]:
    """What is kept for undo. Raises RequestError for files that are too large to be held in memory."""
    there = [file for file in files if os.path.isfile(file)]
    try:
        return {file: read_bounded(file, MAX_REPLACED_BYTES) for file in there}
    except FileTooLargeError as error:
        raise RequestError(
            f"{error.filename or there[0]} is too large to be replaced so that it can be undone; "
            "choose another name"
        ) from error


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _ignore(*_arguments: object) -> None:
    """An agent waits for the result."""

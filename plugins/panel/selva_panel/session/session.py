"""One open cut: what the pages see of it, and every change of it. For the thread of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from selva_core.base.errors import StorageError
from selva_panel.errors import NotThereError, PanelRequestError, StaleRevisionError
from selva_panel.session.events import EventHub
from selva_panel.session.missing import find_missing
from selva_panel.session.prompt_suggestions import suggest_prompts
from selva_panel.session.records import CHOICES, JobRecord, SessionRecord, StemRecord
from selva_panel.session.store import SessionStore
from selva_panel.session.views import (
    describe_clip,
    describe_cut,
    describe_evidence,
    describe_markers,
    describe_stem,
)
from selva_panel.timeline.cut import Cut
from selva_panel.timeline.rows import Row, rows_of_marked_cut, rows_to_json

SAVE_AFTER_S = 0.3
"""Changes that follow one another, as while somebody types, are one write."""
SAVE_AGAIN_S = 3.0
"""After a file that could not be written: a full disk is often emptied by the person who reads of it."""
SOON_S = 0.15
STEMS_PER_SECOND = 2000
"""Of the state, that are sent again and again while results come in."""
MAX_FINISHED_JOBS = 200


class Session:
    """The rows, stems, jobs and choices of one cut. Every change makes a new revision, is saved, and goes to all pages."""

    def __init__(self, cut: Cut, store: SessionStore) -> None:
        self.cut = cut
        self.hub = EventHub()
        self.daemon: dict[str, Any] = {
            "state": "absent", "message": "", "code": "", "model": None, "device": "", "models": [], "yielded": False
        }  # fmt: skip
        self.others: list[dict[str, Any]] = []
        self.targets: list[dict[str, str]] = []
        self.save_formats: list[dict[str, str]] = []
        self.progress: dict[str, dict[str, Any]] = {}
        self.seconds_per_stem: float | None = None
        self.has_production = False
        self.saving_problem: str | None = None
        self._store = store
        self._save_handle: asyncio.TimerHandle | None = None
        self._soon: dict[str, None] = {}
        self._soon_handle: asyncio.TimerHandle | None = None
        self._rows_revision = 0
        self.record: SessionRecord = store.load()
        self.record.cut = str(cut.path or "")
        if not self.record.rows:
            self.record.rows = rows_of_marked_cut(cut)
        by_start = sorted(cut.clips, key=lambda clip: clip.start_frames)
        self._clips = [describe_clip(clip, cut) for clip in by_start]
        self._markers = describe_markers(cut)

    # -- what pages see ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything, as GET /api/state gives it."""
        return {"revision": self.record.revision, **{key: self.view(key) for key in VIEWS}}

    def view(self, key: str) -> Any:
        """One top-level key of the state."""
        return VIEWS[key](self)

    def touch(self, *keys: str) -> int:
        """These keys of the state have changed: a new revision, for all pages and for the file."""
        self.record.revision += 1
        self.hub.send(
            {
                "type": "patch",
                "revision": self.record.revision,
                "changes": {key: self.view(key) for key in keys},
            }
        )
        if self._save_handle is None:
            self._save_later(SAVE_AFTER_S)
        return self.record.revision

    def _save_later(self, delay_s: float) -> None:
        self._save_handle = asyncio.get_running_loop().call_later(delay_s, self._save_or_report)

    def _save_or_report(self) -> None:
        """Save; where that fails, report it to the pages, and try again until it succeeds."""
        problem = None
        try:
            self.save()
        except StorageError as error:
            problem = error.message
            self._save_later(SAVE_AGAIN_S)
        if problem != self.saving_problem:
            self.saving_problem = problem
            self.hub.send(
                {
                    "type": "patch",
                    "revision": self.record.revision,
                    "changes": {"saving_problem": problem},
                }
            )

    def touch_soon(self, *keys: str) -> None:
        """The same a moment later, together with what else changes until then; for results, which come in hundreds."""
        self._soon.update(dict.fromkeys(keys))
        if self._soon_handle is None:
            delay_s = SOON_S + len(self.record.stems) / STEMS_PER_SECOND
            self._soon_handle = asyncio.get_running_loop().call_later(delay_s, self._touch_now)

    def _touch_now(self) -> None:
        if self._soon_handle is not None:
            self._soon_handle.cancel()
            self._soon_handle = None
        keys, self._soon = tuple(self._soon), {}
        if keys:
            self.touch(*keys)

    def save(self) -> None:
        """Write the file now. Raises StorageError."""
        if self._save_handle is not None:
            self._save_handle.cancel()
            self._save_handle = None
        self._store.save(self.record)

    def close(self) -> None:
        """Save, and leave nothing for later. Raises StorageError."""
        self._touch_now()
        self.save()

    @property
    def model(self) -> str | None:
        """The model that renders: the one that was chosen here, or else the daemon's usual one, where it is known."""
        return self.record.model or self.daemon["model"]

    # -- changes -------------------------------------------------------------------------------------------

    def put_rows(self, revision: int, rows: Sequence[Row]) -> int:
        """Replace the rows, as edited from `revision`. Raises StaleRevisionError, PanelRequestError."""
        if (
            revision != self.record.revision
            and tuple(rows) != self.record.rows
            and self._rows_changed_since(revision)
        ):
            raise StaleRevisionError("another page has changed the rows meanwhile; its state is in the reply")
        ids = [row.id for row in rows]
        if len(set(ids)) != len(ids):
            raise PanelRequestError("two rows have the same id; give a copied row an id of its own")
        self.record.rows = tuple(rows)
        self._rows_revision = self.record.revision + 1
        prompts = {row.id: row for row in rows}
        self.record.evidence = [
            seen
            for seen in self.record.evidence
            if seen.row_id in prompts and prompts[seen.row_id].prompt_on(seen.clip_id).strip() == seen.prompt
        ]
        return self.touch("rows", "evidence", "estimate")

    def _rows_changed_since(self, revision: int) -> bool:
        """Progress and results make revisions too; only another edit of the rows is in conflict with one."""
        return revision < self._rows_revision

    def choose(self, stem_id: str, *, choice: str | None, active: bool | None) -> int:
        """Keep, reject or activate a take; one take of a cue is active. Raises NotThereError, PanelRequestError."""
        stem = self.stem(stem_id)
        if choice is not None:
            if choice not in CHOICES:
                raise PanelRequestError(f"a choice is one of {', '.join(CHOICES)}; got {choice!r:.40}")
            stem.choice = choice
        if active:
            for other in self.takes_of(stem):
                other.active = other is stem
        return self.touch("stems")

    def check_ids(self, *, row_ids: Collection[str], clip_ids: Collection[str]) -> None:
        """Raises NotThereError where a row or clip of these is not in the session (any more)."""
        for kind, wanted, known in (
            ("row", row_ids, {row.id for row in self.record.rows}),
            ("clip", clip_ids, {clip.id for clip in self.cut.clips}),
        ):
            unknown = sorted(set(wanted) - known)
            if unknown:
                raise NotThereError(f"there is no {kind} of the id {unknown[0]!r:.70} in this session")

    def stem(self, stem_id: str) -> StemRecord:
        """Raises NotThereError."""
        for stem in self.record.stems:
            if stem.id == stem_id:
                return stem
        raise NotThereError("there is no stem of that id; it may have been replaced by a later render")

    def takes_of(self, stem: StemRecord) -> list[StemRecord]:
        """All takes of the stem's row on its clip, itself among them. Not by cue: a row that is renamed has other cues."""
        cell = (stem.row_id, stem.clip_id)
        return [other for other in self.record.stems if (other.row_id, other.clip_id) == cell]

    def job(self, job_id: str) -> JobRecord:
        """A job of this session. Raises NotThereError."""
        for job in self.record.jobs:
            if job.id == job_id:
                return job
        raise NotThereError("there is no job of this panel with that id")

    @property
    def unfinished_jobs(self) -> list[JobRecord]:
        return [job for job in self.record.jobs if not job.is_finished]

    def remember_prompts(self) -> None:
        """For later sessions. Raises StorageError."""
        self._store.remember_prompts([row.prompt.strip() for row in self.record.rows if row.is_complete])

    # -- views ---------------------------------------------------------------------------------------------

    def jobs_view(self) -> list[Mapping[str, Any]]:
        return [*(self.describe_job(job) for job in self.record.jobs), *self.others]

    def describe_job(self, job: JobRecord) -> dict[str, Any]:
        cues = list(job.cues.values())
        return {
            "id": job.id,
            "kind": job.kind,
            "row_ids": list(dict.fromkeys(cue.row_id for cue in cues)),
            "clip_ids": list(dict.fromkeys(cue.clip_id for cue in cues)),
            "state": job.state,
            "stage": "",
            "done": 1.0 if job.state == "done" else 0.0,
            "seconds_left": None,
            "mine": True,
            "message": job.message,
            "code": job.code,
            **({} if job.is_finished else self.progress.get(job.id, {})),
        }

    def placed_view(self) -> dict[str, Any] | None:
        """What was placed last; how it is removed is nothing for the page."""
        placed = self.record.placed
        return None if placed is None else {key: placed.get(key) for key in ("target", "label", "report")}

    def estimate_view(self) -> dict[str, Any]:
        """How many stems are wanted and not there, and how long they will take."""
        missing = find_missing(self.record, self.cut, self.model)
        num_stems = sum(row.takes for row, _ in missing)
        per_stem = self.seconds_per_stem
        return {
            "cells": len(missing),
            "stems": num_stems,
            "seconds": None if per_stem is None else per_stem * num_stems,
        }

    def suggestions_view(self) -> list[str]:
        own = [row.prompt.strip() for row in self.record.rows if row.prompt.strip()]
        marked = [] if self.cut.marked is None else [cue.prompt for cue in self.cut.marked.cues]
        known = suggest_prompts(self.model)
        return list(dict.fromkeys([*own, *marked, *self._store.load_prompts(), *known]))[:100]


VIEWS: Mapping[str, Any] = {
    "cut": lambda session: describe_cut(session.cut),
    "clips": lambda session: session._clips,
    "markers": lambda session: session._markers,
    "rows": lambda session: rows_to_json(session.record.rows),
    "evidence": lambda session: [describe_evidence(seen) for seen in session.record.evidence],
    "stems": lambda session: [describe_stem(stem, session.cut) for stem in session.record.stems],
    "jobs": Session.jobs_view,
    "daemon": lambda session: session.daemon,
    "suggestions": Session.suggestions_view,
    "can_place": lambda session: session.targets,
    "placed": Session.placed_view,
    "notes": lambda session: [
        {"stem_id": note.stem_id, "frame": note.frame, "text": note.text, "by": note.by}
        for note in session.record.notes
    ],
    "estimate": Session.estimate_view,
    "has_production": lambda session: session.has_production,
    "save_formats": lambda session: session.save_formats,
    "saving_problem": lambda session: session.saving_problem,
}
"""The top-level keys of the state, beside the revision."""

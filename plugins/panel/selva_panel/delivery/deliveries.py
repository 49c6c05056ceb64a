"""Plans that wait to be carried out, what was placed, and the files that can be downloaded."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from selva_panel.delivery.chosen import ChosenStems, choose_stems
from selva_panel.delivery.exported_page import check_length, read_strings, write_page
from selva_panel.delivery.saving import list_save_formats, zip_files
from selva_panel.delivery.targets import FileTarget, PlaceReport, PlaceTarget, line_of, seconds_of
from selva_panel.errors import NothingToDoError, NotThereError, PanelRequestError
from selva_panel.session.session import Session

MAX_KEPT = 20
"""Plans and downloads: the oldest goes when one more is made."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file and the name that a browser saves it under."""

    file: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class _Plan:
    target: PlaceTarget
    chosen: ChosenStems
    name: str


class Deliveries:
    """For the thread of the event loop; what takes long runs in threads. hosts: those that the panel was opened from."""

    def __init__(self, session: Session, hosts: Sequence[PlaceTarget] = ()) -> None:
        self._session = session
        formats = list_save_formats() if session.cut.can_be_saved else ()
        files = [FileTarget(cut=session.cut, row=row) for row in formats]
        self._targets: Mapping[str, PlaceTarget] = {target.id: target for target in (*hosts, *files)}
        self._plans: OrderedDict[str, _Plan] = OrderedDict()
        self._downloads: OrderedDict[str, Download] = OrderedDict()
        self._placing = asyncio.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="selva-panel-", ignore_cleanup_errors=True)
        session.targets = [{"target": target.id, "label": target.label} for target in self._targets.values()]
        session.save_formats = [row.to_json() for row in formats]

    def close(self) -> None:
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        """For files that are made to be downloaded; gone when the panel ends."""
        return Path(self._folder.name)

    async def plan(self, target_id: str, name: str = "") -> dict[str, Any]:
        """What would go where. Raises PanelRequestError, NothingToDoError, TimelineError."""
        if target_id not in self._targets:
            raise PanelRequestError(f"a target is one of {', '.join(self._targets)}; got {target_id!r:.40}")
        target = self._targets[target_id]
        chosen = await self._choose()
        conflicts = await asyncio.to_thread(target.find_conflicts, chosen)
        plan_id = _keep(self._plans, _Plan(target=target, chosen=chosen, name=name))
        clock = chosen.sheet.clock
        return {
            "plan_id": plan_id,
            "lines": [
                {
                    **line_of(take, clock).to_json(),
                    "seconds": seconds_of(take),
                    "conflict": conflicts.get(take.stem.id),
                }
                for take in chosen.takes
            ],
        }

    async def place(self, plan_id: str) -> dict[str, Any]:
        """Carry out a plan, once. Raises NotThereError, and what the target raises."""
        plan = self._plans.pop(plan_id, None)
        if plan is None:
            raise NotThereError(
                "this plan was carried out already, or is too old; look at what goes where once more"
            )
        async with self._placing:
            report = await asyncio.to_thread(plan.target.place, plan.chosen, plan.name)
        return self._note_placed(plan.target, report)

    async def save(self, format_id: str, name: str) -> dict[str, Any]:
        """Write a timeline file; the reply has the id of its download. Raises PanelRequestError, TimelineError."""
        plan = await self.plan(format_id, name)
        return await self.place(plan["plan_id"])

    async def remove(self) -> dict[str, Any]:
        """Take back what was placed last. Raises NothingToDoError, and what the target raises."""
        placed = self._session.record.placed
        target = None if placed is None else self._targets.get(str(placed.get("target")))
        if placed is None or target is None or placed.get("undo") is None:
            raise NothingToDoError("nothing was placed by this panel that it could remove")
        async with self._placing:
            lines = await asyncio.to_thread(target.remove, placed["undo"])
        self._session.record.placed = None
        self._session.touch("placed")
        return {"report": [line.to_json() for line in lines]}

    async def export(self, make_movie: Callable[[], Path], *, session_id: str, language: str) -> str:
        """Make the page to send; the id of its download. Raises PanelError, NothingToDoError, MediaError."""
        cut = self._session.cut
        read_strings(language)
        check_length(cut)
        chosen = await self._choose()
        movie = await asyncio.to_thread(make_movie)
        file = self.folder / f"{secrets.token_hex(8)}.html"
        await asyncio.to_thread(
            write_page, file, cut, chosen, session_id=session_id, movie=movie, language=language
        )
        return self.add_download(file, f"{cut.name} with sounds.html")

    def add_download(self, file: Path, name: str) -> str:
        return _keep(self._downloads, Download(file=file, name=name))

    def download(self, download_id: str) -> Download:
        """Raises NotThereError."""
        found = self._downloads.get(download_id)
        if found is None or not found.file.is_file():
            raise NotThereError("this download is not there any more; save once more")
        return found

    async def _choose(self) -> ChosenStems:
        return await asyncio.to_thread(choose_stems, self._session.cut, self._session.record)

    def _note_placed(self, target: PlaceTarget, report: PlaceReport) -> dict[str, Any]:
        lines = [line.to_json() for line in report.lines]
        self._session.record.placed = {
            "target": target.id,
            "label": target.label,
            "report": lines,
            "undo": report.undo,
        }
        self._session.touch("placed")
        download_id = self._offer(report.files)
        return {"report": lines, "download_id": download_id, "files": [str(file) for file in report.files]}

    def _offer(self, files: Sequence[Path]) -> str | None:
        """The id under which files can be downloaded, in one archive where there are several."""
        if not files:
            return None
        if len(files) == 1 and files[0].is_file():
            return self.add_download(files[0], files[0].name)
        archive = self.folder / f"{secrets.token_hex(8)}.zip"
        zip_files(files, archive)
        return self.add_download(archive, f"{files[0].stem}.zip")


def _keep(values: OrderedDict[str, T], value: T) -> str:
    """Keep a value under a new id; returns the id."""
    while len(values) >= MAX_KEPT:
        values.popitem(last=False)
    new_id = secrets.token_urlsafe(12)
    values[new_id] = value
    return new_id

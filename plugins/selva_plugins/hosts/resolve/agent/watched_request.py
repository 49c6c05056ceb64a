"""One request of the agent on its way through the watch: what it asks for, its folder, and where it stands."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from selva_plugins.bridge import PANEL_ACTION
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.json_fields import JsonFields
from selva_plugins.hosts.resolve.plan_schema import PlanStem, parse_plan_stems
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot, read_snapshot
from selva_plugins.request_folder import (
    PROTOCOL,
    READY,
    REQUEST_SCHEMA,
    RequestStatus,
    read_json,
    read_status,
    write_json,
)

REQUEST_FILE = "request.json"
SNAPSHOT_FILE = "snapshot.json"
EXPORT_FILE = "timeline.otio"
MAX_NOTICES = 12
LAST_CUT = "last_cut"
"""The form field that names the file of `LastCuts`."""


@dataclass(frozen=True, kw_only=True)
class GenerateMessage:
    """What the agent asks for. raw_snapshot: the snapshot's JSON, which is stored unchanged. placed_ids: requests whose
    plans it has placed, also those whose report no bridge has received.
    """

    agent_version: str
    prompts: tuple[str, ...]
    num_takes: int
    replaces: bool
    snapshot: ResolveSnapshot
    raw_snapshot: Mapping[str, Any]
    placed_ids: frozenset[str] = frozenset()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> GenerateMessage:
        """Raises SnapshotError."""
        fields = JsonFields(body, "the agent's request")
        raw_snapshot = fields.raw("snapshot")
        return cls(
            agent_version=fields.text("agent", "unknown"),
            prompts=tuple(line for line in fields.text("prompts").splitlines() if line.strip()),
            num_takes=fields.integer("takes") or 1,
            replaces=fields.flag("replaces", default=False),
            snapshot=read_snapshot(raw_snapshot),
            raw_snapshot=raw_snapshot,
            placed_ids=frozenset(fields.texts("placed")),
        )


@dataclass
class WatchedRequest:
    """A request folder, and the thread that answers it. last_seen: the status that the agent got last."""

    folder: Path
    thread: threading.Thread | None = None
    last_seen: RequestStatus | None = None

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def snapshot(self) -> ResolveSnapshot:
        """Raises SnapshotError, OSError."""
        return parse_snapshot((self.folder / SNAPSHOT_FILE).read_text(encoding="utf-8"))

    @cached_property
    def is_for_panel(self) -> bool:
        """Whether it stays open for as long as the panel is."""
        try:
            return read_json(self.folder / REQUEST_FILE).get("action") == PANEL_ACTION
        except (OSError, SnapshotError):
            return False

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    @property
    def is_placed(self) -> bool:
        return any(self.folder.glob("report-*.json"))

    @property
    def is_answered(self) -> bool:
        status = self.read_status()
        return status is not None and status.is_final

    @property
    def waits_to_be_placed(self) -> bool:
        status = self.read_status()
        return status is not None and status.state == READY and not self.is_placed

    def read_status(self) -> RequestStatus | None:
        """What the bridge last wrote; None before it has written anything."""
        return read_status(self.folder)

    def read_plan_stems(self) -> tuple[PlanStem, ...]:
        """The entries of the finished plan. Raises SnapshotError, OSError, KeyError."""
        return parse_plan_stems(read_json(self.folder / "plan.json")["placements"])

    def wants_replacement(self) -> bool:
        """Whether the user ticked "Replace earlier stems". Raises SnapshotError, OSError."""
        values = read_json(self.folder / REQUEST_FILE).get("wishes")
        return isinstance(values, Mapping) and values.get("replaces") is True

    def read_plan(self) -> dict[str, Any]:
        """plan.json. Raises SnapshotError, OSError."""
        return read_json(self.folder / "plan.json")

    def read_action(self) -> str:
        """Raises SnapshotError, OSError."""
        return str(read_json(self.folder / REQUEST_FILE).get("action"))

    def write_report(self, report: Mapping[str, Any]) -> None:
        write_json(self.folder / "report-1.json", report)

    def cancel(self) -> None:
        """The bridge stops at the next sampling step."""
        (self.folder / "cancel").touch()

    def interrupt(self) -> None:
        """Stop the work and leave the request as if it had not been begun: the next watch takes it up."""
        if self.thread is not None and self.is_running:
            self.cancel()
            self.thread.join()
            (self.folder / "cancel").unlink(missing_ok=True)
            (self.folder / "status.json").unlink(missing_ok=True)


def write_request(
    folder: Path,
    message: GenerateMessage,
    *,
    stems_folder: Path,
    defaults: Mapping[str, str],
    export: Path | None,
    action: str = "generate",
    last_cut: Path | None = None,
) -> None:
    """The files of a request folder, request.json last: it says that the others are whole. Raises OSError.

    defaults: form fields that the agent's user cannot type. export: what compounds hold; only this file is ever opened,
    whatever path the snapshot names. last_cut: the snapshot of the last placement, for a conform.
    """
    timeline = {
        name: value for name, value in message.raw_snapshot["timeline"].items() if name != "otio_file"
    }
    if export is not None:
        timeline["otio_file"] = str(export)
    write_json(folder / SNAPSHOT_FILE, {**message.raw_snapshot, "timeline": timeline})
    write_json(
        folder / REQUEST_FILE,
        {
            "schema": REQUEST_SCHEMA,
            "protocol": PROTOCOL,
            "host": "resolve",
            "action": action,
            "label": message.snapshot.timeline.name,
            "script_version": message.agent_version,
            "script_folder": "",
            "stems_folder": str(stems_folder),
            "project": {"name": message.snapshot.project_name},
            "wishes": {
                **defaults,
                "sounds": list(message.prompts),
                "takes": str(message.num_takes),
                "replaces": message.replaces,
                **({} if last_cut is None else {LAST_CUT: str(last_cut)}),
            },
        },
    )


def list_status_notices(status: RequestStatus) -> list[str]:
    """The notices of a status, so many that a marker's note can hold them."""
    notices = list(status.notices)
    num_more = len(notices) - MAX_NOTICES
    return notices if num_more <= 0 else [*notices[:MAX_NOTICES], f"and {num_more} more"]

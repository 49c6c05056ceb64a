"""One request of a host script as a folder of small files, for scripts that have no sockets.

The script writes `snapshot.json`, `request.json` (last), `cancel`, and `report-N.json`. The bridge overwrites `status.json`
with each step and writes `plan.json` before the status says "ready". Each file appears whole or not at all: a temporary
name, then a rename. On Windows a rename onto a file fails while the script has that file open to read it; the bridge tries
again (`selva_core.base.atomic_write`), the script never renames onto a file.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import write_atomic
from selva_core.base.command_line import selva_command
from selva_core.base.errors import LockHeldError, SelvaError
from selva_core.base.file_lock import FileLock
from selva_plugins.errors import ProtocolMismatchError, SnapshotError
from selva_plugins.progress import RequestProgress

PROTOCOL = 1
REQUEST_SCHEMA = "selva.request/1"
STATUS_SCHEMA = "selva.status/1"
PLAN_SCHEMA = "selva.plan/1"

WORKING, READY, FAILED, CANCELLED = "working", "ready", "failed", "cancelled"
FINAL_STATES = (READY, FAILED, CANCELLED)

MAX_FILE_BYTES = 64 * 1024 * 1024
KEEP_FOR_DAYS = 14
HEARTBEAT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class HostRequest:
    """What a host script wrote into `request.json` and `snapshot.json`.

    form_values: the fields of its dialog as they were typed, which `selva_plugins.form.parse_form` reads; the file calls
    them `wishes`. snapshot: JSON text, empty for a check.
    """

    id: str
    host: str
    action: str
    label: str
    script_version: str
    script_folder: str
    form_values: Mapping[str, object]
    stems_folder: Path | None
    project_name: str
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class RequestStatus:
    """What a bridge last wrote into `status.json`. fraction: 0..1, None where none is known."""

    state: str
    message: str
    heartbeat: int
    fraction: float | None = None
    notices: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    def describe(self) -> str:
        """One line: "40 %  a.mov: sampling"."""
        percent = "" if self.fraction is None else f"{100 * self.fraction:.0f} %  "
        return f"{percent}{self.message or self.state}"


def read_status(folder: Path) -> RequestStatus | None:
    """The status of a request folder; None before a bridge has written one, or when it cannot be read."""
    try:
        values = read_json(folder / "status.json")
    except (OSError, SnapshotError):
        return None
    fraction, heartbeat = values.get("fraction"), values.get("heartbeat")
    return RequestStatus(
        state=str(values.get("state") or ""),
        message=str(values.get("message") or ""),
        heartbeat=heartbeat if isinstance(heartbeat, int) else 0,
        fraction=float(fraction) if isinstance(fraction, int | float) else None,
        notices=tuple(str(notice) for notice in values.get("notices") or ()),
    )


class RequestFolder:
    """One request. Reading raises SnapshotError, ProtocolMismatchError and OSError; writing raises OutputError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._status: dict[str, Any] = {}
        self._heartbeat = 0
        self._lock = threading.Lock()

    # Reading ----------------------------------------------------------------------------------------------------

    def read_request(self) -> HostRequest:
        values = read_json(self.path / "request.json")
        if values.get("schema") != REQUEST_SCHEMA or values.get("protocol") != PROTOCOL:
            raise ProtocolMismatchError(
                f"the script is version {values.get('script_version')} (protocol {values.get('protocol')}), the bridge "
                f"has protocol {PROTOCOL}; run: {selva_command('host', 'install', str(values.get('host')))}",
                script_version=str(values.get("script_version")),
            )
        project = values.get("project")
        snapshot = self.path / "snapshot.json"
        stems_folder = values.get("stems_folder")
        form_values = values.get("wishes")
        return HostRequest(
            id=self.path.name,
            host=str(values.get("host")),
            action=str(values.get("action")),
            label=str(values.get("label")),
            script_version=str(values.get("script_version")),
            script_folder=str(values.get("script_folder")),
            form_values=form_values if isinstance(form_values, Mapping) else {},
            stems_folder=Path(stems_folder) if isinstance(stems_folder, str) else None,
            project_name=str(project.get("name")) if isinstance(project, Mapping) else "",
            snapshot=snapshot.read_text(encoding="utf-8") if snapshot.is_file() else "",
        )

    def is_cancelled(self) -> bool:
        return (self.path / "cancel").exists()

    def is_answered(self) -> bool:
        """Whether an earlier bridge has finished this request, well or not."""
        status = read_status(self.path)
        return status is not None and status.is_final

    # Writing ----------------------------------------------------------------------------------------------------

    def write_plan(self, placements: list[dict[str, Any]], **extra: Any) -> None:
        write_json(self.path / "plan.json", {"schema": PLAN_SCHEMA, "placements": placements, **extra})

    def write_progress(self, progress: RequestProgress, notices: list[str]) -> None:
        self._write(
            state=WORKING,
            message=progress.message,
            fraction=progress.fraction,
            seconds_left=progress.seconds_left,
            notices=notices,
        )

    def write_ready(self, message: str, notices: list[str], **extra: Any) -> None:
        """The final status; `plan.json` must be there already, because the script reads it as soon as it sees this."""
        self._write(state=READY, message=message, fraction=1.0, seconds_left=0.0, notices=notices, **extra)

    def write_failed(self, error: SelvaError, notices: list[str]) -> None:
        self._write(
            state=FAILED,
            message=error.message,
            notices=notices,
            error={"code": error.code, "message": error.message, "facts": error.facts},
        )

    def write_cancelled(self) -> None:
        self._write(state=CANCELLED, message="cancelled", notices=[])

    def _write(self, **status: Any) -> None:
        with self._lock:
            self._status = status
            self._write_status()

    def _write_status(self) -> None:
        self._heartbeat += 1
        write_json(
            self.path / "status.json",
            {"schema": STATUS_SCHEMA, "heartbeat": self._heartbeat, "pid": os.getpid(), **self._status},
        )

    @contextmanager
    def heartbeat(self, every_s: float = HEARTBEAT_S) -> Iterator[None]:
        """Repeat the last status with a new number every `every_s`: a script takes a bridge whose number stands still for
        a crashed one and starts another.
        """
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(every_s):
                with self._lock:
                    self._write_status()

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Keep other bridges off this request; yields False when another one is working on it."""
        lock = FileLock(self.path / "bridge.lock")
        try:
            lock.acquire()
        except LockHeldError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises SnapshotError, FileNotFoundError."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise SnapshotError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise SnapshotError(f"{path} holds a {type(values).__name__}; a JSON object is wanted")
    return values


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace the whole content of a file. Raises OutputError, ValueError for numbers that JSON does not have."""
    write_atomic(path, json.dumps(value, allow_nan=False).encode("ascii"))


def remove_old_requests(folder: Path, *, now_s: float) -> int:
    """Delete requests that nothing has changed for KEEP_FOR_DAYS; returns how many."""
    removed = 0
    for child in folder.iterdir():
        if (child / "request.json").is_file() and now_s - child.stat().st_mtime > KEEP_FOR_DAYS * 86_400:
            shutil.rmtree(child, ignore_errors=True)
            removed += 1
    return removed

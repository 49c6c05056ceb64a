"""One request of a host script as a folder of small files, so that a script without sockets can ask, look and place.

The script writes `snapshot.json`, `request.json` (last), `cancel`, and `report-N.json`. The bridge writes `status.json` over
and over and, before the status says "ready", `plan.json`. Each file appears whole or not at all: a temporary name, then a
rename. On Windows a rename onto a file fails while the script has that file open for the blink of reading it; the bridge
tries again, the script never renames onto anything.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
REPLACE_FOR_S = 3.0


@dataclass(frozen=True, kw_only=True)
class HostRequest:
    """What a host script asked for. `wishes` is what was typed, unread; `snapshot` is JSON text, empty for a check."""

    id: str
    host: str
    action: str
    label: str
    script_version: str
    script_folder: str
    wishes: Mapping[str, object]
    stems_folder: Path | None
    project_name: str
    snapshot: str


class RequestFolder:
    """One request. Errors of reading raise SnapshotError or ProtocolMismatchError; OSError passes through."""

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
                f"speaks protocol {PROTOCOL}; run: selva host install {values.get('host')}",
                script_version=str(values.get("script_version")),
            )
        project = values.get("project")
        snapshot = self.path / "snapshot.json"
        stems_folder = values.get("stems_folder")
        wishes = values.get("wishes")
        return HostRequest(
            id=self.path.name,
            host=str(values.get("host")),
            action=str(values.get("action")),
            label=str(values.get("label")),
            script_version=str(values.get("script_version")),
            script_folder=str(values.get("script_folder")),
            wishes=wishes if isinstance(wishes, Mapping) else {},
            stems_folder=Path(stems_folder) if isinstance(stems_folder, str) else None,
            project_name=str(project.get("name")) if isinstance(project, Mapping) else "",
            snapshot=snapshot.read_text(encoding="utf-8") if snapshot.is_file() else "",
        )

    def is_cancelled(self) -> bool:
        return (self.path / "cancel").exists()

    def is_answered(self) -> bool:
        """Whether an earlier bridge has brought this request to its end."""
        try:
            return read_json(self.path / "status.json").get("state") in FINAL_STATES
        except (OSError, SnapshotError):
            return False

    # Writing ----------------------------------------------------------------------------------------------------

    def write_plan(self, placements: list[dict[str, Any]]) -> None:
        write_json(self.path / "plan.json", {"schema": PLAN_SCHEMA, "placements": placements})

    def say_progress(self, progress: RequestProgress, notices: list[str]) -> None:
        self._say(
            state=WORKING,
            message=progress.message,
            fraction=progress.fraction,
            seconds_left=progress.seconds_left,
            notices=notices,
        )

    def say_ready(self, message: str, notices: list[str], **extra: Any) -> None:
        """The last word; `plan.json` must be there already."""
        self._say(state=READY, message=message, fraction=1.0, seconds_left=0.0, notices=notices, **extra)

    def say_failed(self, error: SelvaError, notices: list[str]) -> None:
        self._say(
            state=FAILED,
            message=error.message,
            notices=notices,
            error={"code": error.code, "message": error.message, "facts": error.facts},
        )

    def say_cancelled(self) -> None:
        self._say(state=CANCELLED, message="cancelled", notices=[])

    def _say(self, **status: Any) -> None:
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
        """Repeat the last status with a new number once per second, so that the script sees that somebody works."""
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
    def hold(self) -> Iterator[bool]:
        """Be the only bridge at work on this request; yields False when another one is."""
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
    """Write a file whole, in place of the one that was there. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    with temporary.open("w", encoding="ascii", newline="\n") as stream:
        json.dump(value, stream, allow_nan=False)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        replace_patiently(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def replace_patiently(
    source: Path,
    target: Path,
    *,
    replace: Callable[[Path, Path], object] = os.replace,
    now_s: Callable[[], float] = time.monotonic,
) -> None:
    """Rename onto a file that the script may be reading right now."""
    give_up_s = now_s() + REPLACE_FOR_S
    while True:
        try:
            replace(source, target)
            return
        except PermissionError:
            if now_s() > give_up_s:
                raise
            time.sleep(0.01)


def remove_old_requests(folder: Path, *, now_s: float) -> int:
    """Forget requests that nobody has touched for two weeks; returns how many."""
    removed = 0
    for child in folder.iterdir():
        with_request = child / "request.json"
        if with_request.is_file() and now_s - child.stat().st_mtime > KEEP_FOR_DAYS * 86_400:
            shutil.rmtree(child, ignore_errors=True)
            removed += 1
    return removed

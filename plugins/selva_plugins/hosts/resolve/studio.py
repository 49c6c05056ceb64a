"""Resolve Studio from outside, without ever hanging: the primitives in a process of their own, with a limit on silence.

with StudioBridge() as studio:
    snapshot = studio.take_snapshot()
    report = studio.place(plan, on_progress=print)
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, cast

from selva_core.base.child_process import popen_options, python_executable
from selva_plugins.hosts.resolve.errors import BY_CODE, ResolveError, ResolveSilentError, TimelineNotOpenError
from selva_plugins.hosts.resolve.plan_schema import (
    ListedTimeline,
    PlacementPlan,
    PlacementReport,
    RemovalReport,
)
from selva_plugins.hosts.resolve.snapshot import (
    ResolveApplication,
    ResolveSnapshot,
    read_application,
    read_snapshot,
)

SILENCE_LIMIT_S = 60.0
_STOP_TIMEOUT_S = 2.0
_CHILD_MODULE = "selva_plugins.hosts.resolve.scripting.child"

Json = Mapping[str, Any]
OnProgress = Callable[[str], None]


def _ignore_progress(_text: str) -> None:
    """For callers that show no progress."""


class StudioBridge:
    """One connection to Resolve Studio. `silence_limit_s`: how long one call into Resolve may take."""

    def __init__(
        self, *, silence_limit_s: float = SILENCE_LIMIT_S, environment: Mapping[str, str] | None = None
    ) -> None:
        self._silence_limit_s = silence_limit_s
        self._environment = dict(os.environ if environment is None else environment)
        self._child: subprocess.Popen[str] | None = None
        self._messages: queue.Queue[Json | None] = queue.Queue()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> StudioBridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def describe_application(self) -> ResolveApplication:
        """Which Resolve answers. Raises ResolveError."""
        return read_application(self._call({"do": "application"}))

    def take_snapshot(
        self, otio_file: Path | None = None, on_progress: OnProgress = _ignore_progress
    ) -> ResolveSnapshot:
        """What is on the current timeline. otio_file: where Resolve may export what compounds hold.

        Raises ResolveError; SnapshotError, also when no timeline is open.
        """
        request = {"do": "snapshot", "otio_file": None if otio_file is None else str(otio_file)}
        return read_snapshot(self._call(request, on_progress))

    def place(self, plan: PlacementPlan, on_progress: OnProgress = _ignore_progress) -> PlacementReport:
        """Place the stems of a plan. Raises TimelineNotOpenError, ResolveError."""
        return PlacementReport.from_json(self._call({"do": "place", "plan": plan.to_json()}, on_progress))

    def remove(self, on_progress: OnProgress = _ignore_progress) -> RemovalReport:
        """Remove what was placed on the current timeline. Raises ResolveError."""
        return RemovalReport.from_json(self._call({"do": "remove"}, on_progress))

    def list_timelines(self) -> list[ListedTimeline]:
        """The timelines of the open project. Raises ResolveError."""
        return [ListedTimeline.from_json(timeline) for timeline in self._call({"do": "timelines"})]

    def open_timeline(self, timeline_id: str) -> None:
        """Make a timeline the current one. Raises TimelineNotOpenError, ResolveError."""
        if not self._call({"do": "open", "timeline_id": timeline_id}):
            raise TimelineNotOpenError(f"Resolve did not open the timeline {timeline_id}")

    def close(self) -> None:
        """End the process; kill it when Resolve's library keeps it."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._reader is not None:
            self._reader.join()
        if child.stdout is not None:
            child.stdout.close()

    def _call(self, request: Json, on_progress: OnProgress = _ignore_progress) -> Any:
        """The JSON of the answer."""
        child = self._child or self._start()
        requests = cast(TextIO, child.stdin)
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        step = "starting"
        while True:
            message = self._next_message(step)
            if "progress" in message:
                step = str(message["progress"])
                on_progress(step)
            elif "error" in message:
                error = message["error"]
                raise BY_CODE.get(error["code"], ResolveError)(error["message"])
            else:
                return message["answer"]

    def _next_message(self, step: str) -> Json:
        try:
            message = self._messages.get(timeout=self._silence_limit_s)
        except queue.Empty:
            self._kill()
            raise ResolveSilentError(
                f"Resolve did not answer for {self._silence_limit_s:g} s while {step}; close any dialog that is open in it and "
                "try again"
            ) from None
        if message is None:
            self._kill()
            raise ResolveError(
                f"Resolve's scripting library ended its process while {step}; see the log above"
            )
        return message

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
        self.close()

    def _start(self) -> subprocess.Popen[str]:
        self._messages = queue.Queue()
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            [python_executable(), "-m", _CHILD_MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=build_child_environment(self._environment),
            **popen_options(),
        )
        self._reader = threading.Thread(target=self._read, args=(self._child, self._messages), daemon=True)
        self._reader.start()
        return self._child

    @staticmethod
    def _read(child: subprocess.Popen[str], messages: queue.Queue[Json | None]) -> None:
        for line in cast(TextIO, child.stdout):
            messages.put(json.loads(line))
        messages.put(None)


def build_child_environment(
    environment: Mapping[str, str], *, platform: str = sys.platform
) -> dict[str, str]:
    """What the process that loads Resolve's library is started with.

    On Windows with several Pythons fusionscript.dll crashes its process (seen with 20.3) unless PYTHONHOME says which one it
    runs in.
    """
    child = {**environment, "PYTHONUTF8": "1"}
    if platform == "win32":
        child["PYTHONHOME"] = sys.base_prefix
        child["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if Path(entry).is_dir())
    return child

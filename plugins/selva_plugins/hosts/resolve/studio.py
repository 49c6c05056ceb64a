"""Resolve Studio from outside, without ever hanging: the primitives in a process of their own, with a
limit on silence.

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

from selva_plugins.hosts.resolve.errors import BY_CODE, ResolveError, ResolveSilentError, TimelineNotOpenError

SILENCE_LIMIT_S = 60.0
_STOP_PATIENCE_S = 2.0

Facts = Mapping[str, Any]
Progress = Callable[[str], None]


def _say_nothing(_text: str) -> None:
    """For callers who do not listen."""


class StudioBridge:
    """One connection to Resolve Studio. `silence_limit_s`: how long one call into Resolve may take."""

    def __init__(
        self, *, silence_limit_s: float = SILENCE_LIMIT_S, environment: Mapping[str, str] | None = None
    ) -> None:
        self._silence_limit_s = silence_limit_s
        self._environment = dict(os.environ if environment is None else environment)
        self._child: subprocess.Popen[str] | None = None
        self._messages: queue.Queue[Facts | None] = queue.Queue()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> StudioBridge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def describe_application(self) -> Facts:
        """Which Resolve answers: product, version, studio. Raises ResolveError."""
        answer: Facts = self._ask({"do": "application"}, _say_nothing)
        return answer

    def take_snapshot(self, otio_file: Path | None = None, on_progress: Progress = _say_nothing) -> Facts:
        """What is on the current timeline. otio_file: where Resolve may export what compounds hold. Raises
        ResolveError.
        """
        request = {"do": "snapshot", "otio_file": None if otio_file is None else str(otio_file)}
        answer: Facts = self._ask(request, on_progress)
        return answer

    def place(self, plan: Facts, on_progress: Progress = _say_nothing) -> Facts:
        """Place a plan's stems; returns the report. Raises ResolveError."""
        answer: Facts = self._ask({"do": "place", "plan": dict(plan)}, on_progress)
        return answer

    def remove(self, on_progress: Progress = _say_nothing) -> Facts:
        """Remove what was placed on the current timeline. Raises ResolveError."""
        answer: Facts = self._ask({"do": "remove"}, on_progress)
        return answer

    def list_timelines(self) -> list[Facts]:
        """The project's timelines: id, name, is_current. Raises ResolveError."""
        return list(self._ask({"do": "timelines"}, _say_nothing))

    def open_timeline(self, timeline_id: str) -> None:
        """Make a timeline the current one. Raises TimelineNotOpenError, ResolveError."""
        if not self._ask({"do": "open", "timeline_id": timeline_id}, _say_nothing):
            raise TimelineNotOpenError(f"Resolve did not open the timeline {timeline_id}")

    def close(self) -> None:
        """End the process; kill it when Resolve's library keeps it."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout=_STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._reader is not None:
            self._reader.join()
        if child.stdout is not None:
            child.stdout.close()

    def _ask(self, request: Facts, on_progress: Progress) -> Any:
        child = self._child or self._start()
        requests = cast(TextIO, child.stdin)
        requests.write(json.dumps(request) + "\n")
        requests.flush()
        doing = "starting"
        while True:
            message = self._next_message(doing)
            if "progress" in message:
                doing = str(message["progress"])
                on_progress(doing)
            elif "error" in message:
                error = message["error"]
                raise BY_CODE.get(error["code"], ResolveError)(error["message"])
            else:
                return message["answer"]

    def _next_message(self, doing: str) -> Facts:
        try:
            message = self._messages.get(timeout=self._silence_limit_s)
        except queue.Empty:
            self._kill()
            raise ResolveSilentError(
                f"Resolve did not answer for {self._silence_limit_s:g} s while {doing}; close any dialog that is open in it and "
                "try again"
            ) from None
        if message is None:
            self._kill()
            raise ResolveError(
                f"Resolve's scripting library ended its process while {doing}; see the log above"
            )
        return message

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
        self.close()

    def _start(self) -> subprocess.Popen[str]:
        self._messages = queue.Queue()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "selva_plugins.hosts.resolve.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=self._child_environment(),
        )
        self._reader = threading.Thread(target=self._read, args=(self._child, self._messages), daemon=True)
        self._reader.start()
        return self._child

    def _child_environment(self) -> dict[str, str]:
        """On Windows with several Pythons the library crashes unless it is told which one it runs in."""
        environment = {**self._environment, "PYTHONUTF8": "1"}
        if sys.platform == "win32":
            environment["PYTHONHOME"] = sys.base_prefix
            environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if Path(entry).is_dir())
        return environment

    @staticmethod
    def _read(child: subprocess.Popen[str], messages: queue.Queue[Facts | None]) -> None:
        for line in cast(TextIO, child.stdout):
            messages.put(json.loads(line))
        messages.put(None)

"""Reading pictures in a process of its own, which stays: `python -m selva_panel.media.worker`, a line of JSON in and one out.

The server so loads no decoder, and a file that crashes the decoder ends that process alone; the next task starts another.
A process that stays makes a strip of thumbnails in milliseconds, where starting one takes a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.errors import MediaUnreadableError, SelvaError
from selva_daemon.protocol.errors import from_wire, to_wire

OnProgress = Callable[[float], None]


class MediaWorker:
    """One process that does one task at a time, started when it is first needed. Threads wait for one another."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def perform(
        self, task: Mapping[str, Any], *, reading: Path, on_progress: OnProgress | None = None
    ) -> Mapping[str, Any]:
        """Do a task. reading: the file to name when the process crashes. Raises what the task reports, MediaUnreadableError."""
        with self._lock:
            try:
                return self._perform(task, reading, on_progress)
            except BaseException:
                if self._process is not None and self._process.poll() is not None:
                    self._end()
                raise

    def close(self) -> None:
        """End the process, also in the middle of a task."""
        self._is_closed = True
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._end()

    def _perform(
        self, task: Mapping[str, Any], reading: Path, on_progress: OnProgress | None
    ) -> Mapping[str, Any]:
        process = self._running()
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise MediaUnreadableError(f"the reader of {reading.name} has no pipes; open the panel again")
        try:
            stdin.write(json.dumps(task).encode() + b"\n")
            stdin.flush()
            while line := stdout.readline():
                reply: Mapping[str, Any] = json.loads(line)
                if "progress" not in reply:
                    break
                if on_progress is not None:
                    on_progress(float(reply["progress"]))
            else:
                raise BrokenPipeError
        except (OSError, ValueError) as exc:
            process.kill()
            status = process.wait()
            raise MediaUnreadableError(
                f"{reading.name} crashed its reader (status {status}); copy or transcode the file",
                path=str(reading),
            ) from exc
        if "error" in reply:
            raise from_wire(reply["error"])
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._is_closed:
            raise MediaUnreadableError("the panel is closing")
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [python_executable(), "-m", "selva_panel.media.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=own_environment(os.environ),
                **popen_options(own_group=True),
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be written went nowhere
                    continue


def _serve() -> None:
    """In the process of its own: do tasks until standard input ends, which is when the panel does."""
    from selva_panel.media.tasks import TASKS  # noqa: PLC0415 - loads a decoder, only in this process

    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # a library that prints must not be read as a reply

    def send(reply: Mapping[str, Any]) -> None:
        out.write(json.dumps(reply).encode() + b"\n")
        out.flush()

    for line in sys.stdin.buffer:
        task = json.loads(line)
        try:
            reply = TASKS[task["task"]](task, lambda done: send({"progress": done}))
        except SelvaError as exc:
            reply = {"error": to_wire(exc)}
        send(reply)


if __name__ == "__main__":
    _serve()

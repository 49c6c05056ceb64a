"""The server's end of one worker process: start it, send commands, forward its messages, end it. The supervisor decides when."""

from __future__ import annotations

import importlib.util
import os
import platform
import queue
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil
import zmq

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.command_line import pip_install_command, selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import AppPaths
from selva_core.base.settings.checks import LOCAL
from selva_daemon.protocol.worker_link import Command, read_packed, write_message
from selva_daemon.settings import DaemonSettings

INBOX_ADDRESS = "inproc://worker-messages"
MAX_OUTPUT_LOG_BYTES = 4 << 20
MAX_OUTPUT_TAIL_BYTES = 4096
MAX_SHOWN_CHARS = 300
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": f"{32 << 20}", "MALLOC_TRIM_THRESHOLD_": f"{1 << 30}"}


def open_inbox(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """Where the messages of all workers arrive: frames [generation, packed message]; an empty message means the end."""
    inbox = context.socket(zmq.PULL)
    inbox.linger = 0
    inbox.rcvhwm = 0
    inbox.bind(INBOX_ADDRESS)
    return inbox


class WorkerProcess:
    """One run of a worker. `generation` marks its messages, so that those of an earlier run are not mistaken for its own."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        command: Sequence[str],
        *,
        generation: bytes,
        folder: Path,
        output_file: Path,
    ) -> None:
        self.generation = generation
        self._output_file = output_file
        with _open_output_log(output_file) as output:
            self._output_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=folder,
                env=worker_environment(own_environment(os.environ)),
                # Ctrl-C in the daemon's terminal reaches the daemon, which ends its worker properly; it must not
                # reach the worker itself.
                **popen_options(own_group=True),
            )
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._write_commands, name=f"commands-{self.pid}", daemon=True),
            threading.Thread(
                target=self._forward_messages, args=(context,), name=f"messages-{self.pid}", daemon=True
            ),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: Command) -> None:
        """Never waits, also when the worker does not read: a thread writes to the pipe."""
        self._commands.put(command)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout_s: float) -> bool:
        """True when the process has ended."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """Collect the process, which has ended or is killed now, and its threads and pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._commands.put(None)
        for thread in self._threads:
            thread.join()

    def describe_end(self) -> str:
        """How the process ended, for people."""
        code = self._process.poll()
        if code is None:
            return "it closed its side of the link"
        if code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            hint = " (out of memory, or killed by somebody)" if name == "SIGKILL" else ""
            return f"it was ended by {name}{hint}{self._describe_output()}"
        return f"it ended with exit code {code}{self._describe_output()}"

    def _describe_output(self) -> str:
        """The last line that this run of the worker printed, with the file that has the rest; "" when it printed nothing."""
        try:
            with self._output_file.open("rb") as file:
                start = max(self._output_start, file.seek(0, os.SEEK_END) - MAX_OUTPUT_TAIL_BYTES)
                file.seek(start)
                lines = file.read(MAX_OUTPUT_TAIL_BYTES).decode("utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        shown = "".join(letter for letter in last if letter.isprintable())[:MAX_SHOWN_CHARS]
        return f"; it printed last: {shown} (more in {self._output_file})" if shown else ""

    def _write_commands(self) -> None:
        stream = self._process.stdin
        assert stream is not None  # noqa: S101 - opened as a pipe above
        try:
            while (command := self._commands.get()) is not None:
                write_message(stream, command)
        except OSError:
            pass  # the worker is gone; the reading thread reports it
        finally:
            _close_quietly(stream)

    def _forward_messages(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        stream = self._process.stdout
        assert stream is not None  # noqa: S101 - opened as a pipe above
        outbox = context.socket(zmq.PUSH)
        outbox.linger = 0
        outbox.sndhwm = 0
        outbox.connect(INBOX_ADDRESS)
        try:
            while packed := read_packed(stream):
                outbox.send_multipart([self.generation, packed])
        except (OSError, zmq.ZMQError):
            pass  # a broken link is an ended link; the empty message below tells the supervisor
        finally:
            _close_quietly(stream)
            outbox.send_multipart([self.generation, b""])
            outbox.close()


def worker_program(settings: DaemonSettings) -> tuple[str, ...]:
    """How a worker is started, before its arguments.

    Raises ConfigurationError where the executor needs Ray and it is not installed. It is not loaded here.
    """
    if settings.executor == LOCAL:
        return python_executable(), "-m", "selva_daemon.worker.worker"
    if importlib.util.find_spec("ray") is None:
        raise ConfigurationError(
            f"executor {settings.executor} needs Ray, which is not installed; install it with: "
            f"{pip_install_command('selva-bridge[ray]')}, or render on this machine: "
            f"{selva_command('config', 'unset', 'executor')}"
        )
    return python_executable(), "-m", "selva_daemon.worker.cluster.worker"


def worker_arguments(paths: AppPaths, settings: DaemonSettings, *, device: str) -> list[str]:
    """The command line of a worker; paths are arguments of their own, no shell sees them."""
    cluster = [
        f"--executor={settings.executor}",
        f"--stall-timeout={settings.stall_timeout_s:g}",
        f"--cancel-grace={settings.cancel_grace_s:g}",
    ]
    return [
        *([] if settings.executor == LOCAL else cluster),
        f"--device={device}",
        f"--precision={settings.precision}",
        f"--acceleration={settings.acceleration}",
        f"--memory={settings.memory}",
        f"--log-level={settings.log_level}",
        f"--stem-cache={paths.stem_cache}",
        f"--stem-cache-bytes={settings.stem_cache_bytes}",
        f"--feature-cache={paths.feature_cache}",
        f"--feature-cache-bytes={settings.feature_cache_bytes}",
        *(f"--output-folder={folder}" for folder in settings.output_folders),
        *(f"--forbidden-folder={folder}" for folder in (paths.state, paths.cache, paths.config)),
    ]


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables a worker is started with.

    With glibc, large tensors are kept in the heap instead of being mapped and cleared anew for each operation; the
    process gives all back when its model is unloaded, for then it ends. What the user has set stays.
    """
    keep_memory = KEEP_MEMORY if platform.libc_ver()[0] == "glibc" else {}
    return {**keep_memory, **environment}


def _open_output_log(file: Path) -> IO[bytes]:
    """Libraries and native crashes write here. One earlier file is kept."""
    if file.exists() and file.stat().st_size > MAX_OUTPUT_LOG_BYTES:
        file.replace(file.with_suffix(".1.log"))
    return file.open("ab")


def _close_quietly(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return  # a pipe to a dead process cannot be flushed


def resident_bytes(pid: int | None) -> int | None:
    """Memory of a process, None when it cannot be asked."""
    if pid is None:
        return None
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None

"""The connection file: what a client needs to reach the daemon, readable by its owner only.

It is written, by rename, after the sockets are bound, and removed when the daemon stops: a client that finds one finds a
listening daemon or the remains of a crash, and `Connection.process_is_alive` tells which.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import msgspec
import psutil

from selva_core.base.command_line import selva_command
from selva_core.base.paths import (
    CONNECTION_VARIABLE,
    MAX_PRIVATE_FILE_BYTES,
    find_ownership_problem,
    write_private_file,
)
from selva_core.base.regular_file import open_regular
from selva_daemon.protocol.errors import DaemonRefusedError, DaemonUnavailableError
from selva_daemon.protocol.keys import KeyPair

ELSEWHERE = 0


def start_hint() -> str:
    """What to do where no daemon runs."""
    if os.environ.get(CONNECTION_VARIABLE):  # a start is refused then: the daemon is another machine's
        return f"Correct {CONNECTION_VARIABLE}, or unset it to use a daemon on this machine"
    return f"Start one with: {selva_command('daemon', 'start')}"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a connection file.

    Endpoints are ZeroMQ addresses such as tcp://127.0.0.1:40213; `instance` is new at each start of the daemon. In the file
    for another machine `pid` is 0 and `instance` empty: it stays valid when that daemon is restarted.
    """

    protocol: int
    version: str
    instance: str
    pid: int
    jobs: str
    control: str
    events: str
    server_key: str
    client: KeyPair

    def write(self, file: Path) -> None:
        """Raises StorageError."""
        write_private_file(file, msgspec.json.format(msgspec.json.encode(self), indent=1))

    @property
    def process_is_alive(self) -> bool:
        """True for a daemon on another machine: nothing is known of it before it answers."""
        return self.pid == ELSEWHERE or process_is_alive(self.pid)


def process_is_alive(pid: int) -> bool:
    """False also for a process that has ended and was not collected yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def read_connection(file: Path) -> Connection:
    """Raises DaemonUnavailableError when there is no such file, or it does not describe a daemon; DaemonRefusedError when it
    is another user's, or others can read it: its keys may be known, and another daemon may use them.
    """
    try:
        with open_regular(file) as stream:
            status = os.fstat(stream.fileno())
            content = stream.read(MAX_PRIVATE_FILE_BYTES)
        connection = msgspec.json.decode(content, type=Connection)
    except FileNotFoundError as exc:
        raise DaemonUnavailableError(
            f"no daemon is running (there is no {file}). {start_hint()}", path=str(file)
        ) from exc
    except msgspec.ValidationError as exc:
        raise DaemonUnavailableError(
            f"{file} does not describe a daemon: {exc}. {start_hint()}", path=str(file)
        ) from exc
    except (OSError, msgspec.MsgspecError) as exc:
        raise DaemonUnavailableError(f"{file} cannot be read: {exc}. {start_hint()}", path=str(file)) from exc
    if problem := find_ownership_problem(status, forbidden_mode=0o077):
        raise DaemonRefusedError(
            f"the connection file {file} is not used: {problem}, so its keys may be known. Restart the daemon "
            f"({selva_command('daemon', 'stop')}, {selva_command('daemon', 'start')}), or, when nobody else could read "
            f"it so far: chmod 600 {shlex.quote(str(file))}",
            path=str(file),
        )
    return connection


def remove_connection(file: Path, *, instance: str) -> None:
    """Remove the file if it is still this daemon's own."""
    try:
        if read_connection(file).instance == instance:
            file.unlink(missing_ok=True)
    except (DaemonUnavailableError, OSError):
        return  # gone or unreadable: either way it is not ours to remove

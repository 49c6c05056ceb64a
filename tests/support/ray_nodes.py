"""A Ray cluster of several nodes on this machine, in a process of its own: no test loads Ray."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[1] / "selva_daemon" / "programs" / "ray_nodes.py"
MARK = "ANSWER "
STEP_DELAY_S = 0.05
"""Of the echo engine on the nodes."""


class RayNodes:
    """Nodes by name. environment: of those who use the cluster. client_port: of the Ray Client server of the head."""

    def __init__(
        self, process: subprocess.Popen[str], environment: Mapping[str, str], *, client_port: int
    ) -> None:
        self._process = process
        self.client_port = client_port
        self.environment = environment
        self.address = ""

    def add(self, name: str) -> None:
        self.address = self._tell(f"add {name}")

    def kill(self, name: str) -> None:
        self._tell(f"kill {name}")

    def behead(self) -> None:
        self._tell("behead")

    def _tell(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            if answer.startswith(MARK):
                return answer.removeprefix(MARK).strip()
        raise AssertionError(f"the program of the nodes ended at {line!r}")


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    """No node yet. Their files lie in a folder with a short name: Ray makes sockets in it, whose paths have 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="selva-ray-"))
    users = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        "HOME": str(folder),
    }
    nodes = {
        "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120",  # on a busy machine 30 are too few
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "4",
        "SELVA_CACHE_DIR": str(folder / "cache"),
        "SELVA_ECHO_STEP_DELAY_S": str(STEP_DELAY_S),
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        client_port = free.getsockname()[1]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(client_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            env={**os.environ, **users, **nodes},
            start_new_session=True,
        )
    try:
        with process:
            environment = {**users, "RAY_gcs_rpc_server_reconnect_timeout_s": "4"}
            yield RayNodes(process, environment, client_port=client_port)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)

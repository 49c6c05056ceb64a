"""What the daemon's benchmarks share: folders of their own, a clip, and what a figure needs beside it."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

import av
import numpy as np
import psutil
import zmq

import selva_core
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.connection import process_is_alive, read_connection
from selva_daemon.protocol.errors import DaemonTimeoutError, DaemonUnavailableError

STOP_TIMEOUT_S = 60.0


def isolated_paths(folder: Path) -> AppPaths:
    return AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")


def describe_machine() -> dict[str, object]:
    """Versions, cores, load and commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "version": selva_core.__version__,
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "zeromq": zmq.zmq_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in psutil.getloadavg()],
    }


def write_clip(file: Path, *, num_frames: int = 10) -> Path:
    """Moving picture of 64 x 48 at 25 fps with a flash every fifth frame."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(num_frames):
            picture = np.full((48, 64, 3), 240 if index % 5 == 2 else 10, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file


def stop_daemon(paths: AppPaths) -> None:
    """Ask it to stop, end it when it does not, and wait until its process is gone."""
    try:
        pid = read_connection(paths.connection_file).pid
        with Client.connect(paths=paths) as client:
            client.shutdown()
    except (DaemonUnavailableError, DaemonTimeoutError):
        return
    give_up_s = time.monotonic() + STOP_TIMEOUT_S
    while process_is_alive(pid):
        if time.monotonic() > give_up_s:
            psutil.Process(pid).kill()
        time.sleep(0.05)

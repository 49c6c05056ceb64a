"""Daemons for tests: real sockets on free ports, a real worker process, real SQLite, folders of their own.

Every test fails when it leaves a thread, a child process or an open file behind.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import zmq

from selva_core.base.media import PictureRange
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, TakeRequest
from selva_daemon.server.server import Server
from selva_daemon.settings import DaemonSettings
from tests.support.daemons import JobMaker, StartDaemon, StartServer, end_process_tree, serving

CLIP_FRAMES = 10
CLIP_FPS = 25


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads, children and open files are the same after the test as before."""
    # The first large message starts a thread of pyzmq that stays for good.
    zmq.Frame(bytes(1 << 17), copy=False, track=True)
    before = _open_things()
    yield
    give_up_s = time.monotonic() + 5.0
    while (left := _open_things()) != before and time.monotonic() < give_up_s:
        gc.collect()
        time.sleep(0.02)
    assert left == before, f"{request.node.name} left something open"


def _open_things() -> tuple[list[str], int, int]:
    me = psutil.Process()
    num_files = me.num_handles() if sys.platform == "win32" else me.num_fds()
    children = [child for child in me.children() if child.status() != psutil.STATUS_ZOMBIE]
    return sorted(thread.name for thread in threading.enumerate()), len(children), num_files


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the state of the person who runs it."""
    for name in list(os.environ):
        if name.startswith("SELVA_"):
            monkeypatch.delenv(name)
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"SELVA_{name}_DIR", str(tmp_path / "selva" / name.lower()))
    # A probe of the real libraries takes seconds, and is the subject of tests/selva_daemon/client/test_installation.py.
    monkeypatch.setattr("selva_daemon.client.installation.run_probe", lambda: "")


@pytest.fixture
def paths(_own_folders: None) -> AppPaths:
    return AppPaths.find()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.4 s of moving picture with a flash every fifth frame."""
    file = tmp_path_factory.mktemp("media") / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=CLIP_FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(CLIP_FRAMES):
            picture = np.full((48, 64, 3), 240 if index % 5 == 2 else 10, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file


@pytest.fixture
def make_job(clip: Path, tmp_path: Path) -> JobMaker:
    """Jobs over the clip; each keyword changes one thing."""

    def make(
        *,
        label: str = "shot 1",
        seed: int = 1,
        num_takes: int = 1,
        prompts: Sequence[str] = ("boots on gravel",),
        media: Path = clip,
        folder: Path = tmp_path / "stems",
        priority: str = "interactive",
        model: str = "selva-echo",
        duration_s: Fraction = Fraction(2, 5),
        num_steps: int = 25,
        guidance: float = 4.5,
        quality: str = "final",
        precision: str = "auto",
        separate: float = 0.0,
    ) -> JobRequest:
        return JobRequest(
            label=label,
            media=PictureRange(path=media, start_s=Fraction(0), duration_s=duration_s),
            model=model,
            num_steps=num_steps,
            guidance=guidance,
            quality=quality,
            precision=precision,
            separate=separate,
            output=OutputRequest(folder=folder, num_samples=int(duration_s * 48_000)),
            cues=build_cues(prompts, num_takes=num_takes, seed=seed),
            priority=priority,
        )

    return make


def build_cues(prompts: Sequence[str], *, num_takes: int, seed: int) -> tuple[CueRequest, ...]:
    """A cue for each prompt; the takes of one have the seeds from `seed` on."""
    return tuple(
        CueRequest(
            cue=f"cue-{index}",
            track=f"Track {index}",
            prompt=prompt,
            takes=tuple(
                TakeRequest(take=take, seed=seed + take - 1, name=f"stem_{index}_t{take}")
                for take in range(1, num_takes + 1)
            ),
        )
        for index, prompt in enumerate(prompts, start=1)
    )


@pytest.fixture
def start_server(paths: AppPaths) -> Iterator[StartServer]:
    """Start a server with some settings changed; it ends with the test."""
    with ExitStack() as stack:

        def start(*, worker_program: Sequence[str] | None = None, **settings: object) -> Server:
            chosen = DaemonSettings(**{"drain_timeout_s": 0.2, **settings})  # type: ignore[arg-type]
            return stack.enter_context(serving(paths, chosen, worker_program=worker_program))

        yield start


@pytest.fixture
def client(paths: AppPaths, start_server: StartServer) -> Iterator[Client]:
    """A client of a server with ordinary settings."""
    start_server()
    with Client.connect(paths=paths) as connected:
        yield connected


@pytest.fixture
def start_daemon_process(paths: AppPaths) -> Iterator[StartDaemon]:
    """Start a daemon as a process of its own, as `selva daemon start` does; ended with the test."""
    pids: list[int] = []

    def start() -> int:
        pids.append(start_daemon(paths))
        return pids[-1]

    yield start
    for pid in pids:
        end_process_tree(pid)

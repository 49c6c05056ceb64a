"""What a whole `selva render` of many clips costs: client, server and worker, their time and their memory.

    PYTHONPATH=.:bench python bench/scale/whole_render.py [--clips 1000 3000 10000] [--tracks 1] [--media 50] [--times 2]

Clips of 0.4 s over some media files, by the echo engine, each number in a daemon and folders of its own, `--times` times: the
second finds every stem in the cache. Prints one JSON object; processor times are seconds, memory is resident, in MB of 10^6
bytes. `moments` are taken while it runs: seconds since the start, stem files that are there, and what each process has then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import opentimelineio as otio
import psutil
from daemon_bench import describe_machine, isolated_paths, stop_daemon, write_clip

from selva_core.base.paths import AppPaths
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import read_connection

RATE_HZ = 25
CLIP_FRAMES = 10
MEDIA_FRAMES = 75
LOOK_EVERY_S = 0.5
MAX_MOMENTS = 8
ROLES = ("client", "server", "worker")


def frames(first: int, count: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, RATE_HZ), otio.opentime.RationalTime(count, RATE_HZ)
    )


def write_cut(target: Path, *, num_clips: int, media: Sequence[Path]) -> None:
    """Clips one after another, each over another part of the next media file."""
    timeline, track = otio.schema.Timeline(name="many"), otio.schema.Track(name="V1", kind="Video")
    timeline.tracks.append(track)
    for number in range(num_clips):
        first = 5 * (number // len(media)) % (MEDIA_FRAMES - CLIP_FRAMES)
        clip = otio.schema.Clip(name=f"clip {number}", source_range=frames(first, CLIP_FRAMES))
        clip.media_reference = otio.schema.ExternalReference(
            target_url=media[number % len(media)].as_uri(), available_range=frames(0, MEDIA_FRAMES)
        )
        track.append(clip)
    otio.adapters.write_to_file(timeline, str(target))


@dataclass
class Watched:
    """What was seen of the processes of one render. `seconds` is by process id: a worker that is replaced counts too."""

    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ROLES, 0.0))
    moments: list[dict[str, object]] = field(default_factory=list)

    def look(self, client_pid: int, server_pid: int) -> dict[str, float]:
        """Note what each process has used so far; returns its memory."""
        resident: dict[str, float] = dict.fromkeys(ROLES, 0.0)
        for role, pid in list_processes(client_pid, server_pid):
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                continue  # it has ended
            self.seconds[role, pid] = times.user + times.system
            resident[role] += memory.rss / 1e6
        for role, size_mb in resident.items():
            self.peak_mb[role] = max(self.peak_mb[role], round(size_mb, 1))
        return resident

    def total_s(self, role: str) -> float:
        return round(sum(seconds for (name, _), seconds in self.seconds.items() if name == role), 2)


def list_processes(client_pid: int, server_pid: int) -> list[tuple[str, int]]:
    try:
        workers = [child.pid for child in psutil.Process(server_pid).children(recursive=True)]
    except psutil.Error:
        workers = []
    return [("client", client_pid), ("server", server_pid), *(("worker", pid) for pid in workers)]


def render(cut: Path, paths: AppPaths, *, num_tracks: int) -> dict[str, object]:
    """Render the cut by the command line, and watch it. Raises CalledProcessError."""
    tracks = [f"--track=Track {number}=sound {number}" for number in range(1, num_tracks + 1)]
    output = cut.with_name("out.otio")
    command = [sys.executable, "-m", "selva_cli", "render", str(cut), "-o", str(output), *tracks]
    server_pid = read_connection(paths.connection_file).pid
    watched, before = Watched(), Watched()
    begun_s = time.monotonic()
    with (cut.parent / "log.txt").open("wb") as log:
        client = subprocess.Popen([*command, "--model", "selva-echo"], stdout=log, stderr=log)
        before.look(client.pid, server_pid)
        while client.poll() is None:
            resident = watched.look(client.pid, server_pid)
            took_s = time.monotonic() - begun_s
            if took_s > 2 * LOOK_EVERY_S * len(watched.moments):
                watched.moments.append(describe_moment(took_s, resident, cut.parent / "stems"))
            time.sleep(LOOK_EVERY_S)
    watched.look(client.pid, server_pid)
    if client.returncode:
        print((cut.parent / "log.txt").read_text(encoding="utf-8")[-3000:], file=sys.stderr)
        raise subprocess.CalledProcessError(client.returncode, command)
    seconds = {role: round(watched.total_s(role) - before.total_s(role), 2) for role in ROLES}
    return {
        "wall_s": round(time.monotonic() - begun_s, 1),
        "processor_s": {**seconds, "client": watched.total_s("client")},
        "peak_mb": watched.peak_mb,
        "moments": thin_out(watched.moments),
    }


def describe_moment(took_s: float, resident: dict[str, float], stems: Path) -> dict[str, object]:
    count = sum(entry.name.endswith(".wav") for entry in os.scandir(stems)) if stems.is_dir() else 0
    return {"s": round(took_s, 1), "stems": count, **{role: round(mb) for role, mb in resident.items()}}


def thin_out(moments: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """At most MAX_MOMENTS of them, evenly apart, with the last."""
    if len(moments) <= MAX_MOMENTS:
        return list(moments)
    last = len(moments) - 1
    return [moments[last * number // (MAX_MOMENTS - 1)] for number in range(MAX_MOMENTS)]


def measure(folder: Path, *, num_clips: int, num_tracks: int, num_media: int, times: int) -> list[object]:
    paths = isolated_paths(folder)
    for name, path in (("STATE", paths.state), ("CACHE", paths.cache), ("CONFIG", paths.config)):
        os.environ[f"SELVA_{name}_DIR"] = str(path)
    media = [
        write_clip(folder / f"reel {number}.mp4", num_frames=MEDIA_FRAMES) for number in range(num_media)
    ]
    write_cut(folder / "cut.otio", num_clips=num_clips, media=media)
    start_daemon(paths)
    try:
        return [render(folder / "cut.otio", paths, num_tracks=num_tracks) for _ in range(times)]
    finally:
        stop_daemon(paths)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 3000, 10_000])
    parser.add_argument("--tracks", type=int, default=1)
    parser.add_argument("--media", type=int, default=50, help="number of media files")
    parser.add_argument("--times", type=int, default=1, help="renders of each cut, one after another")
    options = parser.parse_args(arguments)
    rows = {}
    for number in options.clips:
        folder = Path(tempfile.mkdtemp(prefix="selva-whole-render-"))
        try:
            rows[number] = measure(
                folder,
                num_clips=number,
                num_tracks=options.tracks,
                num_media=options.media,
                times=options.times,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"tracks": options.tracks, "renders": rows, **describe_machine()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is recorded beside every figure: machine, versions, commit, and the most memory that a process had."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
_WATCH_INTERVAL_S = 0.02


def peak_resident_mb() -> float:
    """The most memory that this process has had resident so far, by the operating system, in MB of 10^6 bytes."""
    if sys.platform == "win32":
        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource  # noqa: PLC0415 - not on Windows

    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes / 1e6, 1)


def run_watched(command: Sequence[str], environment: dict[str, str]) -> tuple[str, float]:
    """Run a process to its end; returns what it printed, and the most memory that was its own, in MB of 10^6 bytes.

    Pages of mapped files are not its own: the system takes them back when others need the room. Raises CalledProcessError.
    """
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak_mb, has_ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak_mb
        try:
            watched = psutil.Process(process.pid)
            while not has_ended.wait(_WATCH_INTERVAL_S):
                peak_mb = max(peak_mb, _private_mb(watched))
        except psutil.Error:
            return  # it has ended

    watcher = threading.Thread(target=watch, name="memory", daemon=True)
    watcher.start()
    printed, _ = process.communicate()
    has_ended.set()
    watcher.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed, round(peak_mb, 1)


def _private_mb(process: psutil.Process) -> float:
    """On Linux without reading the map of the whole process, which takes long where gigabytes are mapped."""
    if sys.platform.startswith("linux"):
        memory = process.memory_info()
        return float(memory.rss - memory.shared) / 1e6
    return float(process.memory_full_info().uss) / 1e6


def commit() -> str:
    """The commit of this checkout, with "+" where files were changed since; empty outside of a checkout."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def describe_run() -> dict[str, object]:
    """Machine, load, versions and commit, for one JSON object."""
    packages = ("selva-bridge", "torch", "numpy", "av")
    return {
        "commit": commit(),
        "system": platform.platform(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in psutil.getloadavg()],
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def _processor_name() -> str:
    """Linux names it in /proc/cpuinfo only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

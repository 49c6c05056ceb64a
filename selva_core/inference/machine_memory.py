"""How much memory this process may still take, also where a container allows less than the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

PROC, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def find_available_bytes(*, own_groups: Path = PROC, groups: Path = CGROUPS) -> int:
    """What the system says is available, files that are only cached included, and within the limit of each control group
    (Linux: containers, `systemd-run -p MemoryMax=`) that this process is in.
    """
    available = int(psutil.virtual_memory().available)
    return min([available, *_iter_group_rooms(own_groups, groups)])


def _iter_group_rooms(own_groups: Path, groups: Path) -> Iterator[int]:
    """What is left in the control groups of this process, version 2; in a container its own is the root."""
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return  # another system than Linux
    name = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    folder = groups / name.lstrip("/")
    for each in (folder, *(parent for parent in folder.parents if parent.is_relative_to(groups))):
        try:
            limit = int((each / "memory.max").read_text())
            used = int((each / "memory.current").read_text())
            cached = _read_row(each / "memory.stat", "inactive_file")
        except (OSError, ValueError):
            continue  # no limit ("max"), or no such group here
        yield max(limit - used + cached, 0)


def _read_row(file: Path, name: str) -> int:
    rows = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return next((int(row[1]) for row in rows if len(row) == 2 and row[0] == name), 0)

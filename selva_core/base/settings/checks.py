"""What is wrong with the value of a setting beyond its type: the end of a sentence that begins with its name, or None."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from selva_core.base.limits import MAX_SEPARATION
from selva_core.base.settings.watched_folder import WatchedFolder

MIN_PORT, MAX_PORT = 1024, 65535
LOCAL, OWN_RAY = "local", "ray"
"""Values of `executor`: without Ray, and with one that the daemon starts for itself."""
_CLUSTER = re.compile(r"(ray://)?([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}", re.ASCII)
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


def device_problem(value: str) -> str | None:
    if all(_DEVICE.fullmatch(device.strip()) for device in value.split(",")):
        return None
    return f"is auto, cpu, cuda, cuda:0 or mps, several with commas; got {value!r}"


def executor_problem(value: str) -> str | None:
    if value in (LOCAL, OWN_RAY):
        return None
    if _CLUSTER.fullmatch(value):
        port = int(value.rpartition(":")[2])
        return None if 1 <= port <= MAX_PORT else f"has a port from 1 to {MAX_PORT}; got {value!r}"
    return (
        f"is {LOCAL} (this machine's devices), {OWN_RAY} (the same through Ray), HEAD:PORT (a Ray cluster that this machine "
        f"belongs to) or ray://HEAD:PORT (one that it does not); got {value!r}"
    )


def keep_alive_problem(value: float) -> str | None:
    return None if value >= 0 or value == -1 else f"is -1 (for ever) or 0 and more; got {value:g}"


def share_problem(value: float) -> str | None:
    return None if 0 <= value <= 1 else f"is 0 to 1; got {value:g}"


def separation_problem(value: float) -> str | None:
    return None if 0 <= value <= MAX_SEPARATION else f"is 0 to {MAX_SEPARATION:g}; got {value:g}"


def port_problem(value: int) -> str | None:
    if value == 0 or MIN_PORT <= value <= MAX_PORT - 2:
        return None
    return f"is 0 (the system chooses) or {MIN_PORT} to {MAX_PORT - 2}; got {value}"


def address_problem(value: str) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return f"is an IP address such as 127.0.0.1; got {value!r}"
    return None


def folders_problem(value: tuple[str, ...]) -> str | None:
    if all(Path(folder).is_absolute() for folder in value):
        return None
    return f"are absolute paths; got {list(value)}"


def watched_twice_problem(value: tuple[WatchedFolder, ...]) -> str | None:
    paths = [each.path for each in value]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    return None if twice is None else f"names {twice} twice"

"""Reading media files, in a process of its own: `python -m selva_render.media_process`, JSON in and JSON out.

A client so loads no decoder and need not wait for a busy daemon, and a file that crashes the decoder ends that process
alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.child_process import ChildTaskError, run_json_task
from selva_core.base.errors import MediaUnreadableError, OutputError, SelvaError
from selva_core.base.media import MediaInfo, PictureRange
from selva_daemon.protocol.errors import from_wire, to_wire
from selva_daemon.protocol.picture import parse_media_range, picture_to_wire

PROBE_TIMEOUT_S = 60.0
PROXIES_PER_PROCESS = 64
"""A crash loses no more than these, and starting a process (0.3 s) is paid once for so many."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """What a range of a media file shows, retimed, and where the small movie of it goes."""

    picture: PictureRange
    target: Path


def probe_media_in_process(path: Path) -> MediaInfo:
    """What a media file holds. Raises MediaError as `selva_core.video.probe.probe_media` does."""
    reply = _run_task({"task": "probe", "path": str(path)}, reading=path, timeout_s=PROBE_TIMEOUT_S)
    frame_rate_hz = reply["frame_rate_hz"]
    return MediaInfo(
        path=path,
        duration_s=Fraction(reply["duration_s"]),
        frame_rate_hz=None if frame_rate_hz is None else Fraction(frame_rate_hz),
        timecode=reply["timecode"],
        warnings=tuple(reply["warnings"]),
    )


def write_proxies(proxies: Sequence[Proxy]) -> None:
    """Write them all; folders are made. Raises MediaError and OutputError at the first that cannot be written."""
    for first in range(0, len(proxies), PROXIES_PER_PROCESS):
        part = proxies[first : first + PROXIES_PER_PROCESS]
        rows = [{"picture": picture_to_wire(proxy.picture), "target": str(proxy.target)} for proxy in part]
        _run_task({"task": "proxies", "proxies": rows}, reading=part[0].picture.path)


def _run_task(task: Mapping[str, Any], *, reading: Path, timeout_s: float | None = None) -> Mapping[str, Any]:
    """Do a task in a new process. reading: the file to name when that process crashes. Raises what it reports."""
    try:
        reply = run_json_task("selva_render.media_process", task, timeout_s=timeout_s)
    except ChildTaskError as exc:
        if exc.status is None:
            raise MediaUnreadableError(
                f"{reading} was not read within {timeout_s:g} s", path=str(reading)
            ) from exc
        or_later = " (or one after it)" if len(task.get("proxies", ())) > 1 else ""
        wrote = f": {exc.last_line}" if exc.last_line else ""
        raise MediaUnreadableError(
            f"{reading}{or_later} crashed its reader (status {exc.status}{wrote})", path=str(reading)
        ) from exc
    if "error" in reply:
        raise from_wire(reply["error"])
    return reply


def _perform(task: Mapping[str, Any]) -> dict[str, Any]:
    """In the process of its own: do a task, and describe its result or its error."""
    try:
        if task["task"] == "probe":
            return _describe_media(Path(task["path"]))
        _write_proxies(task["proxies"])
    except SelvaError as exc:
        return {"error": to_wire(exc)}
    return {}


def _describe_media(path: Path) -> dict[str, Any]:
    from selva_core.video.probe import probe_media  # noqa: PLC0415 - loads a decoder, only in this process

    info = probe_media(path)
    return {
        "duration_s": str(info.duration_s),
        "frame_rate_hz": None if info.frame_rate_hz is None else str(info.frame_rate_hz),
        "timecode": info.timecode,
        "warnings": list(info.warnings),
    }


def _write_proxies(rows: Sequence[Mapping[str, Any]]) -> None:
    from selva_core.video.proxy import write_proxy  # noqa: PLC0415 - loads a decoder, only in this process

    for row in rows:
        target = Path(row["target"])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"cannot make the folder {target.parent}: {exc.strerror or exc}") from exc
        write_proxy(parse_media_range(row["picture"]), target)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_perform(json.load(sys.stdin))))

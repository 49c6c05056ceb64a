"""What a media file holds, asked from a process that may not load a decoder.

Reading it takes a short-lived process of its own (`python -m selva_render.probing FILE`), so that a client
stays light, a busy daemon is not waited for, and a file that crashes the decoder takes nobody with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.child_process import popen_options, python_executable
from selva_core.base.errors import MediaUnreadableError, SelvaError
from selva_core.base.media import MediaInfo
from selva_daemon.protocol.errors import from_wire, to_wire

PROBE_TIMEOUT_S = 60.0


def probe_in_process(path: Path) -> MediaInfo:
    """Ask a process of its own. Raises MediaError as `selva_core.video.probe.probe_media` does."""
    command = [python_executable(), "-m", "selva_render.probing", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, the path is one argument
            command,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            **popen_options(),
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as exc:
        raise MediaUnreadableError(
            f"{path} was not read within {PROBE_TIMEOUT_S:g} s", path=str(path)
        ) from exc
    except ValueError as exc:
        raise MediaUnreadableError(
            f"{path} crashed its reader (status {done.returncode})", path=str(path)
        ) from exc
    if "error" in answer:
        raise from_wire(answer["error"])
    return MediaInfo(
        path=path,
        duration_s=Fraction(answer["duration_s"]),
        frame_rate_hz=None if answer["frame_rate_hz"] is None else Fraction(answer["frame_rate_hz"]),
        timecode=answer["timecode"],
    )


def _describe(path: Path) -> dict[str, Any]:
    from selva_core.video.probe import probe_media  # noqa: PLC0415 - only here, in a process of its own

    try:
        info = probe_media(path)
    except SelvaError as exc:
        return {"error": to_wire(exc)}
    return {
        "duration_s": str(info.duration_s),
        "frame_rate_hz": None if info.frame_rate_hz is None else str(info.frame_rate_hz),
        "timecode": info.timecode,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_describe(Path(sys.argv[1]))))

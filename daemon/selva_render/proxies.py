"""Small copies of what clips show, made in a process of its own (`python -m selva_render.proxies`).

Like probing: a client loads no decoder, and a file that crashes one takes nobody with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.child_process import popen_options, python_executable
from selva_core.base.errors import MediaUnreadableError, SelvaError
from selva_core.base.media import PictureRange
from selva_daemon.protocol.errors import from_wire, to_wire
from selva_daemon.protocol.job import parse_media_range, picture_to_wire

CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A range of a media file, retimed, and where its copy goes."""

    media: PictureRange
    target: Path

    def to_json(self) -> dict[str, Any]:
        return {"media": picture_to_wire(self.media), "target": str(self.target)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Proxy:
        return cls(media=parse_media_range(values["media"]), target=Path(values["target"]))


def write_proxies(copies: Sequence[Proxy]) -> None:
    """Write all copies; folders are made. Raises MediaError and OutputError at the first that cannot be written."""
    for first in range(0, len(copies), CHUNK):
        _run(copies[first : first + CHUNK])


def _run(copies: Sequence[Proxy]) -> None:
    asked = json.dumps([copy.to_json() for copy in copies])
    done = subprocess.run(  # noqa: S603 - our own interpreter, paths go through its standard input
        [python_executable(), "-m", "selva_render.proxies"],
        input=asked.encode(),
        capture_output=True,
        check=False,
        **popen_options(),
    )
    try:
        answer: Any = json.loads(done.stdout)
    except ValueError as exc:
        raise MediaUnreadableError(
            f"a small copy of {copies[0].media.path.name} or a clip after it crashed its reader (status {done.returncode})"
        ) from exc
    if "error" in answer:
        raise from_wire(answer["error"])


def _write(copies: Sequence[Proxy]) -> dict[str, Any]:
    from selva_core.base.media import PictureRange  # noqa: PLC0415 - only here, in a process of its own
    from selva_core.video.proxy import write_proxy  # noqa: PLC0415

    try:
        for copy in copies:
            copy.target.parent.mkdir(parents=True, exist_ok=True)
            media = copy.media
            picture = PictureRange(
                path=media.path,
                start_s=media.start_s,
                duration_s=media.duration_s,
                speed=media.speed,
                images=media.images,
            )
            write_proxy(picture, copy.target)
    except SelvaError as exc:
        return {"error": to_wire(exc)}
    return {}


if __name__ == "__main__":
    asked_for = [Proxy.from_json(values) for values in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(_write(asked_for)))

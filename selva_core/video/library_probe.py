"""`python -m selva_core.video.library_probe`: the media libraries and what they can decode, as one JSON object. A program of
its own, so that a library that cannot be loaded ends nothing else.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

LIBRARIES = (
    *("av", "soundfile", "soxr", "opentimelineio", "zmq", "msgspec", "numpy"),
    *("safetensors", "tokenizers"),
)
DECODERS = ("h264", "hevc", "prores", "dnxhd", "mpeg2video", "mjpeg", "vp9", "av1", "png", "exr")
"""What cuts are made of most: camera and delivery codecs, the intermediate ones of edit suites, image sequences."""


def probe() -> dict[str, Any]:
    """Versions by library, errors of those that do not load, and the decoders that FFmpeg lacks here."""
    versions: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            module = importlib.import_module(name)
            versions[name] = str(getattr(module, "__version__", "?"))
        except Exception as exc:
            errors[name] = f"{type(exc).__name__}: {exc}"
    return {"versions": versions, "errors": errors, "missing_decoders": [] if errors else _missing_decoders()}


def _missing_decoders() -> list[str]:
    import av  # noqa: PLC0415
    from av.codec.codec import UnknownCodecError  # noqa: PLC0415

    missing = []
    for name in DECODERS:
        try:
            av.Codec(name, "r")
        except UnknownCodecError:
            missing.append(name)
    return missing


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe()) + "\n")

"""The last check: one second of sound with selva-nano, the whole way from a picture to a file, with a daemon of its own."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from selva_cli.doctor.finding import Finding, System, run_module
from selva_core.base.command_line import reinstall_command, selva_command

LIMIT_S = 120.0
_STOP_LIMIT_S = 30.0
_SIDE, _NUM_FRAMES, _RATE_HZ = 96, 25, 25
_PROMPT = "knocking on wood"


def check_render(system: System) -> Iterator[Finding]:
    """Render a second in a temporary folder. The user's daemon, queue and caches are not touched."""
    folder = Path(tempfile.mkdtemp(prefix="selva-doctor-"))
    variables = build_variables(folder)
    try:
        write_frames(folder / "picture")
        command = run_module(
            *(
                "selva_cli",
                "stems",
                str(folder / "picture" / "frame.%04d.png"),
                "--frame-rate",
                str(_RATE_HZ),
            ),
            *("-o", str(folder / "stems"), "--track", f"Trial={_PROMPT}", "--model", "selva-nano", "--json"),
        )
        started_s = system.clock()
        answer = system.run(command, LIMIT_S, variables)
        elapsed_s = system.clock() - started_s
        stems = list((folder / "stems").glob("*.wav"))
        if answer.status == 0 and stems:
            text = f"one second with selva-nano in {elapsed_s:.1f} s, from start to stem"
            yield Finding(title="Trial render", text=text)
        else:
            cause = _describe_error(answer.stdout, answer.stderr)
            text = f"No stem was made: {cause}"
            remedy = selva_command("doctor", "--report", "selva-doctor.zip")
            if "installation-broken" in answer.stdout:
                remedy = reinstall_command()
            yield Finding(title="Trial render", text=text, level="fault", remedy=remedy)
    finally:
        system.run(run_module("selva_cli", "daemon", "stop"), _STOP_LIMIT_S, variables)
        shutil.rmtree(folder, ignore_errors=True)


def build_variables(folder: Path) -> Mapping[str, str]:
    """A daemon of its own: its own folders, and none of the ports and addresses that the user's daemon may have."""
    return {
        "SELVA_STATE_DIR": str(folder / "state"),
        "SELVA_CACHE_DIR": str(folder / "cache"),
        "SELVA_OUTPUT_FOLDERS": str(folder),
        "SELVA_LISTEN": "127.0.0.1",
        "SELVA_PORT": "0",
        "SELVA_CONNECTION_FILE": "",
    }


def write_frames(folder: Path) -> None:
    """A light square that moves through a dark picture, as PNG files (ISO/IEC 15948); written here, because the command line
    loads no media library.
    """
    folder.mkdir(parents=True)
    for index in range(_NUM_FRAMES):
        left = index * (_SIDE - 24) // _NUM_FRAMES
        rows = (
            b"\x00" + bytes(220 if left <= x < left + 24 and 36 <= y < 60 else 30 for x in range(_SIDE))
            for y in range(_SIDE)
        )
        header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
        content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)
        (folder / f"frame.{index:04d}.png").write_bytes(content)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _describe_error(output: str, errors: str) -> str:
    try:
        found = json.loads(output.strip().rpartition("\n")[2])
        return str(found["error"]["message"])
    except (ValueError, KeyError, TypeError):
        lines = [line for line in errors.strip().splitlines() if line.strip()]
        return lines[-1].removeprefix("selva: ") if lines else f"nothing came within {LIMIT_S:g} s"

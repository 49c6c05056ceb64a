"""A report that people read: one HTML file with the picture strip, where each prompt was seen, the waveforms and players.

It needs nothing beside it: pictures and sound are inside, the sound as AAC, which every browser plays, until MAX_SOUND_S; stems
beyond that are played from their files. It is built in a process of its own, `python -m selva_render.report_page`, JSON in and
JSON out: it decodes media, and a file that crashes the decoder ends that process alone.
"""

from __future__ import annotations

import base64
import html
import json
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from selva_core.base.atomic_write import write_atomic
from selva_core.base.child_process import ChildTaskError, run_json_task
from selva_core.base.errors import MediaUnreadableError, SelvaError
from selva_daemon.protocol.errors import from_wire, to_wire

if TYPE_CHECKING:
    from selva_render.overview import DrawnStem, SeenFrame, StemRow, StripFrame
    from selva_render.overview_sources import Overview

MAX_SOUND_S = 1_800.0
PAGE_TIMEOUT_S = 900.0
_COLOURS = ("#2f7f79", "#b5562d", "#4b5fa8", "#8a6d1d", "#7a3f73", "#3d7a34")
_WAVE_HEIGHT = 60
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #66727f; --paper: #fbfaf7; --line: #d9d5cb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e3dc; --quiet: #98a2ad; --paper: #14181d; --line: #333a42; } }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; }
p { margin: .2rem 0; } .quiet { color: var(--quiet); }
.axis { position: relative; width: 100%; } .strip, .seen { height: 5rem; background: #10151b; } .seen { height: 3.6rem; }
.strip > i, .seen > i { position: absolute; top: 0; bottom: 0; background-size: 100% 100%; }
.seen > i { filter: grayscale(1) brightness(.55); } .seen > img { position: absolute; top: 0; height: 100%; }
svg { display: block; width: 100%; height: 4.5rem; border-bottom: 1px solid var(--line); }
.players { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .6rem 1.2rem; margin: .6rem 0; }
.players audio { width: 100%; } ul { padding-left: 1.2rem; }
"""


def write_page_in_process(
    timeline: Path, out: Path, *, notes: Sequence[str], moves: Sequence[tuple[Path, Path]] = ()
) -> None:
    """Write the page of a timeline with stems. notes: lines below its title. moves: see `staged_media`.

    Raises TimelineError, OutputError, MediaUnreadableError where the process crashed or took PAGE_TIMEOUT_S.
    """
    task = {
        "timeline": str(timeline),
        "out": str(out),
        "notes": list(notes),
        "moves": [[str(last), str(now)] for last, now in moves],
    }
    try:
        reply = run_json_task("selva_render.report_page", task, timeout_s=PAGE_TIMEOUT_S)
    except ChildTaskError as exc:
        if exc.status is None:
            raise MediaUnreadableError(
                f"the page of {timeline.name} was not made in {PAGE_TIMEOUT_S:g} s"
            ) from exc
        raise MediaUnreadableError(f"the page of {timeline.name} could not be made: {exc.last_line}") from exc
    if "error" in reply:
        raise from_wire(reply["error"])


def build_page(overview: Overview, notes: Sequence[str]) -> str:
    """The page as HTML."""
    end_s = max(overview.end_s, 1e-6)
    sounds = _SoundBudget()
    frames = {id(frame): f"f{index}" for index, frame in enumerate(overview.strip)}
    rules = "\n".join(
        f".{frames[id(frame)]} {{ background-image: url({_png_url(frame.rgb)}) }}" for frame in overview.strip
    )
    body = [
        f"<h1>{html.escape(overview.title)}</h1>",
        *(f'<p class="quiet">{html.escape(note)}</p>' for note in notes),
        '<h2>Picture</h2><div class="axis strip">',
        *(f'<i class="{frames[id(frame)]}" style="{_span(frame, end_s)}"></i>' for frame in overview.strip),
        "</div>",
    ]
    for index, row in enumerate(overview.rows):
        body.extend(_iter_row(row, end_s, _COLOURS[index % len(_COLOURS)], frames, sounds))
    if overview.missing:
        body.append("<h2>Not found</h2><ul>")
        body.extend(f"<li>{html.escape(line)}</li>" for line in overview.missing)
        body.append("</ul>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(overview.title)}</title><style>{_STYLE}{rules}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _iter_row(
    row: StemRow, end_s: float, colour: str, frames: dict[int, str], sounds: _SoundBudget
) -> Iterator[str]:
    yield f"<h2>{html.escape(row.track)}</h2><p>“{html.escape(row.prompt)}”</p>"
    if row.seen:
        yield '<div class="axis seen" aria-label="where the prompt was seen">'
        for seen in row.seen:
            yield f'<i class="{frames.get(id(seen.frame), "")}" style="{_span(seen.frame, end_s)}"></i>'
            yield f'<img alt="" style="{_span(seen.frame, end_s)}" src="{_heat_url(seen, colour)}">'
        yield "</div>"
    yield f'<svg viewBox="0 0 1000 {_WAVE_HEIGHT + 24}" preserveAspectRatio="none" role="img" aria-label="waveforms">'
    peak = max((float(np.abs(stem.envelope).max(initial=0.0)) for stem in row.stems), default=0.0)
    for stem in row.stems:
        yield from _iter_wave(stem, end_s, max(peak, 1e-6), colour)
    yield '</svg><div class="players">'
    for stem in row.stems:
        yield _player(stem, sounds)
    yield "</div>"


def _iter_wave(stem: DrawnStem, end_s: float, peak: float, colour: str) -> Iterator[str]:
    left, right = 1000 * stem.record_start_s / end_s, 1000 * stem.record_end_s / end_s
    top, middle = 24, 24 + _WAVE_HEIGHT / 2
    yield f'<rect x="{left:.2f}" y="{top}" width="{right - left:.2f}" height="{_WAVE_HEIGHT}" fill="{colour}" opacity=".1"/>'
    low, high = stem.envelope / peak
    at = np.linspace(left, right, len(low))
    points = [f"{x:.1f},{middle - y * _WAVE_HEIGHT / 2:.1f}" for x, y in zip(at, high, strict=True)]
    points += [
        f"{x:.1f},{middle - y * _WAVE_HEIGHT / 2:.1f}" for x, y in zip(at[::-1], low[::-1], strict=True)
    ]
    yield f'<polygon points="{" ".join(points)}" fill="{colour}"/>'
    if stem.presence is not None and len(stem.presence):
        at = np.linspace(left, right, len(stem.presence))
        line = " ".join(f"{x:.1f},{20 - 18 * y:.1f}" for x, y in zip(at, stem.presence, strict=True))
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1" vector-effect="non-scaling-stroke"/>'


def _player(stem: DrawnStem, sounds: _SoundBudget) -> str:
    span = f"{stem.record_start_s:.2f} s to {stem.record_end_s:.2f} s"
    if stem.is_silenced:
        return f'<p class="quiet">{span}: not seen in the picture, so silent</p>'
    if stem.file is None:
        return ""
    source = sounds.embed(stem.file, stem.record_end_s - stem.record_start_s)
    name = html.escape(stem.file.name)
    return (
        f'<figure style="margin:0"><figcaption class="quiet">{span} · {name}</figcaption>'
        f'<audio controls preload="none" src="{source}"></audio></figure>'
    )


class _SoundBudget:
    """Puts sound into the page until there is enough of it; later stems are played from their files."""

    def __init__(self) -> None:
        self._left_s = MAX_SOUND_S

    def embed(self, file: Path, duration_s: float) -> str:
        """What an audio element plays."""
        from selva_core.audio.aac import encode_aac  # noqa: PLC0415 - loads a codec, only in the process of its own

        if duration_s <= self._left_s:
            self._left_s -= duration_s
            return f"data:audio/mp4;base64,{base64.b64encode(encode_aac(file)).decode()}"
        return f"stems/{quote(file.name)}"


def _span(frame: StripFrame, end_s: float) -> str:
    left, width = frame.record_start_s / end_s, (frame.record_end_s - frame.record_start_s) / end_s
    return f"left:{100 * left:.3f}%;width:{100 * width:.3f}%"


def _heat_url(seen: SeenFrame, colour: str) -> str:
    rgba = np.empty((*seen.heat.shape, 4), np.uint8)
    rgba[..., :3] = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    rgba[..., 3] = np.clip(seen.heat * 217, 0, 255).astype(np.uint8)
    return _png_url(rgba)


def _png_url(pixels: npt.NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(pixels)).decode()}"


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """pixels: uint8 (H, W, 3) or (H, W, 4); PNG, second edition (ISO/IEC 15948)."""
    height, width, channels = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * channels)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if channels == 4 else 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _perform(task: dict[str, Any]) -> dict[str, Any]:
    """In the process of its own."""
    from selva_otio.picture.staged_media import staged_media  # noqa: PLC0415 - only in this process
    from selva_render.overview_sources import collect_overview  # noqa: PLC0415

    try:
        with staged_media(*((Path(last), Path(now)) for last, now in task["moves"])):
            overview = collect_overview(Path(task["timeline"]))
            write_atomic(
                Path(task["out"]), build_page(overview, task["notes"]).encode("utf-8", "backslashreplace")
            )
    except SelvaError as exc:
        return {"error": to_wire(exc)}
    return {}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_perform(json.load(sys.stdin))))

"""The page to send: one HTML file with the picture, the stems and a form for notes, which opens anywhere without a network."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile

from selva_panel.delivery.chosen import ChosenStems, ChosenTake
from selva_panel.errors import PanelError
from selva_panel.session.records import NOTES_SCHEMA
from selva_panel.timeline.cut import Cut

MAX_EXPORT_S = 30 * 60
"""A page holds its picture in one piece: 30 minutes are about 150 MB."""
_TEMPLATES = Path(__file__).resolve().parent / "page"


def check_length(cut: Cut) -> None:
    """Raises PanelError for a cut that is too long for one page."""
    seconds = cut.duration_frames / cut.clock.frame_rate_hz
    if seconds > MAX_EXPORT_S:
        raise PanelError(
            f"a page holds {MAX_EXPORT_S // 60} minutes at most, and this cut lasts {float(seconds) / 60:.0f}; "
            "open the panel for a part of it, and export that"
        )


def build_page(cut: Cut, chosen: ChosenStems, *, session_id: str, movie: Path) -> bytes:
    """The file's content. movie: the whole cut as a small movie. Raises OSError where a stem cannot be read."""
    first = cut.clock.start_frame
    rows: dict[str, dict[str, str]] = {}
    for take in chosen.takes:
        rows.setdefault(
            take.stem.row_id, {"id": take.stem.row_id, "name": take.cue.track, "prompt": take.stem.prompt}
        )
    data = {
        "schema": NOTES_SCHEMA,
        "session": session_id,
        "cut": cut.name,
        "rate": [cut.clock.frame_rate_hz.numerator, cut.clock.frame_rate_hz.denominator],
        "drop_frame": cut.clock.drop_frame,
        "start_frames": first,
        "duration_frames": cut.duration_frames,
        "rows": list(rows.values()),
        "stems": [_describe(take) for take in chosen.takes],
        "picture": base64.b64encode(movie.read_bytes()).decode("ascii"),
    }
    return _fill(data, title=cut.name)


def _describe(take: ChosenTake) -> dict[str, Any]:
    stem = take.stem
    return {
        "id": stem.id,
        "row": stem.row_id,
        "clip": stem.clip_id,
        "take": stem.take,
        "active": take.is_active,
        "choice": stem.choice,
        "gain_db": take.cue.gain_db,
        "start_frame": stem.start_frames,
        "start_s": stem.start_sample / stem.sample_rate_hz,
        "offset_s": stem.offset_samples / stem.sample_rate_hz,
        "duration_s": stem.length_samples / stem.sample_rate_hz,
        "sound": base64.b64encode(_compress(Path(stem.file))).decode("ascii"),
    }


def _compress(file: Path) -> bytes:
    """FLAC of 16 bits: every browser decodes it, and begins with the first sample, which AAC and MP3 do not."""
    samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _fill(data: Mapping[str, Any], *, title: str) -> bytes:
    """The template with everything in it. Names and prompts are text in it: as JSON without "<", and escaped in the title."""
    style, script = (_read(name) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; media-src blob:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    content = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"policy": policy, "title": html.escape(title), "style": style, "script": script, "data": content}
    pieces: Sequence[str] = _read("page.html").split("@")
    return "".join(
        parts.get(piece, piece) if index % 2 else piece for index, piece in enumerate(pieces)
    ).encode()


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Of an inline element, as a Content Security Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"

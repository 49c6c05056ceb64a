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
from selva_panel.errors import PanelError, PanelRequestError
from selva_panel.session.records import NOTES_SCHEMA
from selva_panel.timeline.cut import Cut

MAX_EXPORT_S = 60 * 60
"""An hour of picture is about 300 MB. Chromium shows no picture of 600 MB where it keeps no files, as in a private window."""
PIECE_BYTES = 24 * 1024 * 1024
"""Of the picture, in one element: browsers hold no text of more than 512 MiB."""
LANGUAGES = ("en", "de", "ja")
STRINGS_PREFIX = "sent."
_TEMPLATES = Path(__file__).resolve().parent / "page"
_STRINGS = Path(__file__).resolve().parents[1] / "static" / "strings"


def check_length(cut: Cut) -> None:
    """Raises PanelError for a cut that is too long for one page."""
    seconds = cut.duration_frames / cut.clock.frame_rate_hz
    if seconds > MAX_EXPORT_S:
        raise PanelError(
            f"a page holds {MAX_EXPORT_S // 60} minutes at most, and this cut lasts {float(seconds) / 60:.0f}; "
            "open the panel for a part of it, and export that"
        )


def write_page(
    target: Path, cut: Cut, chosen: ChosenStems, *, session_id: str, movie: Path, language: str
) -> None:
    """Write the file. movie: the whole cut as a small movie. language: of LANGUAGES.

    Picture and sounds go from file to file, a piece at a time. Raises OSError where one cannot be read or written.
    """
    strings = read_strings(language)
    rows: dict[str, dict[str, str]] = {}
    for take in chosen.takes:
        rows.setdefault(
            take.stem.row_id, {"id": take.stem.row_id, "name": take.cue.track, "prompt": take.stem.prompt}
        )
    num_pieces = -(-movie.stat().st_size // PIECE_BYTES)
    data = {
        "schema": NOTES_SCHEMA,
        "session": session_id,
        "cut": cut.name,
        "rate": [cut.clock.frame_rate_hz.numerator, cut.clock.frame_rate_hz.denominator],
        "drop_frame": cut.clock.drop_frame,
        "start_frames": cut.clock.start_frame,
        "duration_frames": cut.duration_frames,
        "rows": list(rows.values()),
        "stems": [_describe(take, index) for index, take in enumerate(chosen.takes)],
        "pieces": num_pieces,
        "strings": {key.removeprefix(STRINGS_PREFIX): text for key, text in strings.items()},
    }
    before, after = _fill(data, strings, title=cut.name, language=language)
    with target.open("wb") as page:
        page.write(before)
        with movie.open("rb") as picture:
            for index in range(num_pieces):
                page.write(_media_element(f"picture-{index}", picture.read(PIECE_BYTES)))
        for index, take in enumerate(chosen.takes):
            page.write(_media_element(f"sound-{index}", _compress(Path(take.stem.file))))
        page.write(after)


def read_strings(language: str) -> dict[str, str]:
    """The page's own words in a language. Raises PanelRequestError."""
    if language not in LANGUAGES:
        raise PanelRequestError(f"a language is one of {', '.join(LANGUAGES)}; got {language!r:.20}")
    strings: dict[str, str] = json.loads((_STRINGS / f"{language}.json").read_text(encoding="utf-8"))
    own = {key: text for key, text in strings.items() if key.startswith(STRINGS_PREFIX)}
    button = strings["notes.import"].rstrip(" …")
    return own | {"sent.send_back": own["sent.send_back"].replace("{button}", button)}


def _media_element(element_id: str, content: bytes) -> bytes:
    """Data that no browser runs: a script of another kind."""
    text = base64.b64encode(content)
    return b'<script type="application/octet-stream" id="%b">%b</script>\n' % (element_id.encode(), text)


def _describe(take: ChosenTake, index: int) -> dict[str, Any]:
    """pan: seconds after the stem's start and -1 left to 1 right, as it is placed."""
    stem = take.stem
    offset_s = stem.offset_samples / stem.sample_rate_hz
    pan = stem.pan if stem.channels == 1 else []
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
        "offset_s": offset_s,
        "duration_s": stem.length_samples / stem.sample_rate_hz,
        "pan": [[round(seconds - offset_s, 4), round(side, 4)] for seconds, side in pan],
        "sound": f"sound-{index}",
    }


def _compress(file: Path) -> bytes:
    """FLAC of 16 bits: every browser decodes it, and begins with the first sample, which AAC and MP3 do not."""
    samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def _fill(
    data: Mapping[str, Any], strings: Mapping[str, str], *, title: str, language: str
) -> tuple[bytes, bytes]:
    """The template with everything in it but the media, which come between the two parts. Names and prompts are text in it: as
    JSON without "<", and escaped in the title.
    """
    style, script = (_read(name) for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; media-src blob:; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    content = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    parts = {key: html.escape(text) for key, text in strings.items()} | {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": content,
        "lang": language,
    }
    before, after = (_fill_part(part, parts) for part in _read("page.html").split("@media@\n"))
    return before, after


def _fill_part(template: str, parts: Mapping[str, str]) -> bytes:
    pieces: Sequence[str] = template.split("@")
    return "".join(
        parts.get(piece, piece) if index % 2 else piece for index, piece in enumerate(pieces)
    ).encode()


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Of an inline element, as a Content Security Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"

"""What can be measured of a stem against what the model saw: for the meters of the page, and the hints that follow from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from selva_core.audio.take_hints import TakeHints, measure_take
from selva_core.base.errors import SelvaError
from selva_core.base.evidence import Evidence
from selva_panel.session.records import StemRecord

LEAST_SYNC = 0.5
MOST_LEAK_DB = -10.0
"""Beyond these the page draws attention to a stem. They say where to listen, and nothing of how it sounds."""


def measure_stems(stems: Sequence[StemRecord], clip_ids: Collection[str]) -> dict[str, TakeHints]:
    """By the ids of the stems of these clips; siblings are other rows' stems of the same clip. Reads whole files.

    A stem whose file cannot be read is left out.
    """
    evidence = {stem.id: load_evidence(stem.evidence) for stem in stems if stem.clip_id in clip_ids}
    measured = {}
    for stem in stems:
        if stem.id not in evidence:
            continue
        siblings = {
            other.row_id: seen
            for other in stems
            if other.clip_id == stem.clip_id
            and other.row_id != stem.row_id
            and (seen := evidence[other.id]) is not None
        }
        try:
            measured[stem.id] = measure_take(Path(stem.file), evidence[stem.id], list(siblings.values()))
        except (OSError, ValueError, SelvaError):
            continue
    return measured


def load_evidence(path: str | None) -> Evidence | None:
    """None where there is none, or what is there is no evidence, as for a stem of another machine."""
    if path is None:
        return None
    try:
        return Evidence.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def note_measures(stem: StemRecord, hints: TakeHints) -> None:
    """Put what was measured into the stem, and a hint for each value that is beyond its limit and was not reported already."""
    values = (("sync", hints.sync, ""), ("leak", hints.leak_db, "dB"), ("peak", hints.peak_dbfs, "dBFS"))
    stem.measures = [
        {"name": name, "value": round(value, 3), "unit": unit}
        for name, value, unit in values
        if value is not None
    ]
    known = {hint["kind"] for hint in stem.hints if "value" not in hint}
    stem.hints = [hint for hint in stem.hints if "value" not in hint]
    stem.hints += [hint for hint in _list_hints(hints) if hint["kind"] not in known]


def _list_hints(hints: TakeHints) -> list[dict[str, Any]]:
    found = []
    if hints.sync is not None and hints.sync < LEAST_SYNC:
        text = f"{hints.sync:.0%} of what begins in the sound begins while the prompt is seen"
        found.append(_hint("sync", text, round(hints.sync, 3), ""))
    if hints.leak_db is not None and hints.leak_db > MOST_LEAK_DB:
        text = f"{hints.leak_db:.0f} dB of the sound lies where only other tracks' prompts are seen"
        found.append(_hint("leak", text, round(hints.leak_db, 1), "dB"))
    if hints.num_clipped:
        found.append(_hint("clipping", f"{hints.num_clipped} samples at full scale", hints.num_clipped, ""))
    return found


def _hint(kind: str, text: str, value: float, unit: str) -> dict[str, Any]:
    return {"kind": kind, "text": text, "seconds": [], "value": value, "unit": unit}

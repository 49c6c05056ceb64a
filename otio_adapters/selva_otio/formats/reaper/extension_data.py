"""What we know of our stems, kept where REAPER keeps it: in the EXT chunk of tracks and items.

REAPER saves these lines with the project and gives them to scripts as P_EXT. A track bears the mark that the REAPER
script of Selva sets too, so that the folder and its tracks are the same for both.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

FOLDER_MARK = "selva_folder"
TRACK_MARK = "selva_track"
FACTS_KEY = "selva_facts"
_MAX_MARK_CHARS = 1000
_MAX_PARTS = 10_000


def build_fact_marks(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as marks of an EXT chunk; long ones on several lines, for readers with short line buffers."""
    word = _encode(plain_value(facts))
    parts = [word[start : start + _MAX_MARK_CHARS] for start in range(0, len(word), _MAX_MARK_CHARS)]
    return {_part_key(number): part for number, part in enumerate(parts, start=1)}


def read_facts(marks: Mapping[str, str]) -> dict[str, Any]:
    """The facts in the marks of an EXT chunk; none where they are not ours."""
    word = ""
    for number in range(1, _MAX_PARTS):
        part = marks.get(_part_key(number))
        if part is None:
            break
        word += part
    return _decode(word)


def is_fact_key(key: str) -> bool:
    """Whether a line of an EXT chunk with this key holds facts."""
    return key == FACTS_KEY or key.startswith(f"{FACTS_KEY}_")


def _part_key(number: int) -> str:
    return FACTS_KEY if number == 1 else f"{FACTS_KEY}_{number}"


def _encode(facts: Mapping[str, Any]) -> str:
    """One word without blanks or quotes."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _decode(word: str) -> dict[str, Any]:
    """The facts in a word; none where it is not one of ours."""
    try:
        facts = json.loads(base64.urlsafe_b64decode(word.encode()))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def plain_value(value: Any) -> Any:
    """A value of OpenTimelineIO's metadata as plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    try:
        return [plain_value(inner) for inner in value]
    except TypeError:
        return str(value)

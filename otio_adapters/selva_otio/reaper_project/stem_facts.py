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


def encode_facts(facts: Mapping[str, Any]) -> str:
    """One word without blanks or quotes."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def decode_facts(word: str) -> dict[str, Any]:
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

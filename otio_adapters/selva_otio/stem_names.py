"""File names of stems: TRACK_CLIP_TAKE_TIMECODE, safe on Linux, macOS and Windows, and in URLs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

_MAX_TRACK_CHARS = 32
_MAX_CLIP_CHARS = 40
_FILE_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


def fold_name(text: str, *, max_chars: int, fallback: str) -> str:
    """ASCII letters, digits and single hyphens; accents are folded away, anything else becomes a hyphen.

    `fallback` stands in where nothing is left, as for a name in a script that has no ASCII form.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    folded = _UNSAFE.sub("-", ascii_text).strip("-")[:max_chars].strip("-")
    if not folded:
        return fallback
    return f"{folded}-x" if _WINDOWS_RESERVED.fullmatch(folded) else folded


def build_stem_name(*, track: str, clip: str, take: int, timecode: str) -> str:
    """A name without suffix, for instance "Dog_shot-A_t02_01-00-05-12"."""
    parts = [
        fold_name(track, max_chars=_MAX_TRACK_CHARS, fallback="track"),
        fold_name(_FILE_SUFFIX.sub("", clip), max_chars=_MAX_CLIP_CHARS, fallback="clip"),
        f"t{take:02}",
        fold_name(timecode, max_chars=16, fallback="0"),
    ]
    return "_".join(parts)


def ensure_unique(name: str, taken: Container[str]) -> str:
    """`name`, or `name-2`, `name-3` ... when it is taken (compared without case, as macOS and Windows do)."""
    candidate, count = name, 1
    while candidate.casefold() in taken:
        count += 1
        candidate = f"{name}-{count}"
    return candidate

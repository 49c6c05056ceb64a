"""File names of stems, safe on Linux, macOS and Windows: TRACK_CLIP_TAKE_TIMECODE, or as the Universal Category System
(UCS) writes them: CatID_FXName_CreatorID_SourceID_UserData.

Blocks are joined by "_" and have none inside. Letters and digits of every script stay; accents of Latin letters are removed,
because macOS stores names decomposed (NFD) and other systems composed. Everything else becomes a hyphen, so no dot, space or
reserved character can remain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

from selva_otio.placement.ucs import MAX_FX_NAME_CHARS, find_cat_id

NAMINGS = ("timecode", "ucs")
UCS_CREATOR_ID = "SELVA"
UCS_NO_SOURCE = "NONE"

_MAX_TRACK_BYTES = 32
_MAX_CLIP_BYTES = 40
_MAX_UCS_BLOCK_BYTES = 24
_MAX_TIMECODE_BYTES = 16
_FILE_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
# Devices on Windows, whatever suffix follows: "aux.wav" opens no file there.
_WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class NameParts:
    """What a stem's name is made of. clip: a clip's name, with or without a file suffix. timeline: the project or show."""

    track: str
    prompt: str
    clip: str
    take: int
    timecode: str
    timeline: str


def fold_name(text: str, *, max_chars: int, fallback: str) -> str:
    """A name of ASCII letters, digits and single hyphens; accents are removed, anything else becomes a hyphen.

    fallback: returned where nothing remains, as for a name in a script that has no ASCII form.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    folded = _UNSAFE.sub("-", ascii_text).strip("-")[:max_chars].strip("-")
    if not folded:
        return fallback
    return f"{folded}-x" if _WINDOWS_RESERVED.fullmatch(folded) else folded


def sanitize_block(text: str, *, max_bytes: int, fallback: str) -> str:
    """One block of a name: letters and digits of any script and single hyphens, in NFC, cut between letters.

    max_bytes: of UTF-8, which Linux file systems limit to 255 for a whole name. fallback: returned where nothing remains.
    """
    block = "".join(_sanitize_letter(letter) for letter in unicodedata.normalize("NFC", text))
    block = re.sub("-+", "-", block).strip("-")
    while len(block.encode("utf-8")) > max_bytes:
        block = block[:-1]
    return block.strip("-") or fallback


def sanitize_file_stem(text: str, *, max_bytes: int, fallback: str) -> str:
    """The name of any file without its suffix, made safe like a stem's name. Names of stems stay as they are."""
    blocks = [sanitize_block(block, max_bytes=max_bytes, fallback="") for block in text.split("_")]
    name = "_".join(block for block in blocks if block)
    while len(name.encode("utf-8")) > max_bytes:
        name = name[:-1]
    name = name.strip("-_") or fallback
    return f"{name}-x" if _WINDOWS_RESERVED.fullmatch(name) else name


def build_stem_name(parts: NameParts, naming: str = "timecode") -> str:
    """A name without suffix: "Dog_shot-A_t02_01-00-05-12", or with naming "ucs"
    "ANMLDog_SmallDogBarking_SELVA_cut_shot-A-t02-01-00-05-12".
    """
    clip = sanitize_block(_FILE_SUFFIX.sub("", parts.clip), max_bytes=_MAX_CLIP_BYTES, fallback="clip")
    take = f"t{parts.take:02}"
    timecode = sanitize_block(parts.timecode, max_bytes=_MAX_TIMECODE_BYTES, fallback="0")
    if naming == "ucs":
        blocks = [
            find_cat_id(parts.prompt, track=parts.track),
            _build_fx_name(parts.prompt, fallback=parts.track),
            UCS_CREATOR_ID,
            sanitize_block(parts.timeline, max_bytes=_MAX_UCS_BLOCK_BYTES, fallback=UCS_NO_SOURCE),
            f"{sanitize_block(clip, max_bytes=_MAX_UCS_BLOCK_BYTES, fallback='clip')}-{take}-{timecode}",
        ]
    else:
        track = sanitize_block(parts.track, max_bytes=_MAX_TRACK_BYTES, fallback="track")
        blocks = [track, clip, take, timecode]
    return "_".join(blocks)


def ensure_unique(name: str, taken: Container[str]) -> str:
    """`name`, or `name-2`, `name-3` ... where it is taken.

    taken: casefolded names, because the usual file systems of macOS and Windows take "Dog" and "dog" for one file.
    """
    candidate, count = name, 1
    while candidate.casefold() in taken:
        count += 1
        candidate = f"{name}-{count}"
    return candidate


@lru_cache(maxsize=4096)
def _sanitize_letter(letter: str) -> str:
    """Its ASCII form where it has one; itself where it is a letter, digit or combining mark of another script; else a hyphen."""
    folded = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode("ascii")
    if folded:
        return _UNSAFE.sub("-", folded)
    return letter if letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc") else "-"


def _build_fx_name(prompt: str, *, fallback: str) -> str:
    """The first words of a prompt in one: "SmallDogBarking". UCS asks for fewer than 25 characters and uses hyphens itself."""
    words = sanitize_block(prompt, max_bytes=200, fallback=fallback).split("-")
    name = ""
    for word in words:
        if name and len(name) + len(word) > MAX_FX_NAME_CHARS:
            break
        name += word[:1].upper() + word[1:]
    return name[:MAX_FX_NAME_CHARS] or "Sound"

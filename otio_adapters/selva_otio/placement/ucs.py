"""Categories of the Universal Category System, found by the words of a prompt.

The system and its list of CatIDs are in the public domain (universalcategorysystem.com). `ucs_categories.csv` has those of
version 8 that cover what people ask a picture for, each with the phrases that mean it. Prompts are matched by words, not by
meaning; a prompt that matches no phrase is DSGNMisc (designed, miscellaneous) instead of a guess.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from importlib import resources

FALLBACK_CAT_ID = "DSGNMisc"
# fmt: off
_CATEGORIES = frozenset((
    "AERO", "AIR", "ALRM", "AMB", "ANML", "BEEP", "BELL", "BIRD", "BLLT", "BOAT", "CERM", "CHAIN", "CHEM", "CLOCK",
    "CLOTH", "CMPT", "COM", "CREA", "CRWD", "DESTR", "DIRT", "DOOR", "DRWR", "DSGN", "ELEC", "EQUIP", "EXPL", "FART",
    "FEET", "FGHT", "FIRE", "FOLY", "FOOD", "FRWK", "GAME", "GEO", "GLAS", "GORE", "GUN", "HMN", "HORN", "ICE", "LASR",
    "LETHR", "LIQ", "MACH", "MAG", "MECH", "METL", "MOTR", "MOVE", "MUSC", "NATD", "OBJ", "PAPR", "PLAS", "RAIN", "ROBT",
    "ROCK", "ROPE", "RUBR", "SCI", "SNOW", "SPRT", "TOOL", "TOON", "TOY", "TRN", "UI", "VEGE", "VEH", "VOX", "WATR",
    "WEAP", "WHST", "WIND", "WING", "WNDW", "WOOD",
))
"""Short names of the categories (CatShort); a CatID is one of them and a short name of a subcategory."""
_WHOLE_CAT_IDS = frozenset(("BEEP", "HAIL", "RAIN", "STORM", "SWSH", "THUN", "WHSH", "WIND", "WTHR"))
"""CatIDs that have no second part."""
# fmt: on
MAX_FX_NAME_CHARS = 24

_TABLE = "ucs_categories.csv"
_WORD = re.compile(r"[a-z]+")
_CAT_ID = re.compile(r"(?:([A-Z]+)[A-Z][a-z]+|[A-Z]+)(?![A-Za-z0-9])")
_ENDINGS = ("ing", "ies", "es", "s", "ed", "er", "e", "y")
_MIN_ROOT_CHARS = 3


@cache
def load_categories() -> dict[str, tuple[frozenset[str], ...]]:
    """CatIDs, each with its phrases as sets of word roots (see `_find_root`)."""
    table = resources.files("selva_otio.placement").joinpath(_TABLE).read_text(encoding="utf-8")
    return {
        row["cat_id"]: tuple(frozenset(_find_roots(phrase)) for phrase in row["phrases"].split(";"))
        for row in csv.DictReader(table.splitlines())
    }


def find_cat_id(prompt: str, *, track: str = "") -> str:
    """The CatID of a prompt, or the one that the stem track's name begins with: what a person typed stands, also where the
    table, which has some 210 of about 750, does not know it.

    All words of a phrase must be in the prompt, in any order. The phrase with the most words wins, then the one whose first
    word comes first in the prompt.
    """
    categories = load_categories()
    typed = _CAT_ID.match(track.strip())
    if typed is not None and (
        typed[0] in categories or typed[0] in _WHOLE_CAT_IDS or typed[1] in _CATEGORIES
    ):
        return typed[0]
    roots = _find_roots(unicodedata.normalize("NFKD", prompt))
    known = set(roots)
    matches = [
        (len(phrase), -min(map(roots.index, phrase)), cat_id)
        for cat_id, phrases in categories.items()
        for phrase in phrases
        if phrase <= known
    ]
    return max(matches)[2] if matches else FALLBACK_CAT_ID


def _find_roots(text: str) -> list[str]:
    return [_find_root(word) for word in _WORD.findall(text.lower())]


def _find_root(word: str) -> str:
    """A word without its ending, so that "bark", "barks" and "barking" are one; at least three letters remain."""
    if len(word) > _MIN_ROOT_CHARS and word[-1] == word[-2]:
        return _find_root(word[:-1])
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_ROOT_CHARS:
            return _find_root(word.removesuffix(ending))
    return word

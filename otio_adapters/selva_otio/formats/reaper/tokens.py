"""The tokens on the lines of a REAPER project: text and numbers.

A token with blanks is in double quotes; one that contains those, in single quotes; one that contains both, in backticks. There
are no escapes. Numbers are decimal text; they are read as fractions, never as floats.
"""

from __future__ import annotations

import re
from fractions import Fraction

from selva_otio.errors import DamagedItemError

QUOTES = "\"'`"
MAX_SECONDS = 10_000_000
_DECIMALS = 14
_TOKEN = re.compile(r"\"([^\"]*)(?:\"|$)|'([^']*)(?:'|$)|`([^`]*)(?:`|$)|(\S+)")
_NUMBER = re.compile(r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,2})?")
_NEEDS_QUOTES = re.compile(r"[\s\"'`]|^[#;<>|]|^$")


def split_tokens(line: str) -> list[str]:
    """The tokens of a line without their quotes."""
    return [match[match.lastindex or 0] for match in _TOKEN.finditer(line)]


def quote_token(text: str) -> str:
    """A token as REAPER writes it.

    Line breaks become blanks, and backticks single quotes where a text has all three quotes: the format cannot write either.
    """
    flat = re.sub(r"\r\n|[\r\n\v\f\x00]", " ", text)
    if _NEEDS_QUOTES.search(flat) is None:
        return flat
    quote = next((mark for mark in QUOTES if mark not in flat), None)
    return f"`{flat.replace('`', chr(39))}`" if quote is None else f"{quote}{flat}{quote}"


def parse_number(text: str, *, what: str) -> Fraction:
    """The exact value of a decimal. Raises TimelineReadError; `what` names it there."""
    if _NUMBER.fullmatch(text) is None:
        raise DamagedItemError(f"{what} is a decimal number; got {text[:60]!r}")
    return Fraction(text)


def parse_seconds(text: str, *, what: str) -> Fraction:
    """Exact seconds. Raises TimelineReadError for times that no project reaches."""
    seconds = parse_number(text, what=what)
    if abs(seconds) > MAX_SECONDS:
        raise DamagedItemError(f"{what} is within {MAX_SECONDS} seconds; got {text[:60]!r}")
    return seconds


def parse_flags(text: str) -> int:
    """The whole number at the start of a token such as `1`, `-1` or `3:U`; 0 where there is none."""
    match = re.match(r"-?\d{1,18}", text)
    return int(match[0]) if match is not None else 0


def format_decimal(value: Fraction) -> str:
    """A number with up to 14 decimals, as REAPER writes them, without zeros at the end."""
    scaled = round(value * 10**_DECIMALS)  # to even on a tie, as C's printf rounds
    whole, rest = divmod(abs(scaled), 10**_DECIMALS)
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole}.{rest:0{_DECIMALS}}".rstrip("0").rstrip(".")

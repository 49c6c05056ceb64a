"""What crosses a border (the wire, a pipe, a file), defined once as msgspec structs and read with every fault named.

The annotations of a struct hold types, limits and descriptions; both ends of the border and the tables of the documentation
read the same definition. `schema_check.check` reads a value into its struct, or names every fault of it.

Besides the annotations a struct may have a method `cross_field_faults` for what concerns several fields, and an annotation
may have a function for what msgspec cannot say: the functions below that return a Meta make such annotations. `allowed` in them
is what the documentation says.

This module and `schema_check` are those of the ground floor that need msgspec: import them where something crosses a border.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Meta, inspect

from selva_core.base.rational import to_pair

MAX_NUMERATOR = 2**63 - 1
MAX_DENOMINATOR = 2**31 - 1
MAX_PATH_CHARS = 4096
SHOWN_FAULTS = 3
_CONTROL = re.compile("[\\x00-\\x1f]")
_NUL = re.compile("\\x00")
T = TypeVar("T")
Check = Callable[[Any], "str | None"]


@dataclass(frozen=True)
class FieldFault:
    """One thing wrong with one field; `field` is its path in the value, such as `cues[2].takes[0].seed`."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def describe_faults(faults: Sequence[FieldFault]) -> str:
    """The first few faults in one line, and how many more there are."""
    shown = "; ".join(map(str, faults[:SHOWN_FAULTS]))
    return f"{shown} (and {len(faults) - SHOWN_FAULTS} more)" if len(faults) > SHOWN_FAULTS else shown


# -- annotations -------------------------------------------------------------------------------------------


def line(max_chars: int, about: str = "", *, also: Check | None = None) -> Meta:
    """A string of one line with something in it but white space. `also`: a further check."""
    allowed = f"1 to {max_chars} characters, one line"
    return _text(max_chars, about, allowed, refused=_CONTROL, also=also)


def prose(max_chars: int, about: str = "", *, may_be_empty: bool = False) -> Meta:
    """A string of any number of lines."""
    allowed = f"{'up to' if may_be_empty else '1 to'} {max_chars} characters"
    return _text(max_chars, about, allowed, refused=_NUL, may_be_empty=may_be_empty)


def _text(
    max_chars: int,
    about: str,
    allowed: str,
    *,
    refused: re.Pattern[str],
    may_be_empty: bool = False,
    also: Check | None = None,
) -> Meta:
    def problem(value: str) -> str | None:
        if not value.strip() and (value or not may_be_empty):
            return "text is needed; got an empty one"
        if refused.search(value):
            return "control characters are not allowed"
        return None if also is None else also(value)

    return Meta(max_length=max_chars, description=about or None, extra={"check": problem, "allowed": allowed})


def rational(minimum: Fraction, maximum: Fraction, about: str = "") -> Meta:
    """For a Fraction; written as [numerator, denominator]."""

    def problem(value: Fraction) -> str | None:
        if minimum <= value <= maximum:
            return None
        return f"{float(minimum):g} to {float(maximum):g} is allowed; got {float(value):g}"

    allowed = f"{float(minimum):.12g} to {float(maximum):.12g}"
    return Meta(description=about or None, extra={"check": problem, "allowed": allowed})


def absolute_path(about: str = "") -> Meta:
    """For a Path; written as text."""

    def problem(path: Path) -> str | None:
        if not path.is_absolute():
            return f"an absolute path is needed; got {str(path)[:80]!r}"
        return "a path without '..' is needed" if ".." in path.parts else None

    allowed = "absolute path, without `..`"
    return Meta(description=about or None, extra={"check": problem, "allowed": allowed})


def one_of(choices: Sequence[str], about: str = "") -> Meta:
    """A string out of a few."""
    return Meta(
        description=about or None,
        extra={
            "check": lambda value: choice_problem(choices, value),
            "choices": tuple(choices),
            "allowed": ", ".join(f"`{choice}`" for choice in choices),
        },
    )


def written_as(kind: Any, about: str = "") -> Meta:
    """Where the Python type is wider than what may cross the border: a value of another room, or one that may be absent
    but is never null.
    """
    return Meta(description=about or None, extra={"written_as": kind})


# -- values of the standard library ------------------------------------------------------------------------


def decode_hook(kind: type, raw: Any) -> Any:
    """For msgspec: a Path from text, a Fraction from a pair. Raises ValueError with a message for people."""
    if kind is Path:
        return _read_path(raw)
    if kind is Fraction:
        return _read_fraction(raw)
    raise NotImplementedError(f"{kind.__name__} does not cross a border")


def encode_hook(value: Any) -> Any:
    """The inverse of `decode_hook`."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Fraction):
        return to_pair(value)
    raise NotImplementedError(f"{type(value).__name__} does not cross a border")


def _read_path(raw: Any) -> Path:
    if not isinstance(raw, str):
        raise ValueError(f"text is needed; got {kind_of(raw)}")
    if len(raw) > MAX_PATH_CHARS:
        raise ValueError(f"at most {MAX_PATH_CHARS} characters; got {len(raw)}")
    if not raw.strip():
        raise ValueError("text is needed; got an empty one")
    if "\x00" in raw:
        raise ValueError("control characters are not allowed")
    return Path(raw)


def _read_fraction(raw: Any) -> Fraction:
    if not (isinstance(raw, list) and len(raw) == 2 and all(type(part) is int for part in raw)):
        raise ValueError(f"a pair of integers [numerator, denominator] is needed; got {kind_of(raw)}")
    if abs(raw[0]) > MAX_NUMERATOR or not 1 <= raw[1] <= MAX_DENOMINATOR:
        raise ValueError(f"the denominator is 1 to {MAX_DENOMINATOR}, the numerator 64 bits")
    return Fraction(raw[0], raw[1])


def kind_of(value: object) -> str:
    """What a decoded value is, in words for people."""
    names = {
        dict: "a map",
        list: "a list",
        str: "text",
        int: "an integer",
        float: "a number",
        bool: "true or false",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def type_info(kind: Any) -> inspect.Type:
    """What msgspec knows of a type."""
    return _type_info(kind)


@cache  # for a struct of structs it takes milliseconds
def _type_info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def struct_type(kind: type) -> inspect.StructType:
    """The fields of a struct."""
    node = type_info(kind)
    if not isinstance(node, inspect.StructType):
        raise TypeError(f"{kind!r} is no struct")
    return node


def bare_type(node: inspect.Type) -> inspect.Type:
    """The type as it is written: without its annotations, and without the None of a field that may be absent."""
    if isinstance(node, inspect.Metadata):
        kind = (node.extra or {}).get("written_as")
        return bare_type(node.type if kind is None else type_info(kind))
    return node


def extra_of(node: inspect.Type) -> Mapping[str, Any]:
    return (node.extra or {}) if isinstance(node, inspect.Metadata) else {}


def choice_problem(choices: Sequence[str], raw: object) -> str | None:
    if raw in choices:
        return None
    got = repr(raw) if isinstance(raw, str) else kind_of(raw)
    return f"one of {', '.join(choices)} is needed; got {got[:80]}"


def describe_range(node: inspect.IntType | inspect.FloatType) -> str:
    """The limits of a number, such as "1 to 1000"; "" where there are none."""
    low, high = node.ge, node.le
    if low is not None and high is not None:
        return f"{show_number(low)} to {show_number(high)}"
    if low is not None:
        return f"{show_number(low)} or more"
    return "" if high is None else f"at most {show_number(high)}"


def show_number(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else f"{number}"


def harmless(node: inspect.Type) -> Any:
    """A value of the type that breaks no rule which concerns other fields."""
    bare = bare_type(node)
    if isinstance(bare, inspect.StructType):
        return bare.cls(**{field.name: harmless(field.type) for field in bare.fields if field.required})
    if isinstance(bare, inspect.IntType | inspect.FloatType):
        return bare.ge or 0
    if isinstance(bare, inspect.CustomType):
        return Fraction(1) if bare.cls is Fraction else Path()
    plain: Mapping[type, Any] = {inspect.StrType: "", inspect.BoolType: False, inspect.DictType: {}}
    return plain.get(type(bare), ())

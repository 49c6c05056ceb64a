"""What crosses a border (the wire, a pipe, a file), defined once as msgspec structs and read with every fault named.

The annotations of a struct hold types, limits and descriptions; both ends of the border and the tables of the documentation
read the same definition. msgspec validates in C and stops at the first fault. A submission with 256 cues deserves the
whole list, so `check` walks a value that msgspec refused a second time, in Python, and collects all of them.

Besides the annotations a struct may have a method `cross_field_faults` for what concerns several fields, and an annotation
may have a function for what msgspec cannot say: the functions below that return a Meta make such annotations. `allowed` in them
is what the documentation says.

This is the one module of the ground floor that needs msgspec: import it where something crosses a border.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
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
            "check": lambda value: _choice_problem(choices, value),
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


# -- reading -----------------------------------------------------------------------------------------------


def check(raw: object, kind: type[T]) -> tuple[T | None, Sequence[FieldFault]]:
    """Read plain maps, lists and scalars into a struct: the value and no faults, or None and every fault."""
    try:
        value = msgspec.convert(raw, kind, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        walk = _FaultWalk()
        walk.read(type_info(kind), raw, "")
        return None, walk.faults or [FieldFault("body", str(error))]
    if _holds(value, cast("Mapping[str, Any]", raw), _plan(cast("type", kind))):
        return value, ()
    walk = _FaultWalk()
    walk.read(type_info(kind), raw, "")
    return None, walk.faults


@dataclass(frozen=True, kw_only=True)
class _FieldPlan:
    """What is left to do for a field that msgspec let through."""

    attribute: str
    key: str
    check: Check | None
    written_as: Any
    struct: type | None
    is_list: bool


def _holds(value: Any, raw: Mapping[str, Any], plan: Sequence[_FieldPlan]) -> bool:
    for step in plan:
        if step.key not in raw:
            continue
        inner, raw_inner = getattr(value, step.attribute), raw[step.key]
        if step.check is not None and step.check(inner) is not None:
            return False
        if step.written_as is not None:
            try:
                inner = msgspec.convert(raw_inner, step.written_as, dec_hook=decode_hook)
            except msgspec.ValidationError:
                return False
        if step.struct is not None:
            inner_plan = _plan(step.struct)
            pairs = zip(inner, raw_inner, strict=True) if step.is_list else [(inner, raw_inner)]
            if not all(_holds(item, raw_item, inner_plan) for item, raw_item in pairs):
                return False
    return next(_cross_field_faults(value), None) is None


def _cross_field_faults(value: Any) -> Iterator[tuple[str, str]]:
    rules = getattr(value, "cross_field_faults", None)
    return iter(()) if rules is None else rules()


@cache
def _plan(kind: type) -> tuple[_FieldPlan, ...]:
    return tuple(
        _FieldPlan(
            attribute=field.name,
            key=field.encode_name,
            check=extra.get("check"),
            written_as=extra.get("written_as"),
            struct=struct,
            is_list=is_list,
        )
        for field in struct_type(kind).fields
        for extra in [extra_of(field.type)]
        for struct, is_list in [_struct_in(bare_type(field.type))]
        if extra or struct is not None
    )


def _struct_in(node: inspect.Type) -> tuple[type | None, bool]:
    """The struct that a field holds, and whether it is a list of them."""
    if isinstance(node, inspect.VarTupleType | inspect.ListType):
        return _struct_in(bare_type(node.item_type))[0], True
    return (node.cls, False) if isinstance(node, inspect.StructType) else (None, False)


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


class _FaultWalk:
    """Reads a value as its struct says and notes every fault; a faulty field is read as a harmless value of its type, so
    that what concerns several fields can be checked all the same.
    """

    def __init__(self) -> None:
        self.faults: list[FieldFault] = []

    def read(self, node: inspect.Type, raw: object, path: str) -> Any:
        num_before = len(self.faults)
        extra = extra_of(node)
        value = self._read_bare(bare_type(node), raw, path, extra.get("choices"))
        check = extra.get("check")
        if check is not None and len(self.faults) == num_before and (problem := check(value)) is not None:
            return self._refuse(path, problem, harmless(node))
        return value

    def _refuse(self, path: str, message: str, value: Any) -> Any:
        self.faults.append(FieldFault(path or "body", message))
        return value

    def _read_bare(
        self, node: inspect.Type, raw: object, path: str, choices: Sequence[str] | None = None
    ) -> Any:
        if isinstance(node, inspect.StructType):
            return self._read_struct(node, raw, path)
        if isinstance(node, inspect.VarTupleType | inspect.ListType):
            return self._read_list(node, raw, path)
        if isinstance(node, inspect.DictType):
            return self._read_texts(node, raw, path)
        if isinstance(node, inspect.CustomType):
            try:
                return decode_hook(node.cls, raw)
            except ValueError as error:
                return self._refuse(path, str(error), harmless(node))
        problem = _scalar_problem(node, raw, choices)
        return raw if problem is None else self._refuse(path, problem, harmless(node))

    def _read_struct(self, node: inspect.StructType, raw: object, path: str) -> Any:
        if not isinstance(raw, Mapping):
            return self._refuse(path, f"a map is needed; got {kind_of(raw)}", harmless(node))
        num_before = len(self.faults)
        values = {}
        for field in node.fields:
            at = _join(path, field.encode_name)
            if field.encode_name in raw:
                values[field.name] = self.read(field.type, raw[field.encode_name], at)
            elif field.required:
                values[field.name] = self._refuse(at, "this field is missing", harmless(field.type))
        value = node.cls(**values)
        faulty = [fault.field for fault in self.faults[num_before:]]
        for name, message in _cross_field_faults(value):
            if not any(_is_within(_join(path, name), field) for field in faulty):
                self._refuse(_join(path, name), message, None)
        if node.forbid_unknown_fields:
            self._refuse_unknown(node, raw, path)
        return value

    def _refuse_unknown(self, node: inspect.StructType, raw: Mapping[Any, object], path: str) -> None:
        known = {field.encode_name for field in node.fields}
        for name in raw:
            if name not in known:
                message = f"there is no such field; known here: {', '.join(sorted(known)) or 'none'}"
                self._refuse(_join(path, str(name)[:64]), message, None)

    def _read_list(self, node: inspect.VarTupleType | inspect.ListType, raw: object, path: str) -> Any:
        least, most = node.min_length or 0, node.max_length
        item = bare_type(node.item_type)
        if isinstance(item, inspect.StrType):
            return self._read_text_list(node, item, raw, path)
        if not isinstance(raw, list) or len(raw) < least or (most is not None and len(raw) > most):
            got = f"{len(raw)}" if isinstance(raw, list) else kind_of(raw)
            what = "maps" if isinstance(item, inspect.StructType) else "values"
            limits = f"{least} to {most} {what}" if most is not None else f"{least} or more {what}"
            return self._refuse(path, f"a list of {limits} is needed; got {got}", ())
        return tuple(self.read(node.item_type, each, f"{path}[{index}]") for index, each in enumerate(raw))

    def _read_text_list(
        self, node: inspect.VarTupleType | inspect.ListType, item: inspect.StrType, raw: object, path: str
    ) -> Any:
        if not isinstance(raw, list) or not all(isinstance(each, str) for each in raw):
            return self._refuse(path, f"a list of strings is needed; got {kind_of(raw)}", ())
        most, max_chars = node.max_length or math.inf, item.max_length or math.inf
        if len(raw) > most or any(len(each) > max_chars for each in raw):
            return self._refuse(path, f"at most {most} strings of {max_chars} characters", ())
        return tuple(raw)

    def _read_texts(self, node: inspect.DictType, raw: object, path: str) -> Any:
        """A map of short names to strings."""
        if not isinstance(raw, Mapping):
            return self._refuse(path, f"a map of strings is needed; got {kind_of(raw)}", {})
        if node.max_length is not None and len(raw) > node.max_length:
            return self._refuse(path, f"at most {node.max_length} entries; got {len(raw)}", {})
        keys, values = bare_type(node.key_type), bare_type(node.value_type)
        max_key_chars, max_chars = (
            getattr(keys, "max_length", None) or math.inf,
            getattr(values, "max_length", None) or math.inf,
        )
        for key, value in raw.items():
            if not isinstance(key, str) or not 1 <= len(key) <= max_key_chars:
                return self._refuse(path, f"keys are 1 to {max_key_chars} characters", {})
            if not isinstance(value, str) or len(value) > max_chars:
                message = f"a string of at most {max_chars} characters is needed"
                return self._refuse(_join(path, key), message, {})
        return dict(raw)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _scalar_problem(node: inspect.Type, raw: object, choices: Sequence[str] | None) -> str | None:
    """What is wrong with text, a number, a flag or a choice; None when nothing is."""
    if choices is not None:
        return _choice_problem(choices, raw)
    if isinstance(node, inspect.StrType):
        if not isinstance(raw, str):
            return f"text is needed; got {kind_of(raw)}"
        too_long = node.max_length is not None and len(raw) > node.max_length
        return f"at most {node.max_length} characters; got {len(raw)}" if too_long else None
    if isinstance(node, inspect.IntType | inspect.FloatType):
        return _number_problem(node, raw)
    if isinstance(node, inspect.BoolType):
        return None if isinstance(raw, bool) else f"true or false is needed; got {kind_of(raw)}"
    raise TypeError(f"{type(node).__name__} has no words for its faults")


def _choice_problem(choices: Sequence[str], raw: object) -> str | None:
    if raw in choices:
        return None
    got = repr(raw) if isinstance(raw, str) else kind_of(raw)
    return f"one of {', '.join(choices)} is needed; got {got[:80]}"


def _number_problem(node: inspect.IntType | inspect.FloatType, raw: object) -> str | None:
    is_whole = isinstance(node, inspect.IntType)
    if isinstance(raw, bool) or not isinstance(raw, int if is_whole else int | float):
        return f"{'an integer' if is_whole else 'a number'} is needed; got {kind_of(raw)}"
    number = cast("int | float", raw)
    if not is_whole and not math.isfinite(number):
        return f"a number is needed; got {kind_of(raw)}"
    low, high = node.ge, node.le
    if (low is not None and number < low) or (high is not None and number > high):
        return f"{range_words(node)} is allowed; got {_shown(number)}"
    return None


def range_words(node: inspect.IntType | inspect.FloatType) -> str:
    """The limits of a number, such as "1 to 1000"; "" where there are none."""
    low, high = node.ge, node.le
    if low is not None and high is not None:
        return f"{_shown(low)} to {_shown(high)}"
    if low is not None:
        return f"{_shown(low)} or more"
    return "" if high is None else f"at most {_shown(high)}"


def _shown(number: float) -> str:
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

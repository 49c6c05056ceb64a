"""Values that cross a border: every fault is named, and what is right is read by the same definition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from selva_core.base.schema import (
    FieldFault,
    absolute_path,
    decode_hook,
    encode_hook,
    line,
    one_of,
    prose,
    rational,
    written_as,
)
from selva_core.base.schema_check import check

ROOT = str(Path.cwd())


@dataclass(frozen=True)
class Mark:
    """A value of another room, which knows no border."""

    at: int
    note: str = ""


class MarkFields(Struct, forbid_unknown_fields=True):
    at: Annotated[int, Meta(ge=0, le=100)]
    note: Annotated[str, prose(5, may_be_empty=True)] = ""


def _without_x(name: str) -> str | None:
    return "no x" if "x" in name else None


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, line(10, also=_without_x)]
    count: Annotated[int, Meta(ge=1, le=9)] = 1


class Whole(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=3)]
    title: Annotated[str, prose(20)] = "untitled"
    speed: Annotated[Fraction, rational(Fraction(-2), Fraction(2))] = Fraction(1)
    weight: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    is_loud: bool = False
    kind: Annotated[str, one_of(("b", "a"))] = "b"
    folder: Annotated[Path, absolute_path()] | UnsetType = UNSET
    notes: Annotated[
        Mapping[Annotated[str, Meta(min_length=1, max_length=4)], Annotated[str, Meta(max_length=4)]],
        Meta(max_length=2),
    ] = msgspec.field(default_factory=dict)
    tags: Annotated[tuple[Annotated[str, Meta(max_length=3)], ...], Meta(max_length=2)] = ()
    mark: Annotated[Mark | None, written_as(MarkFields)] = None

    def cross_field_faults(self) -> Iterator[tuple[str, str]]:
        if len({part.name for part in self.parts}) != len(self.parts):
            yield "parts", "each name is used once"


GOOD: Mapping[str, Any] = {"parts": [{"name": "a"}]}


def faults_of(raw: object) -> list[tuple[str, str]]:
    value, faults = check(raw, Whole)
    assert value is None
    return [(fault.field, fault.message) for fault in faults]


def test_a_right_value_is_read_with_its_defaults() -> None:
    value, faults = check(dict(GOOD), Whole)
    assert faults == ()
    assert value == Whole(parts=(Part(name="a"),))


def test_everything_that_may_be_written_is_read() -> None:
    raw = {
        "parts": [{"name": "a", "count": 9}, {"name": "b"}],
        "title": "two\nlines",
        "speed": [-3, 2],
        "weight": 1,
        "is_loud": True,
        "kind": "a",
        "folder": ROOT,
        "notes": {"k": "v"},
        "tags": ["x", "y"],
        "mark": {"at": 5},
    }
    value, faults = check(raw, Whole)
    assert not faults
    assert value is not None
    assert (value.speed, value.folder, value.mark) == (Fraction(-3, 2), Path(ROOT), Mark(5))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(value, enc_hook=encode_hook))
    parts = [{"name": "a", "count": 9}, {"name": "b", "count": 1}]
    assert again == {**raw, "weight": 1.0, "parts": parts}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"parts": []}, "parts", "a list of 1 to 3 maps is needed; got 0"),
        ({"parts": "a"}, "parts", "a list of 1 to 3 maps is needed; got text"),
        ({"parts": ["a"]}, "parts[0]", "a map is needed; got text"),
        ({"parts": [{}]}, "parts[0].name", "this field is missing"),
        ({"parts": [{"name": " "}]}, "parts[0].name", "text is needed; got an empty one"),
        ({"parts": [{"name": "a\nb"}]}, "parts[0].name", "control characters are not allowed"),
        ({"parts": [{"name": "x"}]}, "parts[0].name", "no x"),
        ({"parts": [{"name": "a" * 11}]}, "parts[0].name", "at most 10 characters; got 11"),
        ({"parts": [{"name": 5}]}, "parts[0].name", "text is needed; got an integer"),
        ({"parts": [{"name": "a", "count": 0}]}, "parts[0].count", "1 to 9 is allowed; got 0"),
        (
            {"parts": [{"name": "a", "count": True}]},
            "parts[0].count",
            "an integer is needed; got true or false",
        ),
        ({"parts": [{"name": "a", "count": 1.0}]}, "parts[0].count", "an integer is needed; got a number"),
        (
            {"parts": [{"name": "a", "size": 1}]},
            "parts[0].size",
            "there is no such field; known here: count, name",
        ),
        ({"parts": [{"name": "a"}] * 2}, "parts", "each name is used once"),
        ({"title": "a\0"}, "title", "control characters are not allowed"),
        ({"speed": [5, 2]}, "speed", "-2 to 2 is allowed; got 2.5"),
        ({"speed": [1, 0]}, "speed", "the denominator is 1 to 2147483647, the numerator 64 bits"),
        ({"speed": 1.5}, "speed", "a pair of integers [numerator, denominator] is needed; got a number"),
        ({"weight": 2}, "weight", "0 to 1 is allowed; got 2"),
        ({"weight": float("nan")}, "weight", "a number is needed; got a number"),
        ({"weight": "1"}, "weight", "a number is needed; got text"),
        ({"is_loud": 1}, "is_loud", "true or false is needed; got an integer"),
        ({"kind": "c"}, "kind", "one of b, a is needed; got 'c'"),
        ({"kind": 1}, "kind", "one of b, a is needed; got an integer"),
        ({"folder": "here"}, "folder", "an absolute path is needed; got 'here'"),
        ({"folder": f"{ROOT}/.."}, "folder", "a path without '..' is needed"),
        ({"folder": None}, "folder", "text is needed; got nothing"),
        ({"notes": []}, "notes", "a map of strings is needed; got a list"),
        ({"notes": {"k": 1}}, "notes.k", "a string of at most 4 characters is needed"),
        ({"notes": {"": "v"}}, "notes", "keys are 1 to 4 characters"),
        ({"notes": {"a": "", "b": "", "c": ""}}, "notes", "at most 2 entries; got 3"),
        ({"tags": "x"}, "tags", "a list of strings is needed; got text"),
        ({"tags": ["long"]}, "tags", "at most 2 strings of 3 characters"),
        ({"mark": None}, "mark", "a map is needed; got nothing"),
        ({"mark": {"at": 101}}, "mark.at", "0 to 100 is allowed; got 101"),
        ({"mark": {"at": 1, "size": 2}}, "mark.size", "there is no such field; known here: at, note"),
    ],
)
def test_a_fault_is_named_alone_with_what_is_allowed(
    changes: dict[str, Any], field: str, message: str
) -> None:
    assert faults_of({**GOOD, **changes}) == [(field, message)]


def test_all_faults_are_named_together() -> None:
    faults = faults_of(
        {"parts": [{"name": ""}, {"name": "b", "count": 0}], "speed": 1, "weight": 5, "loudness": 3}
    )
    assert [field for field, _ in faults] == [
        "parts[0].name",
        "parts[1].count",
        "speed",
        "weight",
        "loudness",
    ]


def test_what_spans_fields_is_not_checked_where_one_of_them_is_missing() -> None:
    """Else the missing field would be reported twice."""
    assert faults_of({}) == [("parts", "this field is missing")]


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_what_is_no_map_is_refused_as_a_whole(raw: object) -> None:
    [(field, message)] = faults_of(raw)
    assert field == "body"
    assert message.startswith("a map is needed; got ")


def test_a_fault_reads_as_field_and_message() -> None:
    assert str(FieldFault("a.b", "wrong")) == "a.b: wrong"


def test_types_that_have_no_form_on_a_border_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="complex does not cross a border"):
        decode_hook(complex, 1)
    with pytest.raises(NotImplementedError, match="complex does not cross a border"):
        encode_hook(1j)

"""The tree of errors: one code each, a message for people, values for programs."""

from __future__ import annotations

import inspect

import pytest

from selva_core.base import errors
from selva_core.base.errors import RangeOutsideMediaError, SelvaError, StorageError

DEFINED_HERE = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if member.__module__ == errors.__name__
]
CLASSES = [member for member in DEFINED_HERE if issubclass(member, SelvaError)]


def test_every_error_is_in_the_tree_with_a_code_of_its_own() -> None:
    assert CLASSES == DEFINED_HERE
    codes = [member.code for member in CLASSES]
    assert len(codes) == len(set(codes)), sorted(codes)


@pytest.mark.parametrize("error_class", CLASSES, ids=lambda member: member.__name__)
def test_an_error_prints_its_message_and_keeps_its_values(error_class: type[SelvaError]) -> None:
    error = error_class("got 3; 1 or 2 are allowed", got=3, allowed=["1", "2"])
    assert str(error) == error.message == "got 3; 1 or 2 are allowed"
    assert error.facts == {"got": 3, "allowed": ["1", "2"]}


def test_callers_can_catch_the_builtin_class_they_expect() -> None:
    with pytest.raises(ValueError, match="outside"):
        raise RangeOutsideMediaError("outside")
    with pytest.raises(OSError, match="full"):
        raise StorageError("full")


def test_the_drawing_at_the_top_names_every_class() -> None:
    assert errors.__doc__ is not None
    missing = [member.__name__ for member in CLASSES if member.__name__ not in errors.__doc__]
    assert not missing

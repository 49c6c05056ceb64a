"""Our JSON in Lua against Python's, both ways."""

from __future__ import annotations

import importlib
import json
import math
from typing import Any

import pytest

from tests.selva_plugins.reaper.scenes import SCRIPTS

AWKWARD_TEXTS = [
    "",
    'quotes " and \\ backslashes \\\\ C:\\Users\\new',
    "".join(map(chr, range(32))) + "\x7f",
    "umlauts äöüß, Japanese 日本語, emoji 🐕, 100 %s %d",
    "line\nbreaks\r\nand\ttabs",
    "\u2028\u2029\ufeff",
    "a" * 70_000,
]


@pytest.fixture
def codec(lua: str) -> Any:
    runtime = importlib.import_module(f"lupa.lua{lua.replace('.', '')}").LuaRuntime(
        encoding=None, unpack_returned_tuples=True
    )
    text = (SCRIPTS / "lib" / "json.lua").read_bytes()
    runtime.globals()[b"json"] = runtime.execute(text)()
    return runtime


def decode_and_encode(codec: Any, text: str) -> str:
    """Through Lua and back."""
    again = codec.eval(b"function(text) return json.encode(assert(json.decode(text))) end")
    encoded: bytes = again(text.encode("utf-8", "surrogateescape"))
    return encoded.decode("ascii" if encoded.isascii() else "utf-8")


@pytest.mark.parametrize("text", AWKWARD_TEXTS)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_text_from_python_comes_back_unchanged(codec: Any, text: str, is_ascii: bool) -> None:
    assert json.loads(decode_and_encode(codec, json.dumps(text, ensure_ascii=is_ascii))) == text


@pytest.mark.parametrize(
    "number",
    [
        0,
        -1,
        42,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        0.1,
        -0.0,
        1e300,
        5e-324,
        1 / 3,
        3600.04170837504,
        math.pi * 1e-9,
    ],
)
def test_numbers_come_back_bit_for_bit(codec: Any, number: float) -> None:
    returned = json.loads(decode_and_encode(codec, json.dumps(number)))
    assert (type(returned), repr(returned)) == (type(number), repr(number))


def test_integers_stay_integers_and_floats_floats_in_lua(codec: Any) -> None:
    kinds = codec.eval(b"function(t) local v = json.decode(t) return math.type(v[1]), math.type(v[2]) end")
    assert kinds(b"[3, 3.0]") == (b"integer", b"float")


def test_integer_beyond_64_bits_becomes_the_nearest_float(codec: Any) -> None:
    assert json.loads(decode_and_encode(codec, "9223372036854775808")) == 2.0**63


def test_nested_structures_come_back(codec: Any) -> None:
    value = {"a": [], "b": {}, "c": [None, True, False, {"d": [1, [2.5, "x"]]}], "": {"deep": [[[[]]]]}}
    assert json.loads(decode_and_encode(codec, json.dumps(value))) == value


def test_bytes_that_are_not_utf8_travel_as_python_writes_them(codec: Any) -> None:
    """A file name on Linux may hold any byte; Python shows such a byte as a lone surrogate."""
    name = b"caf\xe9 \xff\xfe \xed\xa0\x80".decode("utf-8", "surrogateescape")
    encoded = codec.eval(b"json.encode")(name.encode("utf-8", "surrogateescape"))
    assert json.loads(encoded) == name
    assert codec.eval(b"json.decode")(json.dumps(name).encode()) == name.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "value", ["0/0", "1/0", "{[1.5] = 1}", "print", "(function() local t = {} t[1] = t return t end)()"]
)
def test_what_json_cannot_hold_is_refused(codec: Any, value: str) -> None:
    assert codec.execute(f"return (pcall(json.encode, {value}))".encode()) is False


BROKEN = [
    "",
    "[1,]",
    "{'a':1}",
    '{"a" 1}',
    "[1 2]",
    '"open',
    '"\\x"',
    '"\\u12"',
    "01",
    "+1",
    ".5",
    "1.",
    "nul",
]


@pytest.mark.parametrize("text", [*BROKEN, "[1]]", '"\x01"'])
def test_broken_json_gives_a_reason_instead_of_an_error(codec: Any, text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    value, reason = codec.eval(b"json.decode")(text.encode())
    assert value is None
    assert b"not JSON at byte" in reason


def test_nesting_that_is_too_deep_is_refused(codec: Any) -> None:
    value, reason = codec.eval(b"json.decode")(b"[" * 5000)
    assert value is None
    assert b"deeper than 100 levels" in reason

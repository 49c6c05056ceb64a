from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.chunks import (
    MAX_NESTING,
    load_project_text,
    parse_project_bytes,
    parse_project_text,
)
from selva_otio.formats.reaper.reader import build_project_timeline
from selva_otio.formats.reaper.tokens import format_decimal, parse_number, quote_token, split_tokens
from tests.selva_otio.formats.reaper.projects import FILES, FILM, LATIN, REEL, project, track, video_item


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_project_comes_out_byte_for_byte(path: Path) -> None:
    content = path.read_bytes()
    assert load_project_text(path).to_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"<REAPER_PROJECT 0.1\n>",
        b"<REAPER_PROJECT\r\n>\r\n",
        b"\xef\xbb\xbf<REAPER_PROJECT 0.1\n>\n",
        b"\n  \t<REAPER_PROJECT 0.1\n>\n\n\nwhat follows\n",
        b'<REAPER_PROJECT 0.1\r\n\t<UNKNOWN a "b\n   odd   blanks\t \n\r\n\n\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8\n  >  \n>',
        b'<REAPER_PROJECT 0.1\n<VST "x" \xff\xfe\n  bWNlcu9e7f4EAAAA==\n>\n>\n',
        b"<REAPER_PROJECT 0.1\nNAME one\rstill one\n\x00\n>",
    ],
)
def test_any_bytes_of_a_project_survive(content: bytes) -> None:
    assert parse_project_bytes(content).to_bytes() == content


def test_the_newline_style_of_a_project_is_known() -> None:
    assert load_project_text(REEL).newline == "\r\n"
    assert load_project_text(FILM).newline == "\n"


def test_a_project_that_is_not_utf8_is_read_by_its_bytes() -> None:
    read = load_project_text(LATIN)
    assert read.encoding == "latin-1"
    assert next(read.root.iter_chunks("TRACK")).find_field("NAME") == ["café"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b'{"OTIO_SCHEMA": "Timeline.1"}', "begins with"),
        (b"<TRACK\n>", "not a REAPER project"),
        (b"<REAPER_PROJECT 0.1\n<TRACK\nNAME x\n", "inside <TRACK, which begins at line 2"),
        (b"<REAPER_PROJECT 0.1\n" + b"<A\n" * 5_000, "nested more than"),
    ],
)
def test_text_that_is_not_a_whole_project_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(TimelineReadError, match=says):
        parse_project_bytes(content)


def test_the_deepest_nesting_allowed_is_read() -> None:
    deep = "<REAPER_PROJECT\n" + "<A\n" * (MAX_NESTING - 1) + ">\n" * MAX_NESTING
    assert parse_project_text(deep).to_text() == deep


def test_a_project_truncated_anywhere_is_refused_or_read() -> None:
    content = FILM.read_bytes()
    for end in range(0, len(content) - 2, 997):
        with pytest.raises(TimelineReadError):
            parse_project_bytes(content[:end])
    assert parse_project_bytes(content[:-1]).to_bytes() == content[:-1]


def test_a_huge_line_and_very_many_items_are_read() -> None:
    huge = "x" * 5_000_000
    items = [video_item(str(second), "1", 'NAME "a b"') for second in range(1_000)]
    text = project(f"NAME {huge}", track(*items))
    read = parse_project_text(text)
    assert read.to_text() == text
    assert len(build_project_timeline(read, name="", folder=None).tracks[0]) == 1_000


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('a "b"', "'a \"b\"'"),
        ('it\'s "b"', '`it\'s "b"`'),
        ("it's", '"it\'s"'),
        ("", '""'),
        ("two\nlines", '"two lines"'),
        ("#1", '"#1"'),
        ("<x", '"<x"'),
    ],
)
def test_tokens_are_quoted_as_the_format_asks(name: str, quoted: str) -> None:
    assert quote_token(name) == quoted
    assert split_tokens(f"  NAME {quoted} 1") == ["NAME", name.replace("\n", " "), "1"]


def test_a_token_with_all_three_quotes_loses_its_backticks() -> None:
    assert split_tokens(quote_token("a\"b'c`d e")) == ["a\"b'c'd e"]


@pytest.mark.parametrize("text", ["1e999999", "nan", "inf", "-1.#IND", "1,5", "", "1" * 50, "0x10"])
def test_text_that_is_not_decimal_is_refused(text: str) -> None:
    with pytest.raises(TimelineReadError, match="POSITION is a decimal number"):
        parse_number(text, what="POSITION")


@pytest.mark.parametrize("text", ["0", "1", "-1", "0.5", "-0.33333333333333", "3603.6", "10"])
def test_decimals_read_and_write_the_same(text: str) -> None:
    assert format_decimal(parse_number(text, what="x")) == text

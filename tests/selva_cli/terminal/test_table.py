"""Tables on terminals and in pipes."""

from __future__ import annotations

import pytest

from selva_cli.terminal.table import count_cells, format_table, shorten

HEADINGS = ["id", "label", "state"]
ROWS = [("0123456789abcdef", "a long name of a shot", "queued"), ("fedcba9876543210", "犬の散歩", "done")]


def test_a_pipe_gets_every_cell_whole() -> None:
    assert list(format_table(HEADINGS, ROWS, whole=("id",))) == [
        "id                label                  state",
        "0123456789abcdef  a long name of a shot  queued",
        "fedcba9876543210  犬の散歩               done",
    ]


def test_a_terminal_gets_lines_that_fit_and_ids_whole() -> None:
    lines = list(format_table(HEADINGS, ROWS, whole=("id",), width=36))
    assert max(map(count_cells, lines)) <= 36
    assert lines[1].startswith("0123456789abcdef  a long na\N{HORIZONTAL ELLIPSIS}")
    narrow = list(format_table(HEADINGS, ROWS, whole=("id",), width=14))
    assert max(map(count_cells, narrow)) <= 14, "where no other column can be, they are shortened too"


def test_columns_without_content_are_not_shown_on_a_terminal() -> None:
    rows = [("1", "-", "x"), ("2", "", "y")]
    assert next(format_table(HEADINGS, rows, whole=("id",), width=80)) == "id  state"
    assert next(format_table(HEADINGS, rows, whole=("id",))) == "id  label  state"
    assert next(format_table(HEADINGS, rows, width=80)) == "id  label  state"


def test_a_table_without_rows_has_its_headings() -> None:
    assert list(format_table(HEADINGS, [])) == ["id  label  state"]


def test_names_that_hold_line_breaks_and_escapes_stay_on_their_line() -> None:
    _, line = format_table(["name"], [("two\nlines\x1b[31m",)])
    assert line == "two lines [31m"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("kept", 4, "kept"),
        ("too long", 4, "too\N{HORIZONTAL ELLIPSIS}"),
        ("犬の散歩", 5, "犬の\N{HORIZONTAL ELLIPSIS}"),
        ("犬の散歩", 4, "犬\N{HORIZONTAL ELLIPSIS}"),
        ("u\u0308ber", 4, "u\u0308ber"),
    ],
)
def test_a_text_is_shortened_by_the_cells_that_it_takes(text: str, width: int, shown: str) -> None:
    assert shorten(text, width) == shown

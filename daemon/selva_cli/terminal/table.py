"""Tables as lines of text. rich would take longer to load than most commands that print one take to run."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence

COLUMN_GAP = 2
MIN_CUT_WIDTH = 3
_MORE = "\N{HORIZONTAL ELLIPSIS}"


def format_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    whole: Collection[str] = (),
    width: int | None = None,
) -> Iterator[str]:
    """The lines of a table: its headings, then its rows. width: of the terminal, in cells; None to shorten nothing.

    whole: headings of columns that are shortened only when no other column can be. Where some are named and a width is
    given, columns without content are left out.
    """
    texts = [[_one_line(str(cell)) for cell in row] for row in rows]
    shown = list(range(len(headings)))
    if whole and width is not None:
        shown = [index for index in shown if any(row[index] not in ("", "-") for row in texts)]
    lines = [list(headings), *texts]
    widths = [max(count_cells(line[index]) for line in lines) for index in range(len(headings))]
    if width is not None:
        widths = _fit_widths(headings, widths, shown, whole, width)
    for line in lines:
        cells = [shorten(line[index], widths[index]) for index in shown]
        padded = [
            f"{cell}{' ' * (widths[index] - count_cells(cell))}"
            for index, cell in zip(shown, cells, strict=True)
        ]
        yield (" " * COLUMN_GAP).join(padded).rstrip()


def count_cells(text: str) -> int:
    """How many columns of a terminal a text takes: two for each wide character (UAX #11), none for one that combines."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def shorten(text: str, width: int) -> str:
    """The text, or as much of it as fits into `width` with a sign that there is more."""
    if count_cells(text) <= width:
        return text
    left = width - 1
    end = 0
    for character in text:
        left -= _cells_of(character)
        if left < 0:
            break
        end += 1
    return text[:end] + _MORE


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _one_line(text: str) -> str:
    """Without line breaks and control characters, which a name in a user's project may hold."""
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def _fit_widths(
    headings: Sequence[str], widths: Sequence[int], shown: Sequence[int], whole: Collection[str], width: int
) -> list[int]:
    """Column widths that fit into `width`: the widest of the columns that may be shortened gives way, down to MIN_CUT_WIDTH."""
    fitted = list(widths)
    excess = sum(fitted[index] + COLUMN_GAP for index in shown) - COLUMN_GAP - width
    for may_be_cut in ([index for index in shown if headings[index] not in whole], shown):
        while excess > 0:
            widest = max(may_be_cut, key=lambda index: fitted[index], default=None)
            if widest is None or fitted[widest] <= MIN_CUT_WIDTH:
                break
            fitted[widest] -= 1
            excess -= 1
    return fitted

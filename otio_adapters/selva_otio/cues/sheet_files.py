"""Cue sheet files: prompts for clips or record ranges, as TOML or CSV.

    [[cue]]
    track = "Dog"
    prompt = "small dog barking"
    negative = "birds"          # this and all that follow may be left out
    clip = "shot_010*"
    from = "01:00:05:00"
    to = "01:00:07:12"
    takes = 2
    gain_db = -3.0

A CSV file has the same names in its first line; its columns are separated by commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.misspelling import suggest
from selva_core.base.regular_file import FileTooLargeError, read_bounded
from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.cues.rules import CUE_SHEET, CueRule
from selva_otio.errors import CueError, TimelineError
from selva_otio.time.clock import TimelineClock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("track", "prompt", "negative", "clip", "from", "to", "takes", "gain_db")
SHOWN_FIELDS = ("cue", "source", "source_in", "source_out", "seconds", "estimate", "warnings")
"""Columns that `selva spot --csv` adds for the reader; they are ignored when the file is read back."""
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class CueSheetRow:
    """One row of a cue sheet file. Its times stay text, because timecode needs a timeline's clock to be read.

    origin: file and line, for messages. clip_pattern and rank: see CueRule.
    """

    stem_track: StemTrack
    origin: str
    clip_pattern: str | None
    record_from: str | None
    record_to: str | None
    rank: int = 0

    def to_rule(self, clock: TimelineClock) -> CueRule:
        """The row on a timeline's clock. Raises CueError for times that do not exist there."""
        try:
            start_s = None if self.record_from is None else clock.parse_moment_s(self.record_from)
            end_s = None if self.record_to is None else clock.parse_moment_s(self.record_to)
        except TimelineError as error:
            raise CueError(f"{self.origin}: {error.message}") from error
        if start_s is not None and end_s is not None and start_s >= end_s:
            raise CueError(f"{self.origin}: {self.record_from} does not lie before {self.record_to}")
        return CueRule(
            source=CUE_SHEET,
            stem_track=self.stem_track,
            origin=self.origin,
            clip_pattern=self.clip_pattern,
            record_start_s=start_s,
            record_end_s=end_s,
            rank=self.rank,
        )


def load_cue_sheet(path: Path) -> list[CueSheetRow]:
    """Read a .toml, .csv or .tsv cue sheet. Raises CueError, which names the row."""
    return [build_row(values, origin) for origin, values in read_cue_sheet(path)]


def read_cue_sheet(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of a cue sheet as they are written, each with its origin (file and line). Raises CueError."""
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".csv", ".tsv"):
        raise CueError(f"a cue sheet is a .toml or .csv file; got {path.name!r}")
    try:
        text = _decode(read_bounded(path, MAX_FILE_BYTES))
    except FileTooLargeError as error:
        raise CueError(
            f"{path.name} is too large for a cue sheet (at most {MAX_FILE_BYTES} bytes)"
        ) from error
    except OSError as error:
        raise CueError(f"the cue sheet {path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise CueError(f"{path.name} is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)") from error
    rows = _parse_toml(text, path.name) if suffix == ".toml" else _parse_csv(text, path.name)
    if not rows:
        raise CueError(f"{path.name} holds no cue; each needs at least a track and a prompt")
    if len(rows) > MAX_ROWS:
        raise CueError(f"{path.name} has {len(rows)} rows; a cue sheet has at most {MAX_ROWS}")
    return rows


def _decode(content: bytes) -> str:
    """UTF-8, or UTF-16 where a byte order mark says so: Excel writes "Unicode Text" that way."""
    is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _parse_toml(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CueError(f"{name} is no TOML: {error}") from error
    tables = root.pop("cue", [])
    if root or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        extra = f"; it also has {', '.join(sorted(root))}" if root else ""
        raise CueError(f"{name}: a cue sheet is a list of [[cue]] tables{extra}")
    return [(f"{name}, cue {number}", table) for number, table in enumerate(tables, start=1)]


def _parse_csv(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        reader.fieldnames = [heading.strip().lower() for heading in reader.fieldnames or ()]
        rows = [
            (f"{name}, line {reader.line_num}", _drop_empty_cells(row, f"{name}, line {reader.line_num}"))
            for row in reader
        ]
    except csv.Error as error:
        raise CueError(f"{name}, line {reader.line_num}: {error}") from error
    return [(origin, row) for origin, row in rows if row]


def _drop_empty_cells(row: Mapping[str | None, Any], origin: str) -> dict[str, Any]:
    """The cells of a CSV row that are not empty."""
    if None in row:
        raise CueError(f"{origin}: it has more columns than the first line names")
    return {str(key): value for key, value in row.items() if value and value.strip()}


def build_row(values: Mapping[str, Any], origin: str) -> CueSheetRow:
    """A row from its cells (CSV) or keys (TOML, metadata); origin: where it was read, for messages. Raises CueError."""
    unknown = sorted(set(values) - set(FIELDS) - set(SHOWN_FIELDS))
    if unknown:
        raise CueError(
            f"{origin}: {', '.join(unknown)} is not known; a cue has {', '.join(FIELDS)}{suggest(unknown[0], FIELDS)}"
        )
    return CueSheetRow(
        stem_track=build_stem_track(_text(values, "track") or "", values, origin),
        origin=origin,
        clip_pattern=_text(values, "clip"),
        record_from=_number_text(values, "from"),
        record_to=_number_text(values, "to"),
    )


def build_stem_track(name: str, values: Mapping[str, Any], origin: str) -> StemTrack:
    """A stem track from its prompt, negative, takes and gain_db as they are written. Raises CueError."""
    try:
        return StemTrack(
            name=name,
            prompt=_text(values, "prompt") or "",
            negative_prompt=_text(values, "negative") or "",
            num_takes=_whole_number(values["takes"]) if "takes" in values else None,
            gain_db=float(_number_text(values, "gain_db") or 0.0),
        )
    except CueError as error:
        raise CueError(f"{origin}: {error.message}") from error
    except (ValueError, ZeroDivisionError) as error:
        raise CueError(f"{origin}: takes is a whole number and gain_db a number; {error}") from error


def _whole_number(value: object) -> int:
    """2 from 2, 2.0 or "2"; `int` alone would make 2 of 2.7 and 1 of true. Raises ValueError."""
    number = Fraction(str(value).strip())
    if number.denominator != 1:
        raise ValueError(f"got {value!r}")
    return int(number)


def _text(values: Mapping[str, Any], name: str) -> str | None:
    """A cell as text; TOML may also have a number of seconds."""
    value = values.get(name)
    return None if value is None else str(value).strip() or None


def _number_text(values: Mapping[str, Any], name: str) -> str | None:
    """A number or a time as text; spreadsheets of many countries write a decimal comma."""
    text = _text(values, name)
    return None if text is None else text.replace(",", ".")

"""Where the prompts of an item come from, and its options: its own cue sheet, or the nearest `selva.toml` above it.

    takes = 2                       # these may be left out
    handles_s = 1.0
    model = "selva-small-44k"
    frame_rate = "24000/1001"       # of image sequences

    [[rule]]                        # the first rule that matches counts
    match = "*_int_*"               # the file's name, or its path below this folder where there is a slash
    [[rule.cue]]
    track = "Room"
    prompt = "quiet room tone"

    [[rule]]
    match = "proxy/*"
    ignore = true

    [[cue]]                         # for files that no rule with cues matches
    track = "Ambience"
    prompt = "wind in trees"

Hooks are not read from it: a person who may write to a share must not run programs on the machines that watch it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.misspelling import suggest
from selva_core.base.regular_file import read_bounded
from selva_otio import CueSheetRow, load_cue_sheet
from selva_otio.cues.sheet_files import MAX_ROWS, build_row
from selva_otio.errors import ClockError, CueError
from selva_otio.time.clock import parse_rate
from selva_render.watch.file_names import RULES_NAME
from selva_render.watch.inbox import InboxItem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_RULES_BYTES = 4 << 20
_TOP_KEYS = ("model", "takes", "handles_s", "frame_rate", "rule", "cue")
_RULE_KEYS = ("match", "ignore", "model", "takes", "handles_s", "frame_rate", "cue")


@dataclass(frozen=True, kw_only=True)
class ItemPrompts:
    """What is heard in an item. rows: of a cue sheet; empty leaves it to the item's markers and metadata. is_ignored: a rule says
    that it is no input. origin: where that was found. model, takes, handles_s, frame_rate: where the file of rules names them.
    """

    rows: tuple[CueSheetRow, ...] = ()
    is_ignored: bool = False
    origin: str = ""
    model: str | None = None
    takes: int | None = None
    handles_s: float | None = None
    frame_rate: Fraction | None = None

    def describe(self) -> str:
        """A text that changes when the prompts or options do."""
        rows = [repr((row.stem_track, row.clip_pattern, row.record_from, row.record_to)) for row in self.rows]
        options = [rows, self.model, self.takes, self.handles_s]
        return json.dumps(options if self.frame_rate is None else [*options, str(self.frame_rate)])


@dataclass(frozen=True, kw_only=True)
class _Rule:
    match: str
    ignore: bool = False
    rows: tuple[CueSheetRow, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, relative: Path) -> bool:
        pattern = self.match.casefold()
        name = relative.as_posix() if "/" in pattern else relative.name
        return fnmatchcase(name.casefold(), pattern)


@dataclass(frozen=True, kw_only=True)
class FolderRules:
    """The content of one `selva.toml`. folder: in which it lies."""

    folder: Path
    rules: tuple[_Rule, ...] = ()
    rows: tuple[CueSheetRow, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def prompts_of(self, path: Path) -> ItemPrompts:
        relative = path.relative_to(self.folder)
        rows, options = self.rows, dict(self.options)
        origin = f"{self.folder / RULES_NAME}"
        for rule in self.rules:
            if rule.matches(relative):
                if rule.ignore:
                    return ItemPrompts(is_ignored=True, origin=f"{origin}, rule {rule.match!r}")
                rows, options = rule.rows or rows, {**options, **rule.options}
                origin = f"{origin}, rule {rule.match!r}"
                break
        return ItemPrompts(rows=rows, origin=origin, **options)


def find_prompts(item: InboxItem, root: Path) -> ItemPrompts:
    """The prompts of an item below the watch folder `root`. Raises CueError, which names the file and what is wrong in it."""
    rules = find_rules(item.path.parent, root)
    found = ItemPrompts() if rules is None else rules.prompts_of(item.path)
    if item.cues is None:
        return found
    rows = tuple(load_cue_sheet(item.cues))
    return replace(found, rows=rows, is_ignored=False, origin=str(item.cues))


def find_rules(folder: Path, root: Path) -> FolderRules | None:
    """The nearest file of rules from `folder` up to `root`. Raises CueError."""
    for each in (folder, *folder.parents):
        try:
            return load_rules(each / RULES_NAME)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise CueError(f"{each / RULES_NAME} cannot be read: {error.strerror or error}") from error
        if each == root:
            break
    return None


def load_rules(file: Path) -> FolderRules:
    """Raises CueError; OSError, FileNotFoundError among them."""
    content = read_bounded(file, MAX_RULES_BYTES)
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CueError(f"{file} cannot be read as TOML: {error}") from error
    _require_known(values, _TOP_KEYS, str(file))
    rules = [
        _build_rule(table, f"{file}, rule {number}")
        for number, table in enumerate(_tables(values, "rule", str(file)), start=1)
    ]
    return FolderRules(
        folder=file.parent,
        rules=tuple(rules),
        rows=_build_rows(values, str(file)),
        options=_build_options(values, str(file)),
    )


def _build_rule(table: Mapping[str, Any], origin: str) -> _Rule:
    _require_known(table, _RULE_KEYS, origin)
    match, ignore = table.get("match"), table.get("ignore", False)
    if not isinstance(match, str) or not match or not isinstance(ignore, bool):
        raise CueError(f'{origin}: it needs match = "a pattern such as *_int_*"; ignore is true or false')
    return _Rule(
        match=match, ignore=ignore, rows=_build_rows(table, origin), options=_build_options(table, origin)
    )


def _build_rows(table: Mapping[str, Any], origin: str) -> tuple[CueSheetRow, ...]:
    tables = _tables(table, "cue", origin)
    if len(tables) > MAX_ROWS:
        raise CueError(f"{origin}: it has {len(tables)} cues; at most {MAX_ROWS} are read")
    return tuple(build_row(row, f"{origin}, cue {number}") for number, row in enumerate(tables, start=1))


def _build_options(table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, kinds in (("model", (str,)), ("takes", (int,)), ("handles_s", (int, float))):
        if name in table:
            if not isinstance(table[name], kinds) or isinstance(table[name], bool):
                wanted = "a text" if name == "model" else "a whole number" if name == "takes" else "a number"
                raise CueError(f"{origin}: {name} is {wanted}; got {table[name]!r}")
            options[name] = float(table[name]) if name == "handles_s" else table[name]
    if "frame_rate" in table:
        try:
            options["frame_rate"] = parse_rate(str(table["frame_rate"]))
        except ClockError as error:
            raise CueError(f"{origin}: frame_rate: {error}") from error
    return options


def _tables(values: Mapping[str, Any], name: str, origin: str) -> list[Mapping[str, Any]]:
    found = values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise CueError(f"{origin}: {name} is written as [[{name}]] tables; got {found!r:.80}")
    return found


def _require_known(values: Mapping[str, Any], known: Iterable[str], origin: str) -> None:
    names = list(known)
    for name in values:
        if name not in names:
            raise CueError(
                f"{origin}: {name!r} is not known; it has {', '.join(names)}{suggest(name, names)}"
            )

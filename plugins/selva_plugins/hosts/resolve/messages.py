"""Letters between the Lua agent inside Resolve and the bridge outside.

The agent posts JSON: as a file in `outbox`, or, where its sandbox forbids writing (free 21.1), as hex in
Fusion's preferences. The bridge answers with Lua tables in `inbox`, which every version reads with
loadfile. All of it lies in one folder that only its owner can open, whose path is ASCII because Resolve's
Lua opens files by the ANSI code page on Windows.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.paths import ensure_private_folder

_log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_LETTER_NAME = re.compile(r"[0-9A-Za-z-]{1,80}")
_PREFS_HEAD = re.compile(r'\bSelvaHead\s*=\s*"selva1 ([0-9A-Za-z-]{1,80}) (\d+) (\d+)"')
_PREFS_PIECE = re.compile(r'\bSelvaPiece(\d+)\s*=\s*"([0-9a-f]*)"')
_RENAME_PATIENCE_S = 2.0


@dataclass(frozen=True)
class Message:
    """One message of the agent: `name` is the request's id and a serial number."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class MessageFolder:
    """The folder that agent and bridge share."""

    folder: Path

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    def ensure(self) -> None:
        """Make the folders; nobody but the owner can open them. Raises StorageError."""
        ensure_private_folder(self.folder)
        self.outbox.mkdir(exist_ok=True)
        self.inbox.mkdir(exist_ok=True)

    def collect(self) -> Iterator[Message]:
        """The letters in the outbox, oldest name first; each is taken away once it has been handed over."""
        for path in sorted(self.outbox.glob("*.json")):
            letter = _read_letter_file(path)
            if letter is not None:
                yield letter
            path.unlink(missing_ok=True)

    def reply(self, request: str, answer: Mapping[str, Any]) -> None:
        """Answer a request; the agent sees the whole answer or the one before it."""
        _write_whole(self.inbox / f"{request}.lua", f"return {to_lua(answer)}\n")

    def announce_waiting(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Tell the agent which finished requests wait to be placed."""
        _write_whole(self.inbox / "waiting.lua", f"return {to_lua(entries)}\n")

    def forget(self, request: str) -> None:
        """Remove the answer to a request that is over."""
        (self.inbox / f"{request}.lua").unlink(missing_ok=True)


class PrefsTransport:
    """Reads letters out of every `Fusion.prefs` below some folders, when one of them has changed."""

    def __init__(self, profile_folders: Iterable[Path]) -> None:
        self._folders = tuple(profile_folders)
        self._seen_states: dict[Path, tuple[int, int, int]] = {}
        self._seen_names: set[str] = set()

    def collect(self) -> Iterator[Message]:
        for path in self._changed_files():
            letter = _read_prefs_letter(path)
            if letter is not None and letter.name not in self._seen_names:
                self._seen_names.add(letter.name)
                yield letter

    def _changed_files(self) -> Iterator[Path]:
        for folder in self._folders:
            for path in sorted(folder.glob("*/Fusion.prefs")):
                try:
                    status = path.stat()
                except OSError:
                    continue
                state = (status.st_mtime_ns, status.st_size, status.st_ino)
                if self._seen_states.get(path) != state:
                    self._seen_states[path] = state
                    yield path


def _read_letter_file(path: Path) -> Message | None:
    if _LETTER_NAME.fullmatch(path.stem) is None:
        _log.warning("ignored a file that is no letter: %s", path)
        return None
    try:
        if path.stat().st_size > MAX_MESSAGE_BYTES:
            raise ValueError(f"more than {MAX_MESSAGE_BYTES} bytes")
        return Message(path.stem, _parse_body(path.read_bytes()))
    except (OSError, ValueError) as error:
        _log.warning("ignored a broken letter: %s: %s", path, error)
        return None


def _read_prefs_letter(path: Path) -> Message | None:
    """The letter in a preferences file; None where there is none, or not all of it yet."""
    try:
        text = path.read_text(encoding="latin-1")
    except OSError:
        return None
    head = _PREFS_HEAD.search(text)
    if head is None:
        return None
    name, num_pieces, num_bytes = head[1], int(head[2]), int(head[3])
    pieces = {int(match[1]): match[2] for match in _PREFS_PIECE.finditer(text)}
    coded = "".join(pieces.get(number, "") for number in range(1, num_pieces + 1))
    if len(coded) != 2 * num_bytes or num_bytes > MAX_MESSAGE_BYTES:
        _log.warning("ignored a letter in %s that is not whole", path)
        return None
    try:
        return Message(name, _parse_body(bytes.fromhex(coded)))
    except ValueError as error:
        _log.warning("ignored a broken letter in %s: %s", path, error)
        return None


def _parse_body(raw: bytes) -> Mapping[str, Any]:
    body = json.loads(raw.decode("utf-8", errors="replace"))
    if not isinstance(body, dict) or body.get("schema") != "selva.letter/1":
        raise ValueError("not a selva.letter/1")
    return body


def _write_whole(target: Path, text: str) -> None:
    temporary = target.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    deadline = time.monotonic() + _RENAME_PATIENCE_S
    while True:
        try:
            os.replace(temporary, target)
        except PermissionError:  # Windows, while the agent has the old one open
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def to_lua(value: Any) -> str:
    """A Lua 5.1 literal of plain values; text stays UTF-8, control characters are escaped by number."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return '"' + re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"\\{ord(match[0]):03d}", value) + '"'
    if isinstance(value, Mapping):
        rows = (f"[{to_lua(key)}]={to_lua(item)}" for key, item in value.items() if item is not None)
        return "{" + ",\n".join(rows) + "}"
    if isinstance(value, Sequence):
        return "{" + ",\n".join(to_lua(item) for item in value) + "}"
    raise TypeError(f"no Lua literal for {type(value).__name__}")

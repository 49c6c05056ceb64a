"""Messages between the Lua agent inside Resolve and the bridge outside.

The agent sends JSON: as a file in `outbox`, or, where its sandbox forbids writing (Free 21.1), as hex in Fusion's preferences.
The bridge answers with Lua tables in `inbox`, which every version reads with loadfile. All of it lies in one folder that only
its owner can open, whose path is ASCII because Resolve's Lua opens files by the ANSI code page on Windows.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import write_atomic
from selva_core.base.paths import ensure_private_folder
from selva_plugins.hosts.resolve.agent.lua_literals import to_lua

_log = logging.getLogger(__name__)

MESSAGE_SCHEMA = "selva.letter/1"
MAX_MESSAGE_BYTES = 256 * 1024 * 1024
_MESSAGE_NAME = re.compile(r"[0-9A-Za-z-]{1,80}")
_PREFS_HEAD = re.compile(r'\bSelvaHead\s*=\s*"selva1 ([0-9A-Za-z-]{1,80}) (\d+) (\d+)"')
_PREFS_PIECE = re.compile(r'\bSelvaPiece(\d+)\s*=\s*"([0-9a-f]*)"')


@dataclass(frozen=True)
class Message:
    """One message of the agent: `name` is the request's id and a serial number, `body` its JSON."""

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
        """Make the folders; only their owner can open them. Raises StorageError."""
        ensure_private_folder(self.folder)
        self.outbox.mkdir(exist_ok=True)
        self.inbox.mkdir(exist_ok=True)

    def collect(self) -> Iterator[Message]:
        """The messages in the outbox, oldest name first; each file is deleted once its message has been handled."""
        for path in sorted(self.outbox.glob("*.json")):
            message = _read_message_file(path)
            if message is not None:
                yield message
            path.unlink(missing_ok=True)

    def reply(self, request: str, answer: Mapping[str, Any]) -> None:
        """Answer a request; the agent sees the whole answer or the one before it. Raises OutputError."""
        self._write(self.inbox / f"{request}.lua", answer)

    def announce_waiting(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """List for the agent which finished requests wait to be placed. Raises OutputError."""
        self._write(self.inbox / "waiting.lua", entries)

    def forget(self, request: str) -> None:
        """Delete the answer to a request that is over."""
        (self.inbox / f"{request}.lua").unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        write_atomic(path, f"return {to_lua(value)}\n".encode())


class PrefsTransport:
    """Reads messages out of every `Fusion.prefs` below some folders, when one of them has changed.

    Resolve Free 21.1 gives scripts no `io`, so that Fusion's preferences are the one thing that they can still have written to
    disk. Fusion saves the whole file for reasons of its own too, with the last message still in it: hence `_seen_names`.
    """

    def __init__(self, profile_folders: Iterable[Path]) -> None:
        self._folders = tuple(profile_folders)
        self._seen_states: dict[Path, tuple[int, int, int]] = {}
        self._seen_names: set[str] = set()

    def collect(self) -> Iterator[Message]:
        for path in self._iter_changed_files():
            message = _read_prefs_message(path)
            if message is not None and message.name not in self._seen_names:
                self._seen_names.add(message.name)
                yield message

    def _iter_changed_files(self) -> Iterator[Path]:
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


def _read_message_file(path: Path) -> Message | None:
    if _MESSAGE_NAME.fullmatch(path.stem) is None:
        _log.warning("ignored a file that is not a message: %s", path)
        return None
    try:
        if path.stat().st_size > MAX_MESSAGE_BYTES:
            raise ValueError(f"more than {MAX_MESSAGE_BYTES} bytes")
        return Message(path.stem, _parse_body(path.read_bytes()))
    except (OSError, ValueError) as error:
        _log.warning("ignored a broken message: %s: %s", path, error)
        return None


def _read_prefs_message(path: Path) -> Message | None:
    """The message in a preferences file; None where there is none, or not all of it yet.

    Fusion writes other users' text into the same file in encodings of their own; Latin-1 reads any bytes.
    """
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
        _log.warning("ignored an incomplete message in %s", path)
        return None
    try:
        return Message(name, _parse_body(bytes.fromhex(coded)))
    except ValueError as error:
        _log.warning("ignored a broken message in %s: %s", path, error)
        return None


def _parse_body(raw: bytes) -> Mapping[str, Any]:
    """Raises ValueError."""
    try:
        body = json.loads(raw.decode("utf-8", errors="replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(body, dict) or body.get("schema") != MESSAGE_SCHEMA:
        raise ValueError(f"not a {MESSAGE_SCHEMA}")
    return body

"""The file of a session, for its owner only: closing the page or the panel loses nothing."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from selva_core.base.errors import StorageError
from selva_core.base.paths import AppPaths, ensure_private_folder, write_private_file
from selva_core.base.regular_file import read_bounded
from selva_panel.session.records import VERSION, SessionRecord

MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_PROMPTS = 200
_ID_CHARS = 16


def session_id_of(identity: str) -> str:
    """The name of a session: the same for the same cut, whenever it is opened."""
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:_ID_CHARS]


def find_last_cut(paths: AppPaths) -> Path | None:
    """The cut of the session that was saved last, where it is still there; None where there is none."""
    files = sorted(
        (paths.state / "panel").glob("*.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True
    )
    for file in files:
        with suppress(OSError, msgspec.MsgspecError):
            cut = Path(msgspec.json.decode(read_bounded(file, MAX_FILE_BYTES), type=_CutOfSession).cut)
            if cut.is_absolute() and cut.exists():
                return cut
    return None


class _CutOfSession(msgspec.Struct):
    """What is read of a session that is not opened yet."""

    cut: str = ""


class SessionStore:
    """Loads and saves one session, and the prompts that were used in any."""

    def __init__(self, paths: AppPaths, session_id: str) -> None:
        self.folder = paths.state / "panel"
        self.file = self.folder / f"{session_id}.json"
        self._prompts_file = self.folder / "prompts.json"
        ensure_private_folder(paths.state)
        ensure_private_folder(self.folder)

    def load(self) -> SessionRecord:
        """The session, a new one where there is none. Raises StorageError for a file that is not one of ours."""
        try:
            content = read_bounded(self.file, MAX_FILE_BYTES)
        except FileNotFoundError:
            return SessionRecord()
        except OSError as exc:
            raise StorageError(f"the session {self.file} cannot be read: {exc.strerror or exc}") from exc
        try:
            record = msgspec.json.decode(content, type=SessionRecord)
        except msgspec.MsgspecError as exc:
            raise StorageError(
                f"{self.file} is no session of the panel ({exc}); move it away and open the panel again"
            ) from exc
        if record.version != VERSION:
            raise StorageError(
                f"the session {self.file} is of version {record.version}, this program reads {VERSION}; open it with the newer "
                "program, or move the file away"
            )
        return record

    def save(self, record: SessionRecord) -> None:
        """Raises StorageError."""
        write_private_file(self.file, msgspec.json.encode(record))

    def load_prompts(self) -> list[str]:
        """The prompts that were used last, the newest first."""
        try:
            content = read_bounded(self._prompts_file, 1 << 20)
            return msgspec.json.decode(content, type=list[str])[:MAX_PROMPTS]
        except (OSError, msgspec.MsgspecError):
            return []

    def remember_prompts(self, prompts: list[str]) -> None:
        """Put prompts in front of those of earlier sessions. Raises StorageError."""
        known = dict.fromkeys([*prompts, *self.load_prompts()])
        write_private_file(self._prompts_file, msgspec.json.encode(list(known)[:MAX_PROMPTS]))

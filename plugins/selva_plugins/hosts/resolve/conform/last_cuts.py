"""What each timeline was when stems were last placed on it, kept beside the bridge's requests: Resolve's projects have no place
for what a script wants to keep.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.atomic_write import write_atomic
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot

_SHOWN_FILE = "shown"
_COMPARED = ("video_tracks", "audio_tracks")


@dataclass(frozen=True)
class LastCuts:
    """A folder with a snapshot per timeline, by its id."""

    folder: Path

    def find(self, timeline_id: str) -> Path | None:
        file = self._file(timeline_id)
        return file if file.is_file() else None

    def keep(self, timeline_id: str, snapshot: Path) -> None:
        """Raises OSError, OutputError."""
        self.folder.mkdir(exist_ok=True)
        write_atomic(self._file(timeline_id), snapshot.read_bytes())

    def note_shown(self, snapshot: Mapping[str, Any]) -> None:
        """Remember that the user has seen what a conform of this timeline would do. Raises OutputError."""
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / _SHOWN_FILE, _digest(snapshot).encode())

    def was_shown(self, snapshot: Mapping[str, Any]) -> bool:
        """Whether it was, and nothing was edited since; true once."""
        file = self.folder / _SHOWN_FILE
        if not file.is_file():
            return False
        is_same = file.read_text(encoding="utf-8") == _digest(snapshot)
        file.unlink()
        return is_same

    def _file(self, timeline_id: str) -> Path:
        return self.folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', timeline_id)}.json"


def load_last_cut(path: object) -> ResolveSnapshot | None:
    """The snapshot in a file of `LastCuts`; None where there is none. Raises SnapshotError, OSError."""
    if not isinstance(path, str) or not Path(path).is_file():
        return None
    return parse_snapshot(Path(path).read_text(encoding="utf-8"))


def _digest(snapshot: Mapping[str, Any]) -> str:
    """Of what a conform depends on: not of markers, one of which may say what was shown."""
    timeline = snapshot["timeline"]
    compared = [timeline["id"], *(timeline.get(name) for name in _COMPARED)]
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()

"""The install record: what was begun, made and changed, on disk before it happens, so that all of it can be undone."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from environment import SetupError

SCHEMA = "selva.install/1"
RECORD_NAME = "install-record.json"


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by another whole one, which is on disk before it gets its name. Raises OSError."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class Record:
    """One per installation, in its folder. Each change is written before this returns.

    choices: what the person wanted. values: what steps must remember beyond what they made. steps: name -> begun or done.
    """

    def __init__(self, path: Path, content: dict[str, Any] | None = None) -> None:
        self.path = path
        content = content or {}
        self.choices: dict[str, Any] = content.get("choices", {})
        self.steps: dict[str, dict[str, Any]] = content.get("steps", {})
        self.version: str = content.get("version", "")

    @classmethod
    def load(cls, prefix: Path) -> Record | None:
        """The record of an installation; None when there is none. Raises SetupError when it cannot be read."""
        path = prefix / RECORD_NAME
        try:
            content = json.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            raise SetupError(f"the install record {path} cannot be read: {exc}") from exc
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise SetupError(
                f"{path} is no install record of this version (it has no schema {SCHEMA}); use the installer that made it: "
                f"{prefix / 'installer' / 'install.py'}"
            )
        return cls(path, content)

    def save(self) -> None:
        """Raises OSError."""
        content = {
            "schema": SCHEMA,
            "version": self.version,
            "choices": self.choices,
            "steps": self.steps,
        }
        write_whole(self.path, json.dumps(content, indent=1).encode("ascii"))

    def begin(self, step: str) -> None:
        entry = self.steps.setdefault(step, {})
        entry["state"] = "begun"
        self.save()

    def finish(self, step: str) -> None:
        self.steps[step]["state"] = "done"
        self.save()

    def forget(self, step: str) -> None:
        self.steps.pop(step, None)
        self.save()

    def is_begun(self, step: str) -> bool:
        return step in self.steps

    def is_finished(self, step: str) -> bool:
        return self.steps.get(step, {}).get("state") == "done"

    def remember(self, step: str, **values: Any) -> None:
        self.steps.setdefault(step, {"state": "begun"}).update(values)
        self.save()

    def recall(self, step: str, name: str, otherwise: Any = None) -> Any:
        return self.steps.get(step, {}).get(name, otherwise)

    def will_make(self, step: str, *paths: Path) -> None:
        """Called before files and folders are made; those that are there already are not ours, and not noted."""
        made: list[str] = self.steps.setdefault(step, {"state": "begun"}).setdefault("made", [])
        made += [str(path) for path in paths if not os.path.lexists(path) and str(path) not in made]
        self.save()

    def made(self, step: str) -> list[Path]:
        return [Path(name) for name in self.steps.get(step, {}).get("made", [])]

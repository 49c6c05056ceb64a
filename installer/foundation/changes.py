"""Files that another program makes and changes for us, compared before and after, and put back as they were."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from foundation.record import Record, write_whole

MAX_KEPT_BYTES = 16 << 20
"""Larger files are left to the program that changed them: REAPER's lists and our scripts are some 100 kB."""


def list_files(roots: Iterable[Path]) -> list[Path]:
    """Every file below the roots, which may be files themselves."""
    found: list[Path] = []
    for root in roots:
        if root.is_file():
            found.append(root)
        for folder, _, names in os.walk(root):
            found += [Path(folder, name) for name in names]
    return sorted(set(found))


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def keep_former(record: Record, step: str, roots: Iterable[Path], folder: Path) -> None:
    """Note what lies under `roots` now and copy it into `folder`, once: a repeated run finds our own files there.

    Raises OSError.
    """
    if record.recall(step, "former") is not None:
        return
    roots = list(roots)
    former: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(list_files(roots)):
        if path.stat().st_size <= MAX_KEPT_BYTES:
            stored = folder / f"{step}-{number}"
            write_whole(stored, path.read_bytes())
            former[str(path)] = stored.name
    folders = [str(path) for root in roots for path in missing_folders(root)]
    record.remember(step, former=former, roots=[str(root) for root in roots], missing_folders=folders)


def missing_folders(path: Path) -> list[Path]:
    """Folders on the way to a path that are not there yet, the deepest first; only these may be removed again."""
    missing = []
    while not path.exists() and path != path.parent:
        missing.append(path)
        path = path.parent
    return missing


def note_written(record: Record, step: str) -> None:
    """Note what the files hold now that the other program has run: what the person changes later stays. Raises OSError."""
    roots = [Path(root) for root in record.recall(step, "roots", [])]
    record.remember(step, written={str(path): _digest(path) for path in list_files(roots)})


def restore(record: Record, step: str, folder: Path) -> list[Path]:
    """Restore what was there before, delete what is still as it was written; returns what was left because somebody changed
    it since. Raises OSError.
    """
    former: dict[str, str] = record.recall(step, "former", {}) or {}
    written: dict[str, str] = record.recall(step, "written", {}) or {}
    roots = [Path(root) for root in record.recall(step, "roots", [])]
    left = []
    for path in {*list_files(roots), *map(Path, former)}:
        stored = folder / former[str(path)] if str(path) in former else None
        if stored is not None and _digest(path) == _digest(stored):
            continue
        if path.exists() and _digest(path) != written.get(str(path)):
            left.append(path)
        elif stored is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, stored.read_bytes())
        else:
            path.unlink()
    prune_folders(record.recall(step, "missing_folders", []), roots)
    return sorted(left)


def prune_folders(recorded: Iterable[Any], roots: Iterable[Path]) -> None:
    """Remove folders that were made and are empty: those inside the roots, and recorded ones above them."""
    inside = [
        Path(folder)
        for root in roots
        if root.is_dir() and str(root) in set(recorded)
        for folder, _, _ in os.walk(root, topdown=False)
    ]
    for folder in [*inside, *sorted(map(Path, recorded), key=lambda path: -len(path.parts))]:
        with contextlib.suppress(OSError):  # not empty, not there, or a file
            folder.rmdir()

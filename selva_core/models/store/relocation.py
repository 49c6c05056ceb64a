"""Move the folder of weights to another place or drive.

Files are copied and compared before anything changes; then the setting is changed; then the old files go. Killed at any
moment, one of the two folders is whole, and the same command goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.atomic_write import staged_file
from selva_core.base.errors import OutputError, WeightsMismatchError
from selva_core.models.catalog import listed_models
from selva_core.models.pull import STAGING_NAME
from selva_core.models.record import EARLIER_PINS_NAME, RECORD_NAME, load_record
from selva_core.models.store.content import hash_file
from selva_core.models.store.folder_lock import LOCK_NAME, locked_folder
from selva_core.models.store.room import require_room

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class MoveReport:
    """num_files, size_bytes: of what moved. copied_bytes: of those, what had to be copied to another drive.

    left_behind: old files that a program has open, which Windows does not delete.
    foreign: entries of the old folder that are not of models, and stay there as they were.
    """

    num_files: int
    size_bytes: int
    copied_bytes: int
    left_behind: tuple[Path, ...] = ()
    foreign: tuple[Path, ...] = ()


def move_models(
    source: Path,
    target: Path,
    *,
    change_setting: Callable[[Path], None],
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None,
    on_wait: Callable[[], None] = lambda: None,
) -> MoveReport:
    """Move the weights of `source` into `target`, which is made if needed and may hold an interrupted move.

    What else lies in `source` stays: a folder with files of the user's own may have been chosen for weights.

    change_setting: called once all files are at the target. on_bytes: called with the bytes that are there and all.
    on_wait: before a wait for another process.

    Raises
    OutputError, WeightsMismatchError for a file that changed on the way.
    """
    source, target = source.resolve(), target.resolve()
    if target == source:
        raise OutputError(f"the models are in {target} already", path=str(target))
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise OutputError(
            f"{target} and {source} lie inside each other; choose a folder beside them", path=str(target)
        )
    with locked_folder(source, on_wait=on_wait), locked_folder(target, on_wait=on_wait):
        entries, foreign = _split_entries(source)
        files = [path.relative_to(source) for entry in entries for path in _files_below(entry)]
        to_copy = [path for path in files if not _is_there(source / path, target / path)]
        sizes = {path: (source / path).stat().st_size for path in files}
        _require_no_foreign_files(source, target, to_copy)
        if not _same_drive(source, target):
            require_room(target, sum(sizes[path] for path in to_copy), what="the move")
        total, done, copied = (
            sum(sizes.values()),
            sum(sizes[path] for path in files if path not in to_copy),
            0,
        )
        for path in to_copy:
            copied += _bring(source / path, target / path)
            done += sizes[path]
            on_bytes(done, total)
        change_setting(target)
        left_behind = [source / path for path in files if not _remove(source / path)]
        _remove_empty_folders(entries)
    with suppress(OSError):
        (source / LOCK_NAME).unlink()
        source.rmdir()
    return MoveReport(
        num_files=len(files),
        size_bytes=total,
        copied_bytes=copied,
        left_behind=tuple(left_behind),
        foreign=tuple(foreign),
    )


def _split_entries(models_dir: Path) -> tuple[list[Path], list[Path]]:
    """What lies directly in the folder: entries of models, and all others but the lock."""
    of_models = {
        path.parts[0]
        for model in listed_models()
        for file in model.files.values()
        for path in file.relative_paths
    }
    of_models |= {name.split("/")[0] for name in load_record(models_dir).files}
    of_models.add(STAGING_NAME)
    entries, foreign = list[Path](), list[Path]()
    for path in sorted(models_dir.iterdir()):
        if path.name in of_models or path.name.startswith((RECORD_NAME, EARLIER_PINS_NAME)):
            entries.append(path)
        elif path.name != LOCK_NAME:
            foreign.append(path)
    return entries, foreign


def _files_below(entry: Path) -> list[Path]:
    return [entry] if entry.is_file() else [path for path in sorted(entry.rglob("*")) if path.is_file()]


def _is_there(source: Path, target: Path) -> bool:
    """After an interrupted move: the same file, or one that is equal."""
    if not target.is_file() or source.stat().st_size != target.stat().st_size:
        return False
    return os.path.samefile(source, target) or hash_file(source) == hash_file(target)


def _require_no_foreign_files(source: Path, target: Path, to_copy: list[Path]) -> None:
    """A record or a file of the same name at the target belongs to another installation, or the move would destroy it."""
    replaced = [path for path in to_copy if (target / path).exists()]
    if replaced and not all(path.name in (RECORD_NAME, EARLIER_PINS_NAME) for path in replaced):
        raise OutputError(
            f"{target} holds other files of the same names ({replaced[0].as_posix()}); choose an empty folder",
            path=str(target),
        )
    records = (source / RECORD_NAME, target / RECORD_NAME)
    if all(record.exists() for record in records) and not _is_there(*records):
        raise OutputError(
            f"{target} holds models of its own; use them by setting models_dir to it, or choose an empty folder",
            path=str(target),
        )


def _same_drive(source: Path, target: Path) -> bool:
    return source.stat().st_dev == target.stat().st_dev


def _bring(source: Path, target: Path) -> int:
    """A second name where the drive is the same, else a copy that is read back and compared; returns the bytes copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(source, target)
        return 0
    with staged_file(target) as temporary:
        shutil.copyfile(source, temporary)
        if hash_file(temporary) != hash_file(source):
            raise WeightsMismatchError(
                f"{source.name} is another on the disk of {target.parent}; check that disk", path=str(target)
            )
    return target.stat().st_size


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _remove_empty_folders(entries: list[Path]) -> None:
    for entry in entries:
        below = (path for path in entry.rglob("*") if path.is_dir())
        for path in (*sorted(below, reverse=True), entry):
            with suppress(OSError):  # not empty, or a file
                path.rmdir()

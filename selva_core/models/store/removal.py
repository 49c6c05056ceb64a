"""Take a model's files away, but not those that another installed model needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutputError
from selva_core.models.catalog import Model, ModelFile, listed_models, missing_files
from selva_core.models.pull import partial_file
from selva_core.models.record import load_record, save_record, without_file
from selva_core.models.store.folder_lock import locked_folder


@dataclass(frozen=True, kw_only=True)
class RemovalReport:
    """shared: files that stay, with the installed models that need them."""

    removed: tuple[Path, ...]
    freed_bytes: int
    shared: dict[str, list[str]]


def remove_model(
    model: Model, models_dir: Path, *, on_wait: Callable[[], None] = lambda: None
) -> RemovalReport:
    """Delete the model's files and what was fetched of them so far. on_wait: before a wait for another process.

    Raises OutputError where a file is in use (Windows).
    """
    removed: list[Path] = []
    shared: dict[str, list[str]] = {}
    freed_bytes = 0
    with locked_folder(models_dir, on_wait=on_wait):
        users = _users_of_files(model, models_dir)
        record = load_record(models_dir)
        for file in model.files.values():
            if names := users.get(file.relative_path):
                shared[file.relative_path.as_posix()] = names
                continue
            freed_bytes += _discard_partial(models_dir, file)
            for relative_path in file.relative_paths:
                path = models_dir / relative_path
                if not path.is_file():
                    continue
                # A file with another name elsewhere (a hard link) frees nothing.
                size_bytes = path.stat().st_size if path.stat().st_nlink == 1 else 0
                _unlink(path)
                removed.append(path)
                freed_bytes += size_bytes
                record = without_file(record, relative_path)
        if removed:
            save_record(models_dir, record)
        _remove_empty_folders(models_dir, removed)
    return RemovalReport(removed=tuple(removed), freed_bytes=freed_bytes, shared=shared)


def _users_of_files(model: Model, models_dir: Path) -> dict[Path, list[str]]:
    """For each file of the model, the other installed models that use it."""
    users: dict[Path, list[str]] = {}
    for other in listed_models():
        if other.model_id == model.model_id or other.is_bundled or missing_files(other, models_dir):
            continue
        for file in other.files.values():
            users.setdefault(file.relative_path, []).append(other.model_id)
    return users


def _discard_partial(models_dir: Path, file: ModelFile) -> int:
    partial = partial_file(models_dir, file)
    try:
        size_bytes = partial.path.stat().st_size
    except OSError:
        size_bytes = 0
    partial.discard()
    return size_bytes


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError as exc:
        raise OutputError(
            f"cannot remove {path}: {explain_os_error(exc)}; end the daemon first if it uses the model: "
            f"{selva_command('daemon', 'stop')}",
            path=str(path),
        ) from exc


def _remove_empty_folders(models_dir: Path, removed: list[Path]) -> None:
    for path in removed:
        folder = path.parent
        while folder != models_dir:
            with suppress(OSError):  # not empty
                folder.rmdir()
            folder = folder.parent

"""What lies in the folder of weights, and how much room is left beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.settings import find_settings
from selva_core.models.catalog import installed_files, listed_models, missing_files
from selva_core.models.pull import STAGING_NAME
from selva_core.models.store.room import free_bytes


@dataclass(frozen=True, kw_only=True)
class FolderUsage:
    """set_by: what names the folder. installed: bytes of each whole model. weights_bytes: of all files, each counted once.
    shared_bytes: of files that several of the installed models use. partial_bytes: of downloads that have not ended.
    """

    folder: Path
    set_by: str
    free_bytes: int
    installed: Mapping[str, int]
    weights_bytes: int
    shared_bytes: int
    partial_bytes: int


def read_usage(models_dir: Path) -> FolderUsage:
    """Looks at sizes alone. Raises OutputError where the disk cannot be asked."""
    installed: dict[str, int] = {}
    users: dict[Path, int] = {}
    for model in listed_models():
        if model.is_bundled:
            continue
        paths = set(installed_files(model, models_dir).values())
        if not missing_files(model, models_dir):
            installed[model.model_id] = sum(path.stat().st_size for path in paths)
        for path in paths:
            users[path] = users.get(path, 0) + (model.model_id in installed)
    return FolderUsage(
        folder=models_dir,
        set_by=find_settings()["models_dir"].source,
        free_bytes=free_bytes(models_dir),
        installed=installed,
        weights_bytes=sum(path.stat().st_size for path in users),
        shared_bytes=sum(path.stat().st_size for path, count in users.items() if count > 1),
        partial_bytes=_size_of_files(models_dir / STAGING_NAME),
    )


def _size_of_files(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0

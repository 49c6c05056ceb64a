"""Whether a disk has room, before anything is written to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.command_line import selva_command
from selva_core.base.errors import OutputError

SPARE_BYTES = 500_000_000
"""Left free, so that the system and the stems have some."""


def free_bytes(folder: Path) -> int:
    """Of the disk that the folder is on or would be. Raises OutputError."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        return shutil.disk_usage(nearest).free
    except OSError as exc:
        raise OutputError(
            f"the models folder {folder} cannot be used: {explain_os_error(exc)}. Set SELVA_MODELS_DIR to another",
            path=str(folder),
        ) from exc


def require_room(folder: Path, needed_bytes: int, *, what: str) -> None:
    """Raises OutputError where the disk has less than `needed_bytes` and some to spare."""
    free = free_bytes(folder)
    if needed_bytes and free < needed_bytes + SPARE_BYTES:
        raise OutputError(
            f"{free / 1e9:.1f} GB are free on the disk of {folder}; {what} needs {needed_bytes / 1e9:.1f} GB and 0.5 GB to "
            f"spare. Free some space, or use another disk: {selva_command('models', 'move', 'FOLDER')} (or set SELVA_MODELS_DIR)",
            path=str(folder),
            free_bytes=free,
            needed_bytes=needed_bytes + SPARE_BYTES,
        )

"""Stems in the user's folder: whole or not there, and never in place of a file that is not the same.

A stem is written in a hidden folder that carries the job's id, flushed, and then published by rename. When a file of that
name holds other bytes (the user edited the stem), the new one gets a number.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from selva_core.audio.credentials import CHUNK_ID
from selva_core.base.atomic_write import flush_folder
from selva_core.base.errors import OutputError

MAX_NUMBERED = 1000


def resolve_output_folder(folder: Path, *, allowed: Sequence[str], forbidden: Sequence[Path]) -> Path:
    """The real folder, made when missing. Raises OutputError outside `allowed` and inside `forbidden`.

    Symbolic links are followed before the check, so a link inside an allowed folder leads nowhere else.
    `allowed` empty means any folder.
    """
    real = Path(os.path.realpath(folder))
    if allowed and not any(_is_inside(real, Path(os.path.realpath(root))) for root in allowed):
        raise OutputError(
            f"stems are not written to {real}; allowed are {', '.join(allowed)} (setting output_folders)",
            path=str(real),
        )
    if any(_is_inside(real, Path(os.path.realpath(own))) for own in forbidden):
        raise OutputError(f"{real} belongs to the daemon; choose another folder for stems", path=str(real))
    try:
        real.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder {real} cannot be made: {exc.strerror or exc}", path=str(real)) from exc
    if Path(os.path.realpath(real)) != real or not os.access(real, os.W_OK):
        raise OutputError(f"the folder {real} cannot be written to", path=str(real))
    return real


@contextmanager
def staging_folder(folder: Path, *, job_id: str) -> Iterator[Path]:
    """A hidden folder inside `folder` for one run of a job, gone afterwards. Raises OutputError.

    What earlier runs of the job left when their worker was killed is swept up first.
    """
    remove_staging(folder, job_id=job_id)
    staging = folder / f".selva-{job_id}-{uuid.uuid4().hex[:8]}"
    try:
        staging.mkdir()
    except OSError as exc:
        raise OutputError(f"{folder} cannot be written to: {exc.strerror or exc}", path=str(folder)) from exc
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def remove_staging(folder: Path, *, job_id: str) -> None:
    """Remove the hidden folders of a job that does not run any more."""
    for staging in folder.glob(f".selva-{job_id}-*"):
        shutil.rmtree(staging, ignore_errors=True)


def have_same_bytes(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def have_same_stem(one: Path, other: Path) -> bool:
    """Whether two stems differ in their signature at most: no two signatures are alike."""
    from selva_core.audio.wav import digest_without  # noqa: PLC0415 - loads numpy; the server imports this module too

    try:
        return digest_without(one, CHUNK_ID) == digest_without(other, CHUNK_ID)
    except ValueError:
        return False


def publish(staged: Path, target: Path, *, are_same: Callable[[Path, Path], bool] = have_same_bytes) -> Path:
    """Give the staged file its name; returns where it is. Raises OutputError.

    A file of that name that is the same is kept as it is; another is never touched.
    """
    try:
        for candidate in _candidates(target):
            if _publish_as(staged, candidate, are_same):
                flush_folder(candidate.parent)
                return candidate
    except OSError as exc:
        raise OutputError(f"{target} cannot be written: {exc.strerror or exc}", path=str(target)) from exc
    raise OutputError(
        f"{MAX_NUMBERED} other files of the name {target.name} are in the way", path=str(target)
    )


def _candidates(target: Path) -> Iterator[Path]:
    yield target
    for number in range(2, MAX_NUMBERED + 1):
        yield target.with_name(f"{target.stem}_{number}{target.suffix}")


def _publish_as(staged: Path, target: Path, are_same: Callable[[Path, Path], bool]) -> bool:
    if os.path.lexists(target):
        same = target.is_file() and not target.is_symlink() and are_same(staged, target)
        if same:
            staged.unlink()
        return same
    _rename_without_replacing(staged, target)
    return True


def _rename_without_replacing(staged: Path, target: Path) -> None:
    if sys.platform == "win32":
        staged.rename(target)  # refuses an existing target there
        return
    try:
        os.link(staged, target, follow_symlinks=False)  # refuses an existing target, unlike rename
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links (exFAT, some network shares)
        staged.rename(target)
        return
    staged.unlink()


def _is_inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents

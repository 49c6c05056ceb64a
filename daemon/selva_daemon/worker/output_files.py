"""Stems in the user's folder: whole or not there, and never in place of a file that is not the same.

Stems are written in a hidden folder that carries the job's id, flushed, and then published together: each gets its name as a
second name of the same file, and a journal in the hidden folder says which. When one cannot be published, or the worker is
killed in between, the names that were given are taken back. When a file of that name holds other bytes (the user edited the
stem), the new one gets a number.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from selva_core.audio.credentials import CHUNK_ID
from selva_core.base.atomic_write import flush_folder
from selva_core.base.errors import OutputError

MAX_NUMBERED = 1000
JOURNAL = "published.jsonl"
"""One line a published stem, [staged name, published path]; it lies in the hidden folder until all are published."""


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
    """Remove the hidden folders of a job that does not run any more, and the stems of a publication that was cut off."""
    for staging in folder.glob(f".selva-{job_id}-*"):
        _take_back(staging)
        shutil.rmtree(staging, ignore_errors=True)


def have_same_bytes(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def have_same_stem(one: Path, other: Path) -> bool:
    """Whether two stems differ in their signature at most: no two signatures are alike. Other files are never signed."""
    if one.suffix != ".wav":
        return have_same_bytes(one, other)
    from selva_core.audio.wav import digest_without  # noqa: PLC0415 - loads numpy; the server imports this module too

    try:
        return digest_without(one, CHUNK_ID) == digest_without(other, CHUNK_ID)
    except ValueError:
        return False


def publish_all(
    staged: Sequence[tuple[Path, Path]], *, are_same: Callable[[Path, Path], bool] = have_same_bytes
) -> list[Path]:
    """Publish pairs of (staged file, wanted path), all or none; returns where each is. Raises OutputError.

    The staged files lie in one hidden folder of the job.
    """
    if not staged:
        return []
    staging = staged[0][0].parent
    try:
        published = [_publish(source, target, are_same) for source, target in staged]
    except BaseException:
        _take_back(staging)
        raise
    (staging / JOURNAL).unlink(missing_ok=True)  # from here on the stems stay, whatever happens
    return published


def _take_back(staging: Path) -> None:
    """Remove the published names of stems in `staging`; a file that is no longer the staged one is the user's."""
    try:
        lines = (staging / JOURNAL).read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(OSError, ValueError):
            name, target = json.loads(line)
            source = staging / name
            if not source.exists() and os.path.lexists(target):
                os.rename(target, source)  # it was moved, because this disk has no hard links
            elif source.exists() and os.path.samefile(source, target):
                os.unlink(target)


def _note_publication(staged: Path, target: Path) -> None:
    with (staged.parent / JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps([staged.name, str(target)]) + "\n")
        journal.flush()


def _publish(staged: Path, target: Path, are_same: Callable[[Path, Path], bool]) -> Path:
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
        return target.is_file() and not target.is_symlink() and are_same(staged, target)
    _note_publication(staged, target)
    _name_without_replacing(staged, target)
    return True


def _name_without_replacing(staged: Path, target: Path) -> None:
    """A second name for the staged file, so that `_take_back` can tell it from a file of the user's.

    A link refuses an existing target on every system, while a rename replaces it on POSIX and refuses it on Windows. Without hard
    links (exFAT, some network shares) the file is renamed after `_publish_as` has found no target.
    """
    try:
        os.link(staged, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        staged.rename(target)


def _is_inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def remove_staging_in_background(folder: Path, job_id: str) -> None:
    """Remove what a dead worker left, in a thread of its own: a network drive may not answer, and the server must."""
    threading.Thread(
        target=remove_staging,
        args=(folder,),
        kwargs={"job_id": job_id},
        name=f"remove-staging-{job_id}",
        daemon=True,
    ).start()

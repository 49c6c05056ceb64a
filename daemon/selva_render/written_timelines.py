"""Which timelines were written here: those alone are replaced without being asked to.

A file of the user's may have the name that a render is to write. What is written is noted with its hash in the state folder, so
that a project in which somebody has worked since is not taken for the one that was written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.regular_file import open_regular, read_bounded
from selva_otio.errors import TimelineError, TimelineWriteError
from selva_otio.formats.edl.writer import name_edl_parts
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.registry import find_format, open_timeline_file
from selva_otio.formats.sidecars import sidecar_of
from selva_otio.formats.stem_metadata import iter_stems

MAX_NOTED = 1000
MAX_NOTE_BYTES = 1 << 20
_HOST_PROJECTS = (".rpp",)
"""Projects that people go on working in. Their stems say nothing of the file: REAPER keeps them in what it saves itself."""


def note_written_files(files: Iterable[Path], paths: AppPaths) -> None:
    """Note that these files were written as they are now. Where it cannot be noted, the next render asks before it replaces
    them.
    """
    noted = dict(_load_notes(paths))
    with suppress(OSError, SelvaError):
        for file in files:
            noted.pop(_key(file), None)  # the newest is last
            noted[_key(file)] = _hash_file(file)
        newest = dict(list(noted.items())[-MAX_NOTED:])
        ensure_private_folder(paths.state)
        write_atomic(paths.written_timelines_file, json.dumps(newest).encode())


def check_replaceable(target: Path, track_names: Iterable[str], paths: AppPaths) -> None:
    """Check that a render that writes `target` replaces nothing but an earlier render.

    track_names: its stem tracks, each of which is a file of its own in an EDL.

    Raises TimelineWriteError for a file that was not written here, or that was changed since.
    """
    is_edl = find_format(target).suffix == ".edl"
    for file in name_edl_parts(target, dict.fromkeys(track_names)) if is_edl else [target]:
        if os.path.lexists(file) and (problem := _find_problem(file, target, paths)):
            raise TimelineWriteError(
                f"{file} exists already and {problem}; choose another name, or add --replace to replace it",
                path=str(file),
            )


def _find_problem(file: Path, target: Path, paths: AppPaths) -> str | None:
    noted = _load_notes(paths).get(_key(file))
    if noted is None:
        return None if _holds_our_stems(file, target) else "was not written by Selva"
    try:
        is_unchanged = _hash_file(file) == noted
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if is_unchanged else "was changed since Selva wrote it"


def _holds_our_stems(file: Path, target: Path) -> bool:
    """Of a file without a note, as earlier versions wrote it: whether its sidecar or its own metadata tells of stems."""
    if find_format(target).suffix in _HOST_PROJECTS:
        return False
    if sidecar_of(target).is_file():
        return True
    try:
        with open_timeline_file(file, ReadOptions()) as (timeline, _):
            return any(True for _ in iter_stems(timeline))
    except TimelineError:
        return False


def _load_notes(paths: AppPaths) -> Mapping[str, str]:
    try:
        noted = json.loads(read_bounded(paths.written_timelines_file, MAX_NOTE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _key(file: Path) -> str:
    return os.path.normcase(os.path.realpath(file))


def _hash_file(file: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(file) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

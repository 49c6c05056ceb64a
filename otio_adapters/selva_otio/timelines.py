"""The door for timeline files: what can be read, and writing without ever leaving half a file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedFormatError

WRITABLE_SUFFIXES = (".otio",)
MAX_TIMELINE_BYTES = 128 * 1024 * 1024


def load_timeline(path: Path) -> otio.schema.Timeline:
    """Read a timeline file. Raises TimelineReadError or UnsupportedFormatError; never changes the file."""
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError as error:
        raise TimelineReadError(f"there is no timeline at {path}") from error
    except OSError as error:
        raise TimelineReadError(f"{path} cannot be read: {error.strerror}") from error
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise UnsupportedFormatError(
            f"{path.name} is not an .otio file; export the cut as OpenTimelineIO (.otio)"
        )
    if size_bytes > MAX_TIMELINE_BYTES:
        raise TimelineReadError(f"{path} has {size_bytes} bytes; a timeline has at most {MAX_TIMELINE_BYTES}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TimelineReadError(f"{path} cannot be read as text: {error}") from error
    _check_json(text, path)
    try:
        root = otio.core.deserialize_json_from_string(text)
    except (
        Exception
    ) as error:  # it raises builtin errors of every kind for files that are not as they should be
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {_first_line(error)}") from error
    return _only_timeline(root, path)


def check_timeline_target(target: Path, source: Path | None = None) -> None:
    """Whether a timeline can be written to `target`; leaves nothing behind.

    Raises UnsupportedFormatError, or TimelineWriteError when the folder is missing or may not be written, or
    when the target is the source.
    """
    if target.suffix.lower() not in WRITABLE_SUFFIXES:
        raise UnsupportedFormatError(
            f"a timeline is written as {' or '.join(WRITABLE_SUFFIXES)}; got {target.name!r}"
        )
    if source is not None and _is_same_file(source, target):
        raise TimelineWriteError(
            f"{target} is the timeline that is read; it is never changed, choose another name"
        )
    if target.is_dir():
        raise TimelineWriteError(f"{target} is a folder; name a file")
    if not target.parent.is_dir():
        raise TimelineWriteError(f"there is no folder {target.parent}; make it first")
    check_folder_writable(target.parent)


def check_folder_writable(folder: Path) -> None:
    """Raises TimelineWriteError unless a file can be made in `folder`; leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TimelineWriteError(f"cannot write into {folder}: {error.strerror}") from error


def write_timeline(timeline: otio.schema.Timeline, target: Path) -> None:
    """Write an .otio file whole or not at all. Raises TimelineWriteError."""
    text = timeline.to_json_string(indent=4)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise TimelineWriteError(f"cannot write {target}: {error.strerror}") from error


def _check_json(text: str, path: Path) -> None:
    """Whether it is JSON at all, nested no deeper than a sane reader goes: OpenTimelineIO's own crashes there."""
    try:
        json.loads(text)
    except RecursionError as error:
        raise TimelineReadError(f"{path} is nested too deeply to be read") from error
    except ValueError as error:
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {error}") from error


def _only_timeline(root: object, path: Path) -> otio.schema.Timeline:
    if isinstance(root, otio.schema.Timeline):
        if not isinstance(root.tracks, otio.schema.Stack):
            raise TimelineReadError(f"{path} is a timeline without a stack of tracks")
        return root
    if isinstance(root, otio.schema.SerializableCollection):
        timelines = [child for child in root if isinstance(child, otio.schema.Timeline)]
        if len(timelines) == 1:
            return _only_timeline(timelines[0], path)
        raise TimelineReadError(
            f"{path} holds {len(timelines)} timelines; export the one that is meant alone"
        )
    raise TimelineReadError(f"{path} holds a {type(root).__name__}, not a timeline")


def _is_same_file(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target)
    except OSError:
        return source.absolute() == target.absolute()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Timelines as .otio files: JSON text, checked before OpenTimelineIO reads it."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineReadError, TimelineWriteError

MAX_TIMELINE_BYTES = 128 * 1024 * 1024


def load_otio_file(path: Path) -> otio.schema.Timeline:
    """Read an .otio file. Raises TimelineReadError."""
    return parse_otio(load_bounded(path), path)


def load_bounded(path: Path) -> bytes:
    """The bytes of a timeline file. Raises TimelineReadError when it is missing or too large to be one."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_TIMELINE_BYTES:
            raise TimelineReadError(
                f"{path} has {size_bytes} bytes; a timeline has at most {MAX_TIMELINE_BYTES}"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise TimelineReadError(f"there is no timeline at {path}") from error
    except OSError as error:
        raise TimelineReadError(f"{path} cannot be read: {error.strerror}") from error


def parse_otio(content: bytes, path: Path) -> otio.schema.Timeline:
    """The one timeline of an .otio file's content. Raises TimelineReadError; `path` is for the message."""
    try:
        text = content.decode("utf-8-sig")
        json.loads(text)  # OpenTimelineIO's own reader crashes on deep nesting
    except RecursionError as error:
        raise TimelineReadError(f"{path} is nested too deeply to be read") from error
    except ValueError as error:
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {error}") from error
    try:
        root = otio.core.deserialize_json_from_string(text)
    except (
        Exception
    ) as error:  # it raises builtin errors of every kind for files that are not as they should be
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {first_line(error)}") from error
    return only_timeline(root, path)


def write_otio_file(timeline: otio.schema.Timeline, target: Path, *, family: str | None = None) -> None:
    """Write an .otio file whole or not at all. family: the release of OpenTimelineIO whose schemas a reader knows.

    Raises TimelineWriteError.
    """
    versions = None if family is None else otio.versioning.fetch_map("OTIO_CORE", family)
    with staged_file(target, error=TimelineWriteError) as temporary:
        text = otio.core.serialize_json_to_string(timeline, versions, indent=4)
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def only_timeline(root: object, path: Path) -> otio.schema.Timeline:
    """The timeline a file holds. Raises TimelineReadError unless there is just one."""
    if isinstance(root, otio.schema.Timeline):
        if not isinstance(root.tracks, otio.schema.Stack):
            raise TimelineReadError(f"{path} is a timeline without a stack of tracks")
        return root
    if isinstance(root, otio.schema.SerializableCollection):
        timelines = [child for child in root if isinstance(child, otio.schema.Timeline)]
        if len(timelines) == 1:
            return only_timeline(timelines[0], path)
        raise TimelineReadError(
            f"{path} holds {len(timelines)} timelines; export the one that is meant alone"
        )
    raise TimelineReadError(f"{path} holds a {type(root).__name__}, not a timeline")


def first_line(error: Exception) -> str:
    """What a foreign error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

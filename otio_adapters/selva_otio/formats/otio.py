"""Timelines as .otio files, checked as JSON before OpenTimelineIO reads them."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_core.base.regular_file import FileTooLargeError, read_bounded
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.finite_times import replace_times_that_are_not_finite

MAX_TIMELINE_BYTES = 512 * 1024 * 1024
"""10,000 clips with three stems each take 190 MB as .otio: what was written must be read again."""


def load_otio_file(path: Path) -> otio.schema.Timeline:
    """Read an .otio file. Raises TimelineReadError."""
    return parse_otio(load_timeline_bytes(path), path)


def load_timeline_bytes(path: Path) -> bytes:
    """The content of a timeline file in any format. Raises TimelineReadError when it is missing, unreadable or too large."""
    try:
        return read_bounded(path, MAX_TIMELINE_BYTES)
    except FileTooLargeError as error:
        raise TimelineReadError(
            f"{path}: a timeline has at most {MAX_TIMELINE_BYTES} bytes; {error.strerror}"
        ) from error
    except FileNotFoundError as error:
        raise TimelineReadError(f"there is no timeline at {path}") from error
    except OSError as error:
        raise TimelineReadError(f"{path} cannot be read: {error.strerror}") from error


def parse_otio(content: bytes, path: Path) -> otio.schema.Timeline:
    """The one timeline of an .otio file's content. Raises TimelineReadError; `path` is for the message."""
    try:
        text = content.decode("utf-8-sig")
        json.loads(
            text
        )  # OpenTimelineIO's reader (0.18.1) overflows the stack on deep nesting, which ends the process
    except RecursionError as error:
        raise TimelineReadError(f"{path} is nested too deeply to be read") from error
    except ValueError as error:
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {error}") from error
    try:
        root = otio.core.deserialize_json_from_string(text)
    except (
        Exception
    ) as error:  # ValueError, TypeError, KeyError, RuntimeError ... whichever its field readers raise
        raise TimelineReadError(f"{path} is not an OpenTimelineIO file: {first_line(error)}") from error
    timeline = find_only_timeline(root, path)
    replace_times_that_are_not_finite(timeline)
    return timeline


def write_otio_file(timeline: otio.schema.Timeline, target: Path, *, family: str | None = None) -> None:
    """Write an .otio file whole or not at all. Raises TimelineWriteError.

    family: the release of OpenTimelineIO whose schemas are written ("0.14.0"); None for the installed one.
    """
    versions = None if family is None else otio.versioning.fetch_map("OTIO_CORE", family)
    with staged_file(target, error=TimelineWriteError) as temporary:
        text = otio.core.serialize_json_to_string(timeline, versions, indent=4)
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def find_only_timeline(root: object, path: Path) -> otio.schema.Timeline:
    """The one timeline in what was read from `path`. Raises TimelineReadError for none or several."""
    if isinstance(root, otio.schema.Timeline):
        if not isinstance(root.tracks, otio.schema.Stack):
            raise TimelineReadError(f"{path} is a timeline without a stack of tracks")
        return root
    if isinstance(root, otio.schema.SerializableCollection):
        timelines = [child for child in root if isinstance(child, otio.schema.Timeline)]
        if len(timelines) == 1:
            return find_only_timeline(timelines[0], path)
        raise TimelineReadError(f"{path} holds {len(timelines)} timelines; export only the one to be read")
    raise TimelineReadError(f"{path} holds a {type(root).__name__}, not a timeline")


def first_line(error: Exception) -> str:
    """The first line of a foreign error's message, or its class without one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def unwrap_timeline(root: otio.core.SerializableObject, *, target_kind: str) -> otio.schema.Timeline:
    """The timeline that an OpenTimelineIO program hands to an adapter's `write_to_file`, alone or in a collection of one.

    target_kind: what it is written as, for the message. Raises NotSupportedError, as adapters of OpenTimelineIO do.
    """
    if isinstance(root, otio.schema.SerializableCollection) and len(root) == 1:
        root = root[0]
    if isinstance(root, otio.schema.Timeline):
        return root
    raise otio.exceptions.NotSupportedError(
        f"{target_kind} is written from one timeline; got a {type(root).__name__}"
    )

"""REAPER projects (.rpp), for OpenTimelineIO: tracks, items with takes, play rates, sections, markers and regions.

Reading: `read_from_file("cut.rpp")`; media paths are taken from the project's folder. Writing makes a new project, or,
with `project="cut.rpp"`, that project with the stem tracks of the timeline and nothing else changed.
"""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.chunks import parse_project_text
from selva_otio.formats.reaper.project_files import (
    load_project,
    merge_into_project,
)
from selva_otio.formats.reaper.reader import build_timeline
from selva_otio.formats.reaper.writer import build_project


def read_from_file(filepath: str) -> otio.schema.Timeline:
    """The timeline of a project. Raises selva_otio.errors.TimelineReadError (a ValueError)."""
    return load_project(Path(filepath))


def read_from_string(input_str: str) -> otio.schema.Timeline:
    """The timeline of a project's text; relative media paths stay relative."""
    return build_timeline(parse_project_text(input_str), name="", folder=None)


def write_to_file(
    input_otio: otio.core.SerializableObject, filepath: str, project: str | None = None
) -> None:
    """Write a timeline as a new project, or `project` with the timeline's stem tracks, whole or not at all.

    Raises selva_otio.errors.TimelineError (a ValueError).
    """
    timeline = _only_timeline(input_otio)
    target = Path(filepath)
    if project is None:
        content = build_project(timeline, folder=target.absolute().parent).encode("utf-8")
    else:
        content = merge_into_project(timeline, Path(project), target)
    with staged_file(target, error=TimelineWriteError) as temporary:
        temporary.write_bytes(content)


def write_to_string(input_otio: otio.core.SerializableObject) -> str:
    """The text of a new project; relative media URLs stay relative."""
    return build_project(_only_timeline(input_otio), folder=None)


def _only_timeline(root: otio.core.SerializableObject) -> otio.schema.Timeline:
    if isinstance(root, otio.schema.SerializableCollection) and len(root) == 1:
        root = root[0]
    if isinstance(root, otio.schema.Timeline):
        return root
    raise otio.exceptions.NotSupportedError(
        f"a REAPER project is written from one timeline; got a {type(root).__name__}"
    )

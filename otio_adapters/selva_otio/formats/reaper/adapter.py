"""REAPER projects (.rpp) for OpenTimelineIO: tracks, items with takes, play rates, sections, markers and regions.

otio.adapters.read_from_file("cut.rpp")
otio.adapters.write_to_file(timeline, "new.rpp")                         # a new project
otio.adapters.write_to_file(timeline, "cut-new.rpp", project="cut.rpp")  # cut.rpp with the stem tracks of the timeline
"""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import write_atomic
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.otio import unwrap_timeline
from selva_otio.formats.reaper.chunks import parse_project_text
from selva_otio.formats.reaper.project_files import (
    load_project,
    merge_into_project,
)
from selva_otio.formats.reaper.reader import build_project_timeline
from selva_otio.formats.reaper.writer import build_project


def read_from_file(filepath: str) -> otio.schema.Timeline:
    """The timeline of a project. Raises selva_otio.errors.TimelineReadError (a ValueError)."""
    return load_project(Path(filepath))


def read_from_string(input_str: str) -> otio.schema.Timeline:
    """The timeline of a project's text; relative media paths stay relative."""
    return build_project_timeline(parse_project_text(input_str), name="", folder=None)


def write_to_file(
    input_otio: otio.core.SerializableObject, filepath: str, project: str | None = None
) -> None:
    """Write a timeline as a new project, or the project at `project` with its stem tracks, whole or not at all.

    Raises selva_otio.errors.TimelineError (a ValueError).
    """
    timeline = unwrap_timeline(input_otio, target_kind="a REAPER project")
    target = Path(filepath)
    if project is None:
        content = build_project(timeline, folder=target.absolute().parent).encode("utf-8", "surrogateescape")
    else:
        content = merge_into_project(timeline, Path(project), target)
    write_atomic(target, content, error=TimelineWriteError)


def write_to_string(input_otio: otio.core.SerializableObject) -> str:
    """The text of a new project; relative media URLs stay relative."""
    return build_project(unwrap_timeline(input_otio, target_kind="a REAPER project"), folder=None)

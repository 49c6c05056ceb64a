"""Project files as timelines, and timelines as project files: new ones, or their source project with stem tracks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.chunks import ProjectText, load_project_text, parse_project_text
from selva_otio.formats.reaper.metadata import REAPER_NAMESPACE, read_reaper_metadata
from selva_otio.formats.reaper.reader import build_project_timeline
from selva_otio.formats.reaper.stem_tracks_merge import check_media_stays_found, merge_stem_tracks
from selva_otio.formats.reaper.writer import build_project
from selva_otio.formats.source_loss import count_reaper_features, note_left_out
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import clean_file_name

_PROJECT_KEY = "project"


def load_project(path: Path, *, keep_text: bool = False) -> otio.schema.Timeline:
    """The timeline of a project file. Raises TimelineReadError.

    keep_text: carry the text of the project in the metadata, so that `build_project_bytes` returns it with stem tracks.
    """
    project = load_project_text(path)
    folder = path.absolute().parent
    timeline = build_project_timeline(project, name=clean_file_name(path.stem), folder=folder)
    note_left_out(timeline, "REAPER project", count_reaper_features(project.to_text()))
    if keep_text:
        timeline.metadata[REAPER_NAMESPACE][_PROJECT_KEY] = {
            "text": project.to_text(),
            "encoding": project.encoding,
            "folder": str(folder),
        }
    return timeline


def build_project_bytes(timeline: otio.schema.Timeline, target: Path) -> bytes:
    """The content for `target`: the project that the timeline was read from, with its stem tracks, or a new one.

    Raises TimelineError; TimelineWriteError when more than stem tracks was changed since the project was read.
    """
    folder = target.absolute().parent
    source = _read_source_project(timeline)
    if source is None:
        return build_project(timeline, folder=folder).encode("utf-8", "surrogateescape")
    project, source_folder = source
    source_timeline = build_project_timeline(project, name="", folder=source_folder)
    _check_only_stems_changed(timeline, source_timeline)
    return merge_stem_tracks(
        project, timeline, source=source_timeline, source_folder=source_folder, target_folder=folder
    )


def check_project_target(source: Path, target: Path) -> None:
    """Check that the project at `source` can be written to `target` without losing its media.

    Raises TimelineWriteError.
    """
    folders = source.absolute().parent, target.absolute().parent
    if folders[0] != folders[1]:
        check_media_stays_found(load_project_text(source), *folders)


def has_project_text(timeline: otio.schema.Timeline) -> bool:
    """Whether a timeline carries the text of the project it was read from."""
    return _PROJECT_KEY in (timeline.metadata.get(REAPER_NAMESPACE) or {})


def drop_project_text(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """The timeline without the text of its project: itself, or a clone if it carries one."""
    if not has_project_text(timeline):
        return timeline
    clone = timeline.clone()
    del clone.metadata[REAPER_NAMESPACE][_PROJECT_KEY]
    return clone


def merge_into_project(timeline: otio.schema.Timeline, project_path: Path, target: Path) -> bytes:
    """The project at `project_path` with the stem tracks of `timeline`. Raises TimelineError."""
    project, folder = load_project_text(project_path), project_path.absolute().parent
    return merge_stem_tracks(
        project,
        timeline,
        source=build_project_timeline(project, name="", folder=folder),
        source_folder=folder,
        target_folder=target.absolute().parent,
    )


def _read_source_project(timeline: otio.schema.Timeline) -> tuple[ProjectText, Path] | None:
    """The project that a timeline carries, and the folder it was read from."""
    source = read_reaper_metadata(timeline).get(_PROJECT_KEY)
    if not isinstance(source, Mapping):
        return None
    project = parse_project_text(str(source["text"]), encoding=str(source["encoding"]))
    return project, Path(str(source["folder"]))


def _check_only_stems_changed(timeline: otio.schema.Timeline, source: otio.schema.Timeline) -> None:
    """Other edits cannot be written into the text of the project; an error is better than losing them silently."""
    tracks, old_tracks = (
        [track for track in each.tracks if not read_selva_metadata(track, TRACK_SCHEMA)]
        for each in (timeline, source)
    )
    changed = len(tracks) != len(old_tracks) or not all(
        track.is_equivalent_to(old) for track, old in zip(tracks, old_tracks, strict=True)
    )
    if changed:
        raise TimelineWriteError(
            "more than stem tracks was changed in this timeline, and only those go into the project it was read "
            "from; write it as a new project with opentimelineio.adapters.write_to_file"
        )

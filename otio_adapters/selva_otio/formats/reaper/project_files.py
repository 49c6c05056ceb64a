"""Project files as timelines, and timelines as project files: new ones, or the old one with its stem tracks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.chunks import ProjectText, load_project_text, parse_project_text
from selva_otio.formats.reaper.project_markers import NAMESPACE
from selva_otio.formats.reaper.reader import build_timeline
from selva_otio.formats.reaper.stem_tracks_merge import check_media_stays_found, merge_stem_tracks
from selva_otio.formats.reaper.track_chunks import stem_track_facts
from selva_otio.formats.reaper.writer import build_project

_KEPT = "project"


def load_project(path: Path, *, keep_text: bool = False) -> otio.schema.Timeline:
    """The timeline of a project file. Raises TimelineReadError.

    keep_text: carry the project's text along, so that `build_project_bytes` gives it back with stem tracks.
    """
    project = load_project_text(path)
    folder = path.absolute().parent
    timeline = build_timeline(project, name=path.stem, folder=folder)
    if keep_text:
        timeline.metadata[NAMESPACE][_KEPT] = {
            "text": project.to_text(),
            "encoding": project.encoding,
            "folder": str(folder),
        }
    return timeline


def build_project_bytes(timeline: otio.schema.Timeline, target: Path) -> bytes:
    """What to write to `target`: the project that the timeline carries with its stem tracks, or a new one.

    Raises TimelineError; TimelineWriteError when, in a timeline that carries its project, something other than
    stem tracks was changed.
    """
    folder = target.absolute().parent
    kept = _read_kept(timeline)
    if kept is None:
        return build_project(timeline, folder=folder).encode("utf-8")
    project, source_folder = kept
    _check_only_stems_changed(timeline, build_timeline(project, name="", folder=source_folder))
    return merge_stem_tracks(project, timeline, source_folder=source_folder, target_folder=folder)


def check_project_target(source: Path, target: Path) -> None:
    """Whether the project at `source` can be written to `target` without losing its media. Raises
    TimelineWriteError."""
    folders = source.absolute().parent, target.absolute().parent
    if folders[0] != folders[1]:
        check_media_stays_found(load_project_text(source), *folders)


def has_project_text(timeline: otio.schema.Timeline) -> bool:
    """Whether a timeline carries the text of the project it came from."""
    return _KEPT in (timeline.metadata.get(NAMESPACE) or {})


def drop_project_text(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """The timeline, or a clone of it, without the text of the project it came from."""
    if not has_project_text(timeline):
        return timeline
    clone = timeline.clone()
    del clone.metadata[NAMESPACE][_KEPT]
    return clone


def merge_into_project(timeline: otio.schema.Timeline, project_path: Path, target: Path) -> bytes:
    """The project at `project_path` with the stem tracks of `timeline`. Raises TimelineError."""
    return merge_stem_tracks(
        load_project_text(project_path),
        timeline,
        source_folder=project_path.absolute().parent,
        target_folder=target.absolute().parent,
    )


def _read_kept(timeline: otio.schema.Timeline) -> tuple[ProjectText, Path] | None:
    known = timeline.metadata.get(NAMESPACE)
    kept = known.get(_KEPT) if isinstance(known, Mapping) else None
    if not isinstance(kept, Mapping):
        return None
    project = parse_project_text(str(kept["text"]), encoding=str(kept["encoding"]))
    return project, Path(str(kept["folder"]))


def _check_only_stems_changed(timeline: otio.schema.Timeline, before: otio.schema.Timeline) -> None:
    """Edits other than stems have no way into the old text; losing them silently would be worse than saying so."""
    ours = [track for track in timeline.tracks if not stem_track_facts(track)]
    theirs = [track for track in before.tracks if not stem_track_facts(track)]
    changed = len(ours) != len(theirs) or not all(
        track.is_equivalent_to(other) for track, other in zip(ours, theirs, strict=True)
    )
    if changed:
        raise TimelineWriteError(
            "more than stem tracks was changed in this timeline, and only those go into the project it was read "
            "from; write it as a new project with opentimelineio.adapters.write_to_file"
        )

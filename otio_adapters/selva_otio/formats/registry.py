"""The table of timeline formats: how each is read and written, and what it cannot hold.

A reader is a context manager that takes the path and ReadOptions and gives the timeline and the folder in which its relative
media URLs start; `_relative_to_file` makes one of a plain function. A writer takes the timeline and its Destination and
returns the files it has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import write_atomic
from selva_core.base.regular_file import require_regular_or_folder
from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.aaf.reader import load_aaf
from selva_otio.formats.aaf.writer import OTHER_SOUND_FILES, write_aaf
from selva_otio.formats.edl.reader import open_edl
from selva_otio.formats.edl.writer import write_edls
from selva_otio.formats.fcp_xml.files import (
    drop_source_document,
    find_source_document,
    load_fcp_xml,
    write_fcp_xml,
)
from selva_otio.formats.fcpxml.files import drop_document, plan_merge, write_fcpxml
from selva_otio.formats.fcpxml.reader import load_fcpxml
from selva_otio.formats.feature_loss import (
    CLIP_MARKERS,
    DISABLED,
    EFFECTS,
    FADES,
    GAINS,
    IMAGE_SEQUENCES,
    OFF_FRAME,
    OTHER_SOUND,
    PANS,
    PICTURE,
    RETIMES,
    TAKES,
    TIMELINE_MARKERS,
    TRANSITIONS,
    Feature,
)
from selva_otio.formats.flat_layout import OFFLINE_CLIPS, OPENED_NESTS, OTHER_TRACKS, SPEED_RAMPS
from selva_otio.formats.mlt.reader import load_mlt
from selva_otio.formats.mlt.writer import write_mlt
from selva_otio.formats.options import Destination, ReadOptions
from selva_otio.formats.otio import load_otio_file, write_otio_file
from selva_otio.formats.otioz import load_otiod, open_otioz, write_otiod, write_otioz
from selva_otio.formats.reaper.project_files import (
    build_project_bytes,
    check_project_target,
    drop_project_text,
    has_project_text,
    load_project,
)
from selva_otio.formats.request_bundle.bundle_zip import open_request_bundle
from selva_otio.picture.media import (
    build_media_url,
    is_relative_url,
    make_folder_absolute,
    resolve_media_path,
)

Opened = AbstractContextManager[tuple[otio.schema.Timeline, Path]]
OpenFile = Callable[[Path, ReadOptions], Opened]
WriteFile = Callable[[otio.schema.Timeline, Destination], Sequence[Path]]


@dataclass(frozen=True, kw_only=True)
class TimelineFormat:
    """One format.

    open, write: None where it is not read or written; `advice` then says what to do instead. holds_media: the media is
    inside the file or folder. keeps_metadata: whether metadata under "selva" comes back; if not, prompts are also written as
    markers, and the rest into a sidecar. shows_takes: whether a clip can have several media references; if not, `write` gets
    the silent takes as disabled clips on tracks of their own, except where it cannot hold TAKES at all. cannot_hold: what it
    drops, reported when it is written. plan_merge: what `write` is given (`Destination.merge_plan`) to write this timeline back
    into the document it was read from, which keeps everything but the stems as it was; None where it is written anew.
    """

    name: str
    suffix: str
    open: OpenFile | None = None
    write: WriteFile | None = None
    holds_media: bool = False
    is_folder: bool = False
    keeps_metadata: bool = False
    shows_takes: bool = False
    cannot_hold: tuple[Feature, ...] = ()
    plan_merge: Callable[[otio.schema.Timeline], object | None] = lambda timeline: None
    advice: str = ""


def _relative_to_file(load: Callable[[Path], otio.schema.Timeline]) -> OpenFile:
    """A reader of files whose relative media URLs start in the folder of the file."""

    @contextmanager
    def open_file(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
        yield load(path), path.absolute().parent

    return open_file


@contextmanager
def _open_request_bundle(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    with open_request_bundle(path) as bundle:
        yield bundle.timeline_with_stems(), bundle.base_folder


def _open_otioz(path: Path, options: ReadOptions) -> Opened:
    return open_otioz(path)


@contextmanager
def _open_otiod(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    yield load_otiod(path), path.absolute()


@contextmanager
def _open_fcpxmld(path: Path, options: ReadOptions) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    """Since 1.10 Final Cut Pro exports a folder, which has tracking data beside the document."""
    yield load_fcpxml(path / "Info.fcpxml" if path.is_dir() else path), path.absolute()


def _write_otio(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Relative media URLs become absolute in a file of another folder, where they would lead nowhere."""
    plain = _keep_media_found(_drop_source_documents(timeline), destination)
    write_otio_file(plain, destination.target, family=destination.profile.otio_family)
    return [destination.target]


def _write_otioz(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    write_otioz(_drop_source_documents(timeline), destination.target, destination.base_folder)
    return [destination.target]


def _write_otiod(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    write_otiod(_drop_source_documents(timeline), destination.target, destination.base_folder)
    return [destination.target]


def _drop_source_documents(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """Without the text of the file it was read from, which is of use to that format only."""
    return drop_document(drop_source_document(drop_project_text(timeline)))


def _keep_media_found(timeline: otio.schema.Timeline, destination: Destination) -> otio.schema.Timeline:
    """With absolute URLs where the file goes to another folder than the one in which relative URLs start."""
    if destination.target.absolute().parent == destination.base_folder:
        return timeline
    return _with_absolute_urls(timeline, destination.base_folder)


def _with_absolute_urls(timeline: otio.schema.Timeline, base_folder: Path) -> otio.schema.Timeline:
    clone = timeline.clone()
    for clip in clone.find_clips():
        for reference in clip.media_references().values():
            url = getattr(reference, "target_url", None)
            if url and is_relative_url(url):
                reference.target_url = build_media_url(resolve_media_path(url, base_folder))
            if isinstance(reference, otio.schema.ImageSequenceReference):
                make_folder_absolute(reference, base_folder)
    return clone


def _load_project(path: Path) -> otio.schema.Timeline:
    return load_project(path, keep_text=True)


def _write_project(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """A project that was read as text keeps its FILE lines, see merge_stem_tracks; a new one names media from its own folder."""
    source = timeline if has_project_text(timeline) else _keep_media_found(timeline, destination)
    content = build_project_bytes(source, destination.target)
    write_atomic(destination.target, content, error=TimelineWriteError)
    return [destination.target]


FORMATS = (
    TimelineFormat(
        name="OpenTimelineIO",
        suffix=".otio",
        open=_relative_to_file(load_otio_file),
        write=_write_otio,
        keeps_metadata=True,
        shows_takes=True,
        cannot_hold=(PANS,),
    ),
    TimelineFormat(
        name="OpenTimelineIO bundle",
        suffix=".otioz",
        open=_open_otioz,
        write=_write_otioz,
        holds_media=True,
        keeps_metadata=True,
        shows_takes=True,
        cannot_hold=(PANS,),
    ),
    TimelineFormat(
        name="OpenTimelineIO bundle folder",
        suffix=".otiod",
        open=_open_otiod,
        write=_write_otiod,
        holds_media=True,
        is_folder=True,
        keeps_metadata=True,
        shows_takes=True,
        cannot_hold=(PANS,),
    ),
    TimelineFormat(
        name="REAPER project",
        suffix=".rpp",
        open=_relative_to_file(_load_project),
        write=_write_project,
        keeps_metadata=True,
        shows_takes=True,
        plan_merge=lambda timeline: has_project_text(timeline) or None,
    ),
    TimelineFormat(
        name="Final Cut Pro 7 XML",
        suffix=".xml",
        open=_relative_to_file(load_fcp_xml),
        write=write_fcp_xml,
        cannot_hold=(FADES, EFFECTS, IMAGE_SEQUENCES, OTHER_TRACKS, SPEED_RAMPS, OFF_FRAME),
        plan_merge=find_source_document,
    ),
    TimelineFormat(
        name="AAF",
        suffix=".aaf",
        open=_relative_to_file(load_aaf),
        write=write_aaf,
        cannot_hold=(
            *(FADES, GAINS, EFFECTS, TRANSITIONS, RETIMES, OPENED_NESTS, OFFLINE_CLIPS, OTHER_TRACKS),
            *(OTHER_SOUND_FILES, DISABLED, CLIP_MARKERS, TIMELINE_MARKERS),
        ),
    ),
    TimelineFormat(
        name="Final Cut Pro XML",
        suffix=".fcpxml",
        open=_relative_to_file(load_fcpxml),
        write=write_fcpxml,
        keeps_metadata=True,
        shows_takes=True,
        cannot_hold=(FADES, EFFECTS, OPENED_NESTS, OFFLINE_CLIPS, OTHER_TRACKS, SPEED_RAMPS),
        plan_merge=plan_merge,
    ),
    TimelineFormat(
        name="Final Cut Pro XML bundle",
        suffix=".fcpxmld",
        open=_open_fcpxmld,
        is_folder=True,
        advice="write an .fcpxml file, which Final Cut Pro imports as well",
    ),
    TimelineFormat(
        name="EDL",
        suffix=".edl",
        open=open_edl,
        write=write_edls,
        cannot_hold=(TAKES, FADES, GAINS, PANS, PICTURE, OTHER_SOUND, DISABLED, OFF_FRAME),
    ),
    TimelineFormat(
        name="Kdenlive project",
        suffix=".kdenlive",
        open=_relative_to_file(load_mlt),
        advice="Kdenlive (25.04 or later) imports OpenTimelineIO",
    ),
    TimelineFormat(
        name="MLT XML",
        suffix=".mlt",
        open=_relative_to_file(load_mlt),
        write=write_mlt,
        cannot_hold=(
            *(
                TAKES,
                FADES,
                PANS,
                EFFECTS,
                TRANSITIONS,
                OPENED_NESTS,
                OFFLINE_CLIPS,
                OTHER_TRACKS,
                SPEED_RAMPS,
            ),
            *(DISABLED, CLIP_MARKERS, TIMELINE_MARKERS),
        ),
    ),
    TimelineFormat(
        name="Request bundle",
        suffix=".selva",
        open=_open_request_bundle,
        advice="write it with OpenTimelineIO: docs/formats/request-bundles.md",
    ),
    TimelineFormat(
        name="Request bundle in one file",
        suffix=".selvaz",
        open=_open_request_bundle,
        advice="write it with OpenTimelineIO: docs/formats/request-bundles.md",
    ),
)


def find_format(path: Path) -> TimelineFormat:
    """The format of a file, by its suffix; a ".new" behind it is ignored. Raises UnsupportedFormatError."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".new"]:
        suffixes.pop()
    for row in FORMATS:
        if suffixes[-1:] == [row.suffix]:
            return row
    known = ", ".join(row.suffix for row in FORMATS if row.open is not None)
    raise UnsupportedFormatError(f"{path.name} has no known timeline format; known are {known}")


def open_timeline_file(path: Path, options: ReadOptions) -> Opened:
    """Open a timeline file with the reader of its format. Raises TimelineReadError, UnsupportedFormatError."""
    row = find_format(path)
    if row.open is None:
        raise UnsupportedFormatError(f"{path.name}: {row.name} is not read; {row.advice}")
    try:
        require_regular_or_folder(path)
    except OSError as error:
        raise TimelineReadError(f"{path} cannot be read: {error.strerror}") from error
    return row.open(path, options)


def check_project_source(source: Path, target: Path) -> None:
    """Check that a REAPER project written to `target` still finds its media. Raises TimelineWriteError."""
    if find_format(source).suffix == ".rpp" and find_format(target).suffix == ".rpp":
        check_project_target(source, target)

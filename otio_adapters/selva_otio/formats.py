"""The kinds of timeline files, a row each: how they are read and written, and what they cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from selva_otio.adapter_files import load_aaf, load_fcp7_xml
from selva_otio.bundles import load_folder_bundle, unpacked_bundle, write_folder_bundle, write_zip_bundle
from selva_otio.errors import UnsupportedFormatError
from selva_otio.media import build_media_url, is_relative_url, resolve_media_path
from selva_otio.otio_files import load_otio_file, write_otio_file
from selva_otio.reaper_project.project_files import (
    build_project_bytes,
    check_project_target,
    drop_project_text,
    load_project,
)
from selva_otio.whole_files import staged_file

OpenFile = Callable[[Path], AbstractContextManager[tuple[otio.schema.Timeline, Path]]]
WriteFile = Callable[[otio.schema.Timeline, Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class TimelineFormat:
    """A kind of file. open: gives the timeline and the folder its relative media URLs start from. write: takes the
    timeline, the target and that folder; None where we do not write it. is_bundle: its media lies in it.
    """

    name: str
    suffix: str
    open: OpenFile
    write: WriteFile | None = None
    is_bundle: bool = False
    is_folder: bool = False
    advice: str = ""


def _beside(load: Callable[[Path], otio.schema.Timeline]) -> OpenFile:
    """Files whose relative media URLs start from the folder they lie in."""

    @contextmanager
    def open_file(path: Path) -> Iterator[tuple[otio.schema.Timeline, Path]]:
        yield load(path), path.absolute().parent

    return open_file


@contextmanager
def _open_folder_bundle(path: Path) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    yield load_folder_bundle(path), path.absolute()


def _write_otio(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    """Relative media URLs are made absolute when the new file lies elsewhere: they would lead nowhere."""
    plain = drop_project_text(timeline)
    if target.absolute().parent != base_folder:
        plain = _with_absolute_urls(plain, base_folder)
    write_otio_file(plain, target)


def _with_absolute_urls(timeline: otio.schema.Timeline, base_folder: Path) -> otio.schema.Timeline:
    clone = timeline.clone()
    for clip in clone.find_clips():
        for reference in clip.media_references().values():
            url = getattr(reference, "target_url", None)
            if url and is_relative_url(url):
                reference.target_url = build_media_url(resolve_media_path(url, base_folder))
    return clone


def _load_project(path: Path) -> otio.schema.Timeline:
    return load_project(path, keep_text=True)


def _write_project(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    content = build_project_bytes(timeline, target)
    with staged_file(target) as temporary:
        temporary.write_bytes(content)


def _refuse_to_open(path: Path) -> AbstractContextManager[tuple[otio.schema.Timeline, Path]]:
    found = find_format(path)
    raise UnsupportedFormatError(f"{path.name}: {found.name} is not read; {found.advice}")


FORMATS = (
    TimelineFormat(name="OpenTimelineIO", suffix=".otio", open=_beside(load_otio_file), write=_write_otio),
    TimelineFormat(
        name="OpenTimelineIO bundle",
        suffix=".otioz",
        open=unpacked_bundle,
        write=write_zip_bundle,
        is_bundle=True,
    ),
    TimelineFormat(
        name="OpenTimelineIO bundle folder",
        suffix=".otiod",
        open=_open_folder_bundle,
        write=write_folder_bundle,
        is_bundle=True,
        is_folder=True,
    ),
    TimelineFormat(name="REAPER project", suffix=".rpp", open=_beside(_load_project), write=_write_project),
    TimelineFormat(name="Final Cut Pro 7 XML", suffix=".xml", open=_beside(load_fcp7_xml)),
    TimelineFormat(name="AAF", suffix=".aaf", open=_beside(load_aaf)),
    TimelineFormat(
        name="Final Cut Pro XML",
        suffix=".fcpxml",
        open=_refuse_to_open,
        advice="export OpenTimelineIO or Final Cut Pro 7 XML instead",
    ),
    TimelineFormat(
        name="EDL",
        suffix=".edl",
        open=_refuse_to_open,
        advice="it names no media files; export OpenTimelineIO instead",
    ),
    TimelineFormat(
        name="Kdenlive project",
        suffix=".kdenlive",
        open=_refuse_to_open,
        advice="export OpenTimelineIO from Kdenlive (25.04 or later) instead",
    ),
)


def find_format(path: Path) -> TimelineFormat:
    """The row of a file by its suffix; a trailing ".new" is looked past. Raises UnsupportedFormatError."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".new"]:
        suffixes.pop()
    for row in FORMATS:
        if suffixes[-1:] == [row.suffix]:
            return row
    known = ", ".join(row.suffix for row in FORMATS if row.open is not _refuse_to_open)
    raise UnsupportedFormatError(f"{path.name} is no timeline we know; known are {known}")


def check_project_source(source: Path, target: Path) -> None:
    """Whether what a project needs is still found from `target`. Raises TimelineWriteError."""
    if find_format(source).suffix == ".rpp" and find_format(target).suffix == ".rpp":
        check_project_target(source, target)

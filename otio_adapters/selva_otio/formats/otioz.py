"""OpenTimelineIO's file bundles: a timeline together with its media, as a folder (.otiod) or a zip (.otioz).

Written here and not by OpenTimelineIO 0.18.1, whose writers take only the active media reference of a clip, refuse two files of
one name and cut a file name at "#". Media gets names that every file system accepts, below `media/`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file, staged_folder
from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.otio import MAX_TIMELINE_BYTES, load_otio_file, parse_otio, write_otio_file
from selva_otio.picture.media import (
    build_media_url,
    clean_file_name,
    make_folder_absolute,
    resolve_media_path,
)
from selva_otio.picture.staged_media import locate_staged
from selva_otio.placement.stem_names import ensure_unique, sanitize_file_stem

CONTENT_NAME = "content.otio"
VERSION_NAME = "version.txt"
VERSION = "1.0.0"
MEDIA_FOLDER = "media"
MAX_ENTRIES = 100_000
MAX_MEDIA_RATIO = 100
"""Media hardly compresses; an archive bomb reaches 1000 and more."""
_COPY_BYTES = 1 << 20


def load_otiod(path: Path) -> otio.schema.Timeline:
    """The timeline of an .otiod folder; its media URLs start from that folder. Raises TimelineReadError."""
    return load_otio_file(path / CONTENT_NAME)


@contextmanager
def open_otioz(path: Path) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    """The timeline of an .otioz file, and a temporary folder with the media it names.

    Raises TimelineReadError for archives that are damaged, have entries outside of themselves or unpack out of proportion.
    """
    with tempfile.TemporaryDirectory(prefix="selva-otioz-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                timeline = _read_content(archive, path)
                _unpack_media(archive, _media_entry_names(timeline), Path(folder), path)
        except FileNotFoundError as error:
            raise TimelineReadError(f"there is no timeline at {path}") from error
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise TimelineReadError(f"{path} is damaged or no .otioz file: {error}") from error
        yield timeline, Path(folder)


def write_otiod(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    """Write an .otiod folder, whole or not at all; `target` must not exist. Raises TimelineWriteError."""
    bundled, media = collect_media(timeline, base_folder)
    with staged_folder(target, error=TimelineWriteError) as temporary:
        (temporary / MEDIA_FOLDER).mkdir()
        for name, source in media.items():
            shutil.copy2(
                source, temporary / name
            )  # with its time, part of the identity by which decoded frames are cached
        (temporary / VERSION_NAME).write_text(VERSION, encoding="ascii")
        write_otio_file(bundled, temporary / CONTENT_NAME)


def write_otioz(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    """Write an .otioz file, whole or not at all. Raises TimelineWriteError."""
    bundled, media = collect_media(timeline, base_folder)
    with (
        staged_file(target, error=TimelineWriteError) as temporary,
        zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive,  # media is compressed already
    ):
        archive.writestr(VERSION_NAME, VERSION)
        content = bundled.to_json_string(indent=4)
        archive.writestr(CONTENT_NAME, content, compress_type=zipfile.ZIP_DEFLATED)
        for name, source in media.items():
            archive.write(source, name)


def collect_media(
    timeline: otio.schema.Timeline, base_folder: Path
) -> tuple[otio.schema.Timeline, dict[str, Path]]:
    """A clone whose media references (all takes) have URLs below `media/`, and the source of each of these files.

    Missing media and image sequences, which may be thousands of files, keep absolute URLs and are not collected.
    """
    bundled = timeline.clone()
    for clip in bundled.find_clips():
        for reference in clip.media_references().values():
            if isinstance(reference, otio.schema.ImageSequenceReference):
                make_folder_absolute(reference, base_folder)
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for reference in _iter_references(bundled):
        try:
            source = resolve_media_path(reference.target_url, base_folder)
        except UnsupportedUrlError:
            continue
        if not locate_staged(source).is_file():
            reference.target_url = build_media_url(source)
            continue
        if source not in names:
            stem = ensure_unique(
                sanitize_file_stem(clean_file_name(source.stem), max_bytes=120, fallback="media"), taken
            )
            taken.add(stem.casefold())
            names[source] = f"{MEDIA_FOLDER}/{stem}{source.suffix.lower()}"
        reference.target_url = names[source]
    return bundled, {name: locate_staged(source) for source, name in names.items()}


def _iter_references(timeline: otio.schema.Timeline) -> Iterator[otio.schema.ExternalReference]:
    for clip in timeline.find_clips():
        for reference in clip.media_references().values():
            if isinstance(reference, otio.schema.ExternalReference) and (reference.target_url or "").strip():
                yield reference


def _read_content(archive: zipfile.ZipFile, path: Path) -> otio.schema.Timeline:
    if len(archive.infolist()) > MAX_ENTRIES:
        raise TimelineReadError(f"{path} holds more than {MAX_ENTRIES} files")
    try:
        info = archive.getinfo(CONTENT_NAME)
    except KeyError as error:
        raise TimelineReadError(f"{path} holds no {CONTENT_NAME}") from error
    with archive.open(info) as stream:
        content = stream.read(MAX_TIMELINE_BYTES + 1)
    if len(content) > MAX_TIMELINE_BYTES:
        raise TimelineReadError(f"{CONTENT_NAME} in {path} has more than {MAX_TIMELINE_BYTES} bytes")
    return parse_otio(content, path)


def _media_entry_names(timeline: otio.schema.Timeline) -> set[str]:
    """The names of archive entries that the timeline's media may have: its URLs as written and unescaped.

    Programs differ: OpenTimelineIO itself writes these URLs unescaped.
    """
    urls = {reference.target_url for reference in _iter_references(timeline)}
    names = urls | {unquote(url) for url in urls}
    return {name for name in names if PurePosixPath(name).parts[:1] == (MEDIA_FOLDER,)}


def _unpack_media(archive: zipfile.ZipFile, names: set[str], folder: Path, path: Path) -> None:
    wanted = [info for info in archive.infolist() if info.filename in names and not info.is_dir()]
    free_bytes = shutil.disk_usage(folder).free
    if sum(info.file_size for info in wanted) > free_bytes:
        raise TimelineReadError(
            f"the media in {path} needs more space than is free in {folder} ({free_bytes} bytes)"
        )
    for info in wanted:
        if ".." in PurePosixPath(info.filename).parts or "\\" in info.filename:
            raise TimelineReadError(f"{path} holds an entry outside of itself: {info.filename!r}")
        if info.file_size > MAX_MEDIA_RATIO * max(info.compress_size, 1):
            raise TimelineReadError(
                f"{info.filename!r} in {path} unpacks to more than {MAX_MEDIA_RATIO} times its size"
            )
        target = folder / info.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
        written_s = time.mktime((*info.date_time, 0, 0, -1))
        # A cache key holds the time of the media file: without this each opening would decode everything again.
        os.utime(target, (written_s, written_s))

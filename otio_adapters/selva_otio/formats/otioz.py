"""Bundles: a timeline together with its media, as a folder (.otiod) or one file (.otioz).

Written by our own hands: OpenTimelineIO's writers take the active take only, need unique file names and lose what
follows a "#" in a name. Media in a bundle has names that are safe everywhere, below `media/`.
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

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.otio import MAX_TIMELINE_BYTES, load_otio_file, parse_otio, write_otio_file
from selva_otio.picture.media import make_folder_absolute, resolve_media_path
from selva_otio.placement.stem_names import ensure_unique, sanitize_file_stem

CONTENT_NAME = "content.otio"
VERSION_NAME = "version.txt"
VERSION = "1.0.0"
MEDIA_FOLDER = "media"
MAX_ENTRIES = 100_000
MAX_MEDIA_RATIO = 100
_COPY_BYTES = 1 << 20


def load_folder_bundle(path: Path) -> otio.schema.Timeline:
    """The timeline of an .otiod folder; its media lies in the folder. Raises TimelineReadError."""
    return load_otio_file(path / CONTENT_NAME)


@contextmanager
def unpacked_bundle(path: Path) -> Iterator[tuple[otio.schema.Timeline, Path]]:
    """The timeline of an .otioz file and a temporary folder with the media it names, gone afterwards.

    Raises TimelineReadError for archives that are broken, lead out of themselves or unpack to absurd sizes.
    """
    with tempfile.TemporaryDirectory(prefix="selva-bundle-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                timeline = _read_content(archive, path)
                _unpack_media(archive, _named_media(timeline), Path(folder), path)
        except FileNotFoundError as error:
            raise TimelineReadError(f"there is no timeline at {path}") from error
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise TimelineReadError(f"{path} is not a sound .otioz file: {error}") from error
        yield timeline, Path(folder)


def write_folder_bundle(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    """Write an .otiod folder, whole or not at all; it must not be there yet. Raises TimelineWriteError."""
    bundled, media = gather_media(timeline, base_folder)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        (temporary / MEDIA_FOLDER).mkdir(parents=True)
        for name, source in media.items():
            shutil.copy2(source, temporary / name)
        (temporary / VERSION_NAME).write_text(VERSION, encoding="ascii")
        write_otio_file(bundled, temporary / CONTENT_NAME)
        temporary.rename(target)
    except OSError as error:
        raise TimelineWriteError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_zip_bundle(timeline: otio.schema.Timeline, target: Path, base_folder: Path) -> None:
    """Write an .otioz file, whole or not at all; media is stored as it is. Raises TimelineWriteError."""
    bundled, media = gather_media(timeline, base_folder)
    with (
        staged_file(target, error=TimelineWriteError) as temporary,
        zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr(VERSION_NAME, VERSION)
        content = bundled.to_json_string(indent=4)
        archive.writestr(CONTENT_NAME, content, compress_type=zipfile.ZIP_DEFLATED)
        for name, source in media.items():
            archive.write(source, name)


def gather_media(
    timeline: otio.schema.Timeline, base_folder: Path
) -> tuple[otio.schema.Timeline, dict[str, Path]]:
    """A clone whose media references, all takes included, point into `media/`, and where each file comes from.

    Media that is not there keeps its absolute URL, and so do image sequences: their files stay where they are.
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
        if not source.is_file():
            reference.target_url = source.as_uri()
            continue
        if source not in names:
            stem = ensure_unique(sanitize_file_stem(source.stem, max_bytes=120, fallback="media"), taken)
            taken.add(stem.casefold())
            names[source] = f"{MEDIA_FOLDER}/{stem}{source.suffix.lower()}"
        reference.target_url = names[source]
    return bundled, {name: source for source, name in names.items()}


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


def _named_media(timeline: otio.schema.Timeline) -> set[str]:
    """Names in the archive that the timeline's media may have: as written, and with escapes undone."""
    urls = {reference.target_url for reference in _iter_references(timeline)}
    names = urls | {unquote(url) for url in urls}
    return {name for name in names if PurePosixPath(name).parts[:1] == (MEDIA_FOLDER,)}


def _unpack_media(archive: zipfile.ZipFile, names: set[str], folder: Path, path: Path) -> None:
    wanted = [info for info in archive.infolist() if info.filename in names and not info.is_dir()]
    free_bytes = shutil.disk_usage(folder).free
    if sum(info.file_size for info in wanted) > free_bytes:
        raise TimelineReadError(f"the media in {path} needs more room than {folder} has ({free_bytes} bytes)")
    for info in wanted:
        if ".." in PurePosixPath(info.filename).parts or "\\" in info.filename:
            raise TimelineReadError(f"{path} holds a file that leads out of it: {info.filename!r}")
        if info.file_size > MAX_MEDIA_RATIO * max(info.compress_size, 1):
            raise TimelineReadError(f"{info.filename!r} in {path} unpacks to an absurd size")
        target = folder / info.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
        written_s = time.mktime((*info.date_time, 0, 0, -1))
        os.utime(target, (written_s, written_s))  # so that the cache knows the file again

"""A request bundle as one file (.selvaz), to send: the files of the folder in a zip.

Rendering works in folders, where stems are added one by one; a zip is unpacked for it and packed again. Only the files that a
bundle has are unpacked, within bounds.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.otio import MAX_TIMELINE_BYTES
from selva_otio.formats.request_bundle.bundle_folder import (
    STEMS_FOLDER,
    TIMELINE_NAME,
    RequestBundle,
    load_bundle_folder,
)
from selva_otio.formats.request_bundle.proxies import PROXIES_FOLDER
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, read_selva_metadata
from selva_otio.picture.media import build_media_url

ZIP_SUFFIX = ".selvaz"
MAX_ENTRIES = 100_000
MAX_RATIO = 1000
"""Silent stems compress nearly as far as deflate can, 1032 times."""
_COPY_BYTES = 1 << 20
_SUFFIXES = {STEMS_FOLDER: ".wav", PROXIES_FOLDER: ".mp4"}


@contextmanager
def open_request_bundle(path: Path) -> Iterator[RequestBundle]:
    """A bundle of either form, to read; a .selvaz is unpacked to a temporary folder meanwhile. Raises TimelineReadError."""
    if path.suffix.lower() != ZIP_SUFFIX:
        yield load_bundle_folder(path)
        return
    with tempfile.TemporaryDirectory(prefix="selva-bundle-") as scratch:
        unpack_zip(path, Path(scratch))
        yield load_bundle_folder(Path(scratch), base_folder=path.absolute().parent)


def read_zip(path: Path) -> otio.schema.Timeline:
    """The cut with its stems, whose URLs are names in the zip. Raises TimelineReadError."""
    with open_request_bundle(path) as bundle:
        timeline = bundle.timeline_with_stems()
        inside_url = build_media_url(bundle.folder) + "/"
    for clip in timeline.find_clips():
        for reference in clip.media_references().values():
            url = getattr(reference, "target_url", None) or ""
            if url.startswith(inside_url):
                reference.target_url = url[len(inside_url) :]
                reference.metadata[SELVA_NAMESPACE]["url"] = reference.target_url
        for take in read_selva_metadata(clip, STEM_SCHEMA).get("takes", ()):
            if take["url"].startswith(inside_url):
                take["url"] = take["url"][len(inside_url) :]
    return timeline


def write_zip(target: Path, write: Callable[[Path], RequestBundle]) -> None:
    """Write a .selvaz whole or not at all. write: makes the bundle folder. Raises TimelineWriteError."""
    try:
        with tempfile.TemporaryDirectory(prefix="selva-bundle-") as scratch:
            pack_zip(write(Path(scratch) / "bundle").folder, target)
    except OSError as error:
        raise TimelineWriteError(f"cannot write {target}: {error.strerror or error}") from error


def pack_zip(folder: Path, target: Path) -> None:
    """Pack a bundle folder into one file, whole or not at all. Raises TimelineWriteError."""
    with (
        staged_file(target, error=TimelineWriteError) as temporary,
        zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive,
    ):
        archive.write(folder / TIMELINE_NAME, TIMELINE_NAME, compress_type=zipfile.ZIP_DEFLATED)
        for name, suffix in _SUFFIXES.items():
            for file in sorted((folder / name).glob(f"*{suffix}")):
                if file.is_file() and not file.is_symlink():
                    archive.write(file, f"{name}/{file.name}")


def unpack_zip(path: Path, folder: Path) -> None:
    """Unpack a bundle into an existing folder, replacing nothing in it. Raises TimelineReadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in _checked_entries(archive, path, folder):
                target = folder / info.filename
                target.parent.mkdir(exist_ok=True)
                with archive.open(info) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink, _COPY_BYTES)
    except FileNotFoundError as error:
        raise TimelineReadError(f"there is no {error.filename or path}") from error
    except FileExistsError as error:
        raise TimelineReadError(f"{error.filename} exists; unpack to an empty folder") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise TimelineReadError(f"{path} is damaged or no {ZIP_SUFFIX} file: {error}") from error


def _checked_entries(archive: zipfile.ZipFile, path: Path, folder: Path) -> Iterator[zipfile.ZipInfo]:
    """The entries that a bundle has, checked; others are passed over.

    zipfile never unpacks more than the size that an entry declares, so the declared sizes can be trusted.
    """
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise TimelineReadError(f"{path} holds more than {MAX_ENTRIES} files")
    of_bundle = [info for info in entries if _is_bundle_file(info.filename)]
    if not any(info.filename == TIMELINE_NAME for info in of_bundle):
        raise TimelineReadError(f"{path} is not a bundle: it holds no {TIMELINE_NAME}")
    free_bytes = shutil.disk_usage(folder).free
    if sum(info.file_size for info in of_bundle) > free_bytes:
        raise TimelineReadError(f"{path} needs more space than is free in {folder} ({free_bytes} bytes)")
    for info in of_bundle:
        is_large = info.filename == TIMELINE_NAME and info.file_size > MAX_TIMELINE_BYTES
        if is_large or info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise TimelineReadError(
                f"{info.filename!r} in {path} unpacks to too much (over {MAX_RATIO} times its size)"
            )
    return iter(of_bundle)


def _is_bundle_file(name: str) -> bool:
    """Whether an entry is a file of a bundle. Names that Windows reserves are not: "stems/a:b.wav" would be a stream there."""
    folder, slash, file = name.partition("/")
    if not slash:
        return name == TIMELINE_NAME
    is_plain = file == Path(file).name and not file.startswith(".") and not set(file) & set('\\/:*?"<>|')
    return is_plain and folder in _SUFFIXES and file.lower().endswith(_SUFFIXES[folder])

"""A request bundle as a folder.

    cut.selva/
        timeline.otio     the cut, with the request in its metadata, so that both are replaced as one file
        stems/            WAV files, added one by one as they are rendered
        pictures/         optional: proxies, so that the media need not travel

Media URLs are those of the cut. For each that is a file, the bundle also keeps the relative path from the folder it is in, which
is tried when there is no file at the URL. So a project folder can be moved as a whole, also to another system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.atomic_write import staged_folder
from selva_otio.cues.cue_sheet import CueSheet
from selva_otio.cues.spotting import spot_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.otio import load_otio_file, write_otio_file
from selva_otio.formats.request_bundle.found_stems import has_stems, place_found_stems
from selva_otio.formats.request_bundle.options import (
    SCHEMA,
    BundleOptions,
    read_bundle_metadata,
    read_options,
)
from selva_otio.formats.request_bundle.proxies import PROXIES_FOLDER, use_proxies
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.picture.media import build_media_url, resolve_media_path

SUFFIX = ".selva"
TIMELINE_NAME = "timeline.otio"
STEMS_FOLDER = "stems"


@dataclass(frozen=True, kw_only=True)
class RequestBundle:
    """A bundle that was read.

    folder: the bundle. timeline: the cut, with media that was moved found again. base_folder: where relative media URLs
    start: the folder that the bundle is in.
    """

    folder: Path
    timeline: otio.schema.Timeline
    options: BundleOptions
    base_folder: Path

    @property
    def stems_folder(self) -> Path:
        """Where its stems are, or will be."""
        return self.folder / STEMS_FOLDER

    def spot(self) -> CueSheet:
        """The cues of the cut, with the proxies that the bundle has. Raises TimelineError."""
        sheet = spot_timeline(self.timeline, base_folder=self.base_folder, options=self.options.spot)
        return use_proxies(sheet, self.folder)

    def timeline_with_stems(self) -> otio.schema.Timeline:
        """The cut with the stems that are rendered so far. Raises TimelineError."""
        if not has_stems(self.stems_folder):
            return self.timeline
        return place_found_stems(self.timeline, self.spot(), self.options.render, self.stems_folder).timeline


def load_bundle_folder(folder: Path, *, base_folder: Path | None = None) -> RequestBundle:
    """Read a bundle. base_folder: by default the folder that it is in. Raises TimelineReadError."""
    folder = folder.absolute()
    base_folder = base_folder or folder.parent
    path = folder / TIMELINE_NAME
    for inside in (path, folder / STEMS_FOLDER, folder / PROXIES_FOLDER):
        if inside.is_symlink():
            raise TimelineReadError(
                f"{inside} is a link, which a bundle never holds; replace it by what it leads to"
            )
    if folder.is_dir() and not path.is_file():
        raise TimelineReadError(f"{folder} is not a bundle: it holds no {TIMELINE_NAME}")
    timeline = load_otio_file(path)
    options = read_options(timeline)
    _find_moved_media(timeline, base_folder)
    return RequestBundle(folder=folder, timeline=timeline, options=options, base_folder=base_folder)


def write_bundle_folder(
    timeline: otio.schema.Timeline, target: Path, options: BundleOptions, *, base_folder: Path | None = None
) -> RequestBundle:
    """Write a new bundle, or replace the request of the one at `target`, whose stems stay.

    A reader sees the old request or the new one, never a mixture; of two writers the last one wins. The timeline is not
    changed. Raises TimelineWriteError when something else is at `target`.
    """
    base_folder = base_folder or target.absolute().parent
    request = _build_request(timeline, base_folder, options)
    if _is_bundle(target) or not _publish_new(request, target):
        write_otio_file(request, target / TIMELINE_NAME)
    return load_bundle_folder(target, base_folder=base_folder)


def drop_relative_paths(timeline: otio.schema.Timeline) -> None:
    """Remove, in place, the relative media paths, which are true only in the bundle's folder."""
    if "media" in read_bundle_metadata(timeline):
        del timeline.metadata[SELVA_NAMESPACE]["bundle"]["media"]


def _is_bundle(target: Path) -> bool:
    if not os.path.lexists(target):
        return False
    if target.is_symlink() or not (target / TIMELINE_NAME).is_file():
        raise TimelineWriteError(f"{target} exists and is not a bundle; choose another name")
    return True


def _publish_new(request: otio.schema.Timeline, target: Path) -> bool:
    """Write a new bundle folder; False when another writer made one first."""
    try:
        with staged_folder(target, error=TimelineWriteError) as folder:
            (folder / STEMS_FOLDER).mkdir()
            write_otio_file(request, folder / TIMELINE_NAME)
    except TimelineWriteError:
        if not _is_bundle(target):
            raise
        return False
    return True


def _build_request(
    timeline: otio.schema.Timeline, base_folder: Path, options: BundleOptions
) -> otio.schema.Timeline:
    request = timeline.clone()
    metadata: dict[str, Any] = dict(request.metadata.get(SELVA_NAMESPACE, {}))
    old = read_bundle_metadata(request)
    old_options = old.get("options")
    metadata["bundle"] = {
        **old,
        "schema": SCHEMA,
        # Options of other programs stay: a reader passes over names that it does not know.
        "options": {**(old_options if isinstance(old_options, Mapping) else {}), **options.to_metadata()},
        "media": _build_relative_paths(request, base_folder),
    }
    request.metadata[SELVA_NAMESPACE] = metadata
    return request


def _build_relative_paths(timeline: otio.schema.Timeline, base_folder: Path) -> dict[str, str]:
    """URL to the path from the folder that the bundle is in, with slashes; media on another drive has none."""
    paths: dict[str, str] = {}
    for url in {getattr(reference, attribute) for reference, attribute in _iter_media(timeline)}:
        try:
            path = resolve_media_path(url, base_folder)
            if path.exists():
                paths[url] = Path(os.path.relpath(path, base_folder)).as_posix()
        except (UnsupportedUrlError, ValueError):  # ValueError: Windows has no relative path between drives
            continue
    return paths


def _find_moved_media(timeline: otio.schema.Timeline, base_folder: Path) -> None:
    """Set media URLs, in place, to their relative paths where only those lead to a file."""
    paths = read_bundle_metadata(timeline).get("media")
    if not isinstance(paths, Mapping):
        return
    new_urls = {url: _find_moved(url, path, base_folder) for url, path in paths.items()}
    for reference, attribute in _iter_media(timeline):
        new_url = new_urls.get(getattr(reference, attribute))
        if new_url is not None:
            setattr(reference, attribute, new_url)


def _find_moved(url: str, relative_path: object, base_folder: Path) -> str | None:
    """The URL of the file at a relative path; None when `url` itself leads to a file, or neither does."""
    if not isinstance(relative_path, str) or not relative_path or Path(relative_path).is_absolute():
        return None
    try:
        is_there = resolve_media_path(url, base_folder).exists()
    except UnsupportedUrlError:
        return None
    path = Path(os.path.normpath(base_folder / relative_path))
    if is_there or not path.exists():
        return None
    return build_media_url(path) + ("/" if url.endswith("/") else "")


def _iter_media(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.core.MediaReference, str]]:
    """Each reference to a file or a folder of images, and the attribute with its URL."""
    for clip in timeline.find_clips():
        for reference in clip.media_references().values():
            for attribute in ("target_url", "target_url_base"):
                if (getattr(reference, attribute, None) or "").strip():
                    yield reference, attribute

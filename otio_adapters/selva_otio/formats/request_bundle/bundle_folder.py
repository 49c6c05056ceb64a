"""A bundle on disk.

    cut.selva/
        timeline.otio     the cut; what is wanted lies in its metadata, so that it is replaced as one file
        stems/            WAV files, as they are made
        pictures/         on request: the small pictures the model looks at, in place of the media

Media is referred to as the cut does. Beside each URL that is a file, the bundle keeps the way to it from the folder the bundle
lies in; where the file is not at its URL any more, that way is tried. A project folder may so be moved as a whole, also to
another system.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.cues.cue_sheet import CueSheet
from selva_otio.cues.spotting import spot_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.otio import load_otio_file, write_otio_file
from selva_otio.formats.request_bundle.found_stems import has_stems, place_found_stems
from selva_otio.formats.request_bundle.options import SCHEMA, BundleOptions, bundle_facts, read_options
from selva_otio.formats.request_bundle.pictures import PICTURES_FOLDER, with_pictures
from selva_otio.metadata import SELVA_NAMESPACE
from selva_otio.picture.media import build_media_url, resolve_media_path

SUFFIX = ".selva"
TIMELINE_NAME = "timeline.otio"
STEMS_FOLDER = "stems"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle that was read. timeline: the cut, its media found again where it was moved. base_folder: where relative
    media URLs start, the folder the bundle lies in.
    """

    folder: Path
    timeline: otio.schema.Timeline
    options: BundleOptions
    base_folder: Path

    @property
    def stems_folder(self) -> Path:
        return self.folder / STEMS_FOLDER

    def spot(self) -> CueSheet:
        """The cues of the cut, with the bundle's own pictures where it has them. Raises TimelineError."""
        sheet = spot_timeline(self.timeline, base_folder=self.base_folder, options=self.options.spot)
        return with_pictures(sheet, self.folder)

    def timeline_with_stems(self) -> otio.schema.Timeline:
        """The cut with the stems that are there so far. Raises TimelineError."""
        if not has_stems(self.stems_folder):
            return self.timeline
        return place_found_stems(self.timeline, self.spot(), self.options.render, self.stems_folder).timeline


def open_bundle(folder: Path, *, base_folder: Path | None = None) -> Bundle:
    """Read a bundle folder. base_folder: by default the folder it lies in. Raises TimelineReadError."""
    folder = folder.absolute()
    base_folder = base_folder or folder.parent
    path = folder / TIMELINE_NAME
    for inside in (path, folder / STEMS_FOLDER, folder / PICTURES_FOLDER):
        if inside.is_symlink():
            raise TimelineReadError(f"{inside} is a link, which a bundle never holds; it is not read")
    if folder.is_dir() and not path.is_file():
        raise TimelineReadError(f"{folder} is not a bundle: it holds no {TIMELINE_NAME}")
    timeline = load_otio_file(path)
    options = read_options(timeline)
    _find_moved_media(timeline, base_folder)
    return Bundle(folder=folder, timeline=timeline, options=options, base_folder=base_folder)


def write_bundle(
    timeline: otio.schema.Timeline, target: Path, options: BundleOptions, *, base_folder: Path | None = None
) -> Bundle:
    """Write a bundle folder, or give the one that is there this cut and these wishes; its stems stay.

    Either way a reader sees the old request or the new one, never a mixture; of two writers one is the last. The timeline is
    not changed. Raises TimelineWriteError when something else lies at `target`.
    """
    base_folder = base_folder or target.absolute().parent
    request = _build_request(timeline, base_folder, options)
    if _is_bundle(target) or not _publish_new(request, target):
        write_otio_file(request, target / TIMELINE_NAME)
    return open_bundle(target, base_folder=base_folder)


def forget_ways_to_media(timeline: otio.schema.Timeline) -> None:
    """Take off, in place, what holds only inside a bundle; options and what others added stay."""
    if "media" in bundle_facts(timeline):
        del timeline.metadata[SELVA_NAMESPACE]["bundle"]["media"]


def _is_bundle(target: Path) -> bool:
    if not os.path.lexists(target):
        return False
    if target.is_symlink() or not (target / TIMELINE_NAME).is_file():
        raise TimelineWriteError(f"{target} is there already and is no bundle; choose another name")
    return True


def _publish_new(request: otio.schema.Timeline, target: Path) -> bool:
    """Make the folder under another name and rename it; False when another writer was first."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.absolute().parent) as scratch:
            made = Path(scratch) / "new"
            (made / STEMS_FOLDER).mkdir(parents=True)
            write_otio_file(request, made / TIMELINE_NAME)
            try:
                made.rename(target)
            except OSError:
                if not _is_bundle(target):
                    raise
                return False
            return True
    except OSError as error:
        raise TimelineWriteError(f"cannot write {target}: {error.strerror or error}") from error


def _build_request(
    timeline: otio.schema.Timeline, base_folder: Path, options: BundleOptions
) -> otio.schema.Timeline:
    request = timeline.clone()
    ours: dict[str, Any] = dict(request.metadata.get(SELVA_NAMESPACE, {}))
    ours["bundle"] = {
        **bundle_facts(request),
        "schema": SCHEMA,
        "options": {**_kept_options(request), **options.to_metadata()},
        "media": _ways_to_media(request, base_folder),
    }
    request.metadata[SELVA_NAMESPACE] = ours
    return request


def _kept_options(timeline: otio.schema.Timeline) -> Mapping[str, Any]:
    options = bundle_facts(timeline).get("options")
    return options if isinstance(options, Mapping) else {}


def _ways_to_media(timeline: otio.schema.Timeline, base_folder: Path) -> dict[str, str]:
    """URL to the path from the bundle's folder, with slashes; what lies on another drive has none."""
    ways: dict[str, str] = {}
    for url in {getattr(reference, attribute) for reference, attribute in _iter_media(timeline)}:
        try:
            path = resolve_media_path(url, base_folder)
            if path.exists():
                ways[url] = Path(os.path.relpath(path, base_folder)).as_posix()
        except (UnsupportedUrlError, ValueError):
            continue
    return ways


def _find_moved_media(timeline: otio.schema.Timeline, base_folder: Path) -> None:
    """Where a URL leads nowhere any more and the way from the bundle's folder does, the URL is set to that."""
    ways = bundle_facts(timeline).get("media")
    if not isinstance(ways, Mapping):
        return
    moved = {url: _find_moved(url, way, base_folder) for url, way in ways.items()}
    for reference, attribute in _iter_media(timeline):
        url = moved.get(getattr(reference, attribute))
        if url is not None:
            setattr(reference, attribute, url)


def _find_moved(url: str, way: object, base_folder: Path) -> str | None:
    """The URL of what lies at the end of `way`; None when `url` itself leads somewhere, or nothing is there."""
    if not isinstance(way, str) or not way or Path(way).is_absolute():
        return None
    try:
        is_there = resolve_media_path(url, base_folder).exists()
    except UnsupportedUrlError:
        return None
    path = Path(os.path.normpath(base_folder / way))
    if is_there or not path.exists():
        return None
    return build_media_url(path) + ("/" if url.endswith("/") else "")


def _iter_media(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.core.MediaReference, str]]:
    """Every reference to a file or a folder of images, and the attribute that holds its URL."""
    for clip in timeline.find_clips():
        for reference in clip.media_references().values():
            for attribute in ("target_url", "target_url_base"):
                if (getattr(reference, attribute, None) or "").strip():
                    yield reference, attribute

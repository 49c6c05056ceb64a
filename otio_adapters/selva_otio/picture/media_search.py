"""Media found by name in folders, for timelines that come from another machine or do not say where their media is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from selva_otio.errors import UnsupportedUrlError
from selva_otio.picture.media import build_media_url, resolve_media_path

MAX_FILES = 200_000
MAX_DEPTH = 8


class MediaFolders:
    """The files below some folders, by name and by name without suffix; case does not count.

    Hidden folders and links to folders are not followed (a link may lead back up). Files deeper than `max_depth`, and those
    after the first MAX_FILES, are not found.
    """

    def __init__(self, folders: Sequence[Path], *, max_depth: int = MAX_DEPTH) -> None:
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        files = (path for folder in folders for path in _iter_files(folder.absolute(), max_depth))
        for _, path in zip(range(MAX_FILES), files, strict=False):
            self._by_name.setdefault(path.name.casefold(), []).append(path)
            self._by_stem.setdefault(path.stem.casefold(), []).append(path)

    def find(self, name: str) -> list[Path]:
        """Files of that name, in the order of the folders; if there are none, files of that name with any suffix."""
        key = PurePosixPath(name.replace("\\", "/")).name.casefold()
        return self._by_name.get(key) or self._by_stem.get(key, [])


def find_missing_media(timeline: otio.schema.Timeline, folders: Sequence[Path], base_folder: Path) -> None:
    """Point media that is not where the timeline says to the first file of its name in the folders, in place."""
    if not folders:
        return
    media_folders = MediaFolders(folders)
    for clip in timeline.find_clips():
        references = {key: reference.clone() for key, reference in clip.media_references().items()}
        relinked = [_relink(reference, media_folders, base_folder) for reference in references.values()]
        if any(relinked):
            clip.set_media_references(references, clip.active_media_reference_key)


def _relink(reference: otio.core.MediaReference, media_folders: MediaFolders, base_folder: Path) -> bool:
    url = getattr(reference, "target_url", None)
    if not isinstance(reference, otio.schema.ExternalReference) or not url:
        return False
    try:
        if resolve_media_path(url, base_folder).exists():
            return False
    except UnsupportedUrlError:
        return False
    found = media_folders.find(unquote(url))
    if found:
        reference.target_url = build_media_url(found[0])
    return bool(found)


def _iter_files(folder: Path, max_depth: int) -> Iterator[Path]:
    """Files below a folder, those near the top first."""
    level: Iterable[Path] = [folder]
    for _ in range(max_depth):
        below: list[Path] = []
        for parent in level:
            try:
                entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    below.append(Path(entry.path))
                elif entry.is_file():
                    yield Path(entry.path)
        level = below

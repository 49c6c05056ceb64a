"""Files below some folders, by name, and which of several files of one name a path means."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from selva_otio.picture.image_names import ImageName
from selva_otio.picture.media import MEDIA_SUFFIXES, split_url_path

MAX_FILES = 200_000
MAX_DEPTH = 8


class MediaFolders:
    """The files below some folders, by name and by name without suffix; case does not count.

    Hidden folders and links to folders are not followed (a link may lead back up). Files deeper than `max_depth`, and those
    after the first MAX_FILES, are not found; `is_cut_off` says whether there are more.
    """

    def __init__(self, folders: Sequence[Path], *, max_depth: int = MAX_DEPTH) -> None:
        self.is_cut_off = False
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        files = (path for folder in folders for path in _iter_files(folder.absolute(), max_depth))
        # Folders that are named twice, or inside one another, have the same files.
        for number, path in enumerate(dict.fromkeys(files)):
            if number >= MAX_FILES:
                self.is_cut_off = True
                break
            self._by_name.setdefault(_fold(path.name), []).append(path)
            self._by_stem.setdefault(_fold(path.stem), []).append(path)

    def find_file(self, name: str) -> list[Path]:
        """Files of exactly that name, in the order of the folders: another kind of file is not the media."""
        return self._by_name.get(_fold(name), [])

    def find_reel(self, name: str) -> list[Path]:
        """Files of that name, which may be a path; where there are none, and it has no suffix of a media file (a reel, the
        name of a clip), files of that name with any suffix.
        """
        *_, last_part = split_url_path(name) or [name]
        if PurePosixPath(last_part).suffix.lower() in MEDIA_SUFFIXES:
            return self.find_file(last_part)
        return self.find_file(last_part) or self._by_stem.get(_fold(last_part), [])

    def find_images(self, name: ImageName) -> list[Path]:
        """The folders that have an image of a sequence, each once."""
        prefix, suffix = _fold(name.prefix), _fold(name.suffix)
        numbered = re.compile(rf"{re.escape(prefix)}\d{{{name.min_digits},}}{re.escape(suffix)}")
        found = (
            path.parent for key, paths in self._by_name.items() if numbered.fullmatch(key) for path in paths
        )
        return list(dict.fromkeys(found))


def keep_longest_common_tail(paths: Sequence[Path], wanted: str) -> tuple[list[Path], int]:
    """Of some paths, those that share the most of their last parts with `wanted`, a path or URL of any system; and how many.

    Media moves between machines with its folders: of two files C0001.mov, the one in a folder card2 is meant by
    D:/shoot/card2/C0001.mov.
    """
    wanted_parts = [_fold(part) for part in split_url_path(wanted)]
    by_length: dict[int, list[Path]] = {}
    for path in paths:
        parts = [_fold(part) for part in path.parts]
        length = 0
        for part, wanted_part in zip(reversed(parts), reversed(wanted_parts), strict=False):
            if part != wanted_part:
                break
            length += 1
        by_length.setdefault(length, []).append(path)
    longest = max(by_length, default=0)
    return by_length.get(longest, []), longest


def _fold(name: str) -> str:
    """A name as names are compared: macOS stores letters with accents decomposed, and case is not kept everywhere."""
    return unicodedata.normalize("NFC", name).casefold()


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

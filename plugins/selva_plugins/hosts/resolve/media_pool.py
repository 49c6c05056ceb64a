"""Selva's own bin in the media pool: the clips of its stems, and the note on each that says they are
ours.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from selva_plugins.hosts.resolve.objects import OpenProject, ask, items_of, properties_of

BIN_NAME = "Selva"
STEM_TAG = "[Selva stem"


@dataclass(frozen=True)
class BinClip:
    """A clip and the file it shows, as Resolve reports it."""

    media: Any
    path: str

    def shows(self, path: str) -> bool:
        return self.path.replace("\\", "/") == path.replace("\\", "/")


def find_folder(pool: Any, name: str) -> Any:
    folders = items_of(ask(ask(pool, "GetRootFolder"), "GetSubFolderList"))
    return next((folder for folder in folders if ask(folder, "GetName") == name), None)


def enter_bin(opened: OpenProject) -> Any:
    """Our bin, made current: Resolve imports into the current bin only."""
    root = ask(opened.pool, "GetRootFolder")
    found = find_folder(opened.pool, BIN_NAME) or ask(opened.pool, "AddSubFolder", root, BIN_NAME)
    ask(opened.pool, "SetCurrentFolder", found)
    return found


def index_clips(bin_folder: Any) -> dict[str, BinClip]:
    """The clips of our bin by file name, which is unique among stems; Resolve may report the path behind a
    link.
    """
    clips = {}
    for media in items_of(ask(bin_folder, "GetClipList")):
        path = properties_of(media).get("File Path")
        if isinstance(path, str) and path:
            clips[_file_name(path)] = BinClip(media, path)
    return clips


def import_file(pool: Any, clips: dict[str, BinClip], path: str, *, dicts_first: bool) -> Any:
    """The pool item of a file. Up to 21.0 paths are the documented form, from 21.1 tables with FilePath."""
    known = clips.get(_file_name(path))
    if known is not None and (known.shows(path) or os.path.exists(known.path)):
        return known.media
    forms: list[list[Any]] = [[path], [{"FilePath": path}]]
    if dicts_first:
        forms.reverse()
    for form in forms:
        imported = [media for media in items_of(ask(pool, "ImportMedia", form)) if media is not None]
        if imported:
            clips[_file_name(path)] = BinClip(imported[0], path)
            return imported[0]
    return None


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def tagged_clips(bin_folder: Any) -> dict[str, str]:
    """Clips of our bin that carry our tag: id -> name of the track that was made for it, or ""."""
    tagged = {}
    for media in items_of(ask(bin_folder, "GetClipList")):
        comment = ask(media, "GetMetadata", "Comments")
        if isinstance(comment, str) and STEM_TAG in comment:
            match = re.search(r"; track made: (.*)\]$", comment)
            tagged[ask(media, "GetUniqueId")] = match[1] if match else ""
    return tagged

"""Selva's bin in the media pool: the clips of its stems, and the tag on each that tells them from the user's clips."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from selva_plugins.hosts.resolve.scripting.resolve_api import OpenProject, call, get_properties, items_of

BIN_NAME = "Selva"
STEM_TAG = "[Selva stem"


@dataclass(frozen=True)
class BinClip:
    """A clip and the file it shows, as Resolve reports it."""

    media: Any
    path: str

    def shows(self, path: str) -> bool:
        return self.path.replace("\\", "/") == path.replace("\\", "/")


def find_bin(pool: Any) -> Any:
    """Selva's bin, or None."""
    folders = items_of(call(call(pool, "GetRootFolder"), "GetSubFolderList"))
    return next((folder for folder in folders if call(folder, "GetName") == BIN_NAME), None)


def enter_bin(opened: OpenProject) -> Any:
    """Selva's bin, made current: Resolve imports into the current bin only. AddSubFolder allows a second bin of one name, so
    that one is looked for first.
    """
    root = call(opened.pool, "GetRootFolder")
    bin_folder = find_bin(opened.pool) or call(opened.pool, "AddSubFolder", root, BIN_NAME)
    call(opened.pool, "SetCurrentFolder", bin_folder)
    return bin_folder


def index_clips(bin_folder: Any) -> dict[str, BinClip]:
    """The clips of our bin by file name, which is unique among stems; Resolve may report the path behind a link."""
    clips = {}
    for media in items_of(call(bin_folder, "GetClipList")):
        path = get_properties(media).get("File Path")
        if isinstance(path, str) and path:
            clips[_file_name(path)] = BinClip(media, path)
    return clips


def import_file(pool: Any, clips: dict[str, BinClip], path: str, *, dicts_first: bool) -> Any:
    """The pool item of a file, or None. Up to 21.0 a list of paths is the documented form, from 21.1 on tables with FilePath."""
    known = clips.get(_file_name(path))
    if known is not None and (known.shows(path) or os.path.exists(known.path)):
        return known.media
    forms: list[list[Any]] = [[path], [{"FilePath": path}]]
    if dicts_first:
        forms.reverse()
    for form in forms:
        imported = [media for media in items_of(call(pool, "ImportMedia", form)) if media is not None]
        if imported:
            clips[_file_name(path)] = BinClip(imported[0], path)
            return imported[0]
    return None


def tag_clip(media: Any, comment: str, *, track_made: str | None) -> None:
    """Mark a clip as a stem of ours. track_made: name of the track that was made for it."""
    made = "" if track_made is None else f"; track made: {track_made}"
    call(media, "SetMetadata", "Comments", f"{comment} {STEM_TAG}{made}]")


def is_tagged(media: Any) -> bool:
    comment = call(media, "GetMetadata", "Comments")
    return isinstance(comment, str) and STEM_TAG in comment


def find_tagged_clips(bin_folder: Any) -> dict[str, str]:
    """Clips of our bin that carry our tag: id -> name of the track that was made for it, or ""."""
    tagged = {}
    for media in items_of(call(bin_folder, "GetClipList")):
        comment = call(media, "GetMetadata", "Comments")
        if isinstance(comment, str) and STEM_TAG in comment:
            match = re.search(r"; track made: (.*)\]$", comment)
            tagged[call(media, "GetUniqueId")] = match[1] if match else ""
    return tagged


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]

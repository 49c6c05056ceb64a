"""Sidecars: JSON files beside a timeline with the stem metadata that its format or its host drops.

`OUT.xml.selva.json` is written beside OUT.xml. The timeline that a host exports later may have another name and folder, so all
sidecars beside it, beside its sound files and beside the folder of these are read. Stems are recognized by the names of their
files, which are unique: a name ends in a hash of what made the stem.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_core.base.regular_file import read_bounded
from selva_otio.errors import TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.stem_metadata import iter_plain_stems, iter_takes
from selva_otio.picture.media import SOUND_SUFFIXES, file_name_in_url, resolve_media_path

SCHEMA = "selva.sidecar/1"
SUFFIX = ".selva.json"
_STEM_KEY, _TRACK_KEY = "facts", "track"  # as selva.sidecar/1 names them
MAX_SIDECARS = 64
MAX_SIDECAR_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class KnownStem:
    """A stem as it was placed. stem, track: the metadata of the clip and of its track. take: the number of this file."""

    stem: dict[str, Any]
    take: int
    track: dict[str, Any]


def write_sidecar(timeline: otio.schema.Timeline, target: Path) -> Path | None:
    """Write the metadata of a timeline's stems beside `target`; None when it has no stems. Raises TimelineWriteError."""
    stems = [
        json.dumps({_STEM_KEY: stem, _TRACK_KEY: track}) for _, stem, track in iter_plain_stems(timeline)
    ]
    if not stems:
        return None
    path = sidecar_of(target)
    head = json.dumps({"schema": SCHEMA, "timeline": timeline.name, "stems": []}).removesuffix("]}")
    with staged_file(path, error=TimelineWriteError) as temporary:
        # A stem on each line. With an indent Python writes JSON in Python, and that of 10,000 stems took 13 s.
        temporary.write_text(head + "\n" + ",\n".join(stems) + "\n]}\n", encoding="utf-8", newline="\n")
    return path


def sidecar_of(target: Path) -> Path:
    """Where the sidecar of a timeline file lies, whether there is one or not."""
    return target.with_name(target.name + SUFFIX)


def load_known_stems(path: Path, sound_urls: Iterable[str], base_folder: Path) -> dict[str, KnownStem]:
    """The stems of all sidecars around a timeline, by case-folded file name; the newest sidecar wins.

    path: the timeline that was read. sound_urls: its audio media. Files that are not sidecars are passed over.
    """
    folders: dict[Path, None] = {path.absolute().parent: None}
    for url in sound_urls:
        try:
            media = resolve_media_path(url, base_folder)
        except UnsupportedUrlError:
            continue
        folders |= {media.parent: None, media.parent.parent: None}
    known: dict[str, KnownStem] = {}
    for sidecar in _find_sidecars(folders):
        for name, stem in _iter_stems(sidecar):
            known.setdefault(name, stem)
    return known


def may_be_stem(url: str) -> bool:
    """Whether a URL has the suffix of a sound file."""
    return PurePosixPath(file_name_in_url(url)).suffix in SOUND_SUFFIXES


def _find_sidecars(folders: Iterable[Path]) -> list[Path]:
    """The newest sidecars in some folders, the newest first."""
    found: dict[Path, float] = {}
    for folder in folders:
        try:
            for path in folder.glob(f"*{SUFFIX}"):
                status = path.stat()
                if status.st_size <= MAX_SIDECAR_BYTES:
                    found[path] = status.st_mtime
        except OSError:
            continue
    return sorted(found, key=lambda path: -found[path])[:MAX_SIDECARS]


def _iter_stems(path: Path) -> Iterator[tuple[str, KnownStem]]:
    try:
        content = json.loads(read_bounded(path, MAX_SIDECAR_BYTES))
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return
    for entry in content.get("stems") or ():
        stem, track = (
            (entry.get(_STEM_KEY), entry.get(_TRACK_KEY)) if isinstance(entry, dict) else (None, None)
        )
        if isinstance(stem, dict) and isinstance(track, dict):
            for take, url in iter_takes(stem):
                yield file_name_in_url(url), KnownStem(stem=stem, take=take, track=track)

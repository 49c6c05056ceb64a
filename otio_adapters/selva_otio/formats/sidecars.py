"""What a kind of file, or a host, drops of our stems: kept in a JSON file beside the timeline, found again later.

`OUT.xml.selva.json` lies beside OUT.xml. A timeline that comes back from a host may have another name and lie
elsewhere, so the file is also looked for beside the timeline and beside the stems and their folder. Stems are known
again by the names of their files, which are never given twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineWriteError, UnsupportedUrlError
from selva_otio.formats.feature_loss import iter_stems
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import SOUND_SUFFIXES, file_name_in_url, resolve_media_path

SCHEMA = "selva.sidecar/1"
SUFFIX = ".selva.json"
MAX_SIDECARS = 64
MAX_SIDECAR_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class KnownStem:
    """A stem as it was placed: what we wrote about it, which take a file is, and about its track."""

    facts: dict[str, Any]
    take: int
    track: dict[str, Any]


def write_sidecar(timeline: otio.schema.Timeline, target: Path) -> Path | None:
    """Write what is known of a timeline's stems beside `target`; None when it has none. Raises TimelineWriteError."""
    stems = [
        {
            "facts": plain_values(facts),
            "track": plain_values(read_selva_metadata(clip.parent(), TRACK_SCHEMA)),
        }
        for clip, facts in iter_stems(timeline)
    ]
    if not stems:
        return None
    path = target.with_name(target.name + SUFFIX)
    content = {"schema": SCHEMA, "timeline": timeline.name, "stems": stems}
    with staged_file(path, error=TimelineWriteError) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
    return path


def find_known_stems(path: Path, references: Iterable[str], base_folder: Path) -> dict[str, KnownStem]:
    """What sidecars tell, by file name (case folded), the newest sidecar's word first.

    path: the timeline that was read. references: URLs of its sounds. Files that are no sidecars are passed over.
    """
    folders: dict[Path, None] = {path.absolute().parent: None}
    for url in references:
        try:
            media = resolve_media_path(url, base_folder)
        except UnsupportedUrlError:
            continue
        folders |= {media.parent: None, media.parent.parent: None}
    known: dict[str, KnownStem] = {}
    for sidecar in _newest_first(folders):
        for name, stem in _iter_stems_of(sidecar):
            known.setdefault(name, stem)
    return known


def may_be_stem(url: str) -> bool:
    return PurePosixPath(file_name_in_url(url)).suffix in SOUND_SUFFIXES


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    found: dict[Path, float] = {}
    for folder in folders:
        try:
            for path in folder.glob(f"*{SUFFIX}"):
                state = path.stat()
                if state.st_size <= MAX_SIDECAR_BYTES:
                    found[path] = state.st_mtime
        except OSError:
            continue
    return sorted(found, key=lambda path: -found[path])[:MAX_SIDECARS]


def _iter_stems_of(path: Path) -> Iterator[tuple[str, KnownStem]]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return
    for entry in content.get("stems") or ():
        facts, track = (
            (entry.get(key) for key in ("facts", "track")) if isinstance(entry, dict) else (None, None)
        )
        if isinstance(facts, dict) and isinstance(track, dict):
            for take, url in iter_takes(facts):
                yield file_name_in_url(url), KnownStem(facts=facts, take=take, track=track)


def iter_takes(facts: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Take numbers and URLs in what we wrote about a stem; what is not as we write it is passed over."""
    takes = facts.get("takes")
    for take in takes if isinstance(takes, Sequence) and not isinstance(takes, str) else ():
        if not isinstance(take, Mapping):
            continue
        number, url = take.get("take"), take.get("url")
        if isinstance(number, int) and isinstance(url, str):
            yield number, url


def plain_values(value: Any) -> Any:
    """Metadata of OpenTimelineIO as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return [plain_values(item) for item in value]

"""What a watch folder holds: request bundles, and timelines and videos, each with the files that say what to hear in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from selva_core.base.regular_file import NotRegularFileError, describe_kind
from selva_otio.formats.registry import FORMATS
from selva_otio.formats.request_bundle.bundle_folder import SUFFIX, TIMELINE_NAME
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX
from selva_otio.formats.request_bundle.proxies import PROXIES_FOLDER
from selva_render.watch.file_names import RULES_NAME, is_ignored_file, is_skipped_folder

BUNDLE, TIMELINE, VIDEO = "bundle", "timeline", "video"
CUE_SHEET_SUFFIXES = (".cues.toml", ".cues.csv", ".cues.tsv", ".toml", ".csv", ".tsv")
"""In the order in which they count; `walk.cues.toml` is for `walk.mov` only, whatever else is called walk."""
TIMELINE_SUFFIXES = tuple(
    row.suffix for row in FORMATS if row.open is not None and row.suffix not in (SUFFIX, ZIP_SUFFIX)
)
FOLDER_SUFFIXES = (SUFFIX, *(row.suffix for row in FORMATS if row.is_folder))
# fmt: off
VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".dv", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv", ".y4m",
)
# fmt: on
MAX_DEPTH = 64

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """Something to render. cues: its own cue sheet. rivals: other files that the same cue sheet could be for; with some, the item
    is refused.
    """

    kind: str
    path: Path
    cues: Path | None = None
    rivals: tuple[Path, ...] = ()

    @property
    def is_repacked(self) -> bool:
        """Whether rendering it changes it: a .selvaz is packed again with its stems."""
        return self.path.suffix.lower() == ZIP_SUFFIX

    def take_fingerprint(self) -> Fingerprint:
        """Name, size and time of change of all its files; the same again means that nothing was written. Raises OSError."""
        files = []
        for file in self.iter_files():
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularFileError(
                    errno.EINVAL,
                    f"it is {describe_kind(status.st_mode)}, and a file is needed",
                    str(file),
                )
            files.append((file.name, status.st_size, status.st_mtime_ns))
        # When a rival has gone, the item may be rendered.
        return (*files, *((rival.name, -1, -1) for rival in self.rivals))

    def iter_files(self) -> Iterator[Path]:
        """The cue sheet first, then what it consists of."""
        if self.cues is not None:
            yield self.cues
        if not self.path.is_dir():
            yield self.path
        elif self.kind == BUNDLE:
            yield self.path / TIMELINE_NAME
            yield from sorted((self.path / PROXIES_FOLDER).glob("*"))
        else:  # .otiod and .fcpxmld are folders
            yield from sorted(file for file in self.path.rglob("*") if file.is_file())


@dataclass(kw_only=True)
class Listing:
    """The items of a tree. unreadable: folders below which nothing is known, each with the reason. rules: the files of rules
    in it, each with its size and time of change.
    """

    items: list[InboxItem] = field(default_factory=list)
    rules: list[tuple[str, int, int]] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)


def list_inbox(root: Path, *, subfolders: bool = True, skipped: Iterable[Path] = ()) -> Listing:
    """The items below `root`, by folder and name. skipped: folders in it that hold no inputs, such as that of the results.

    A folder that cannot be read is named in the listing, and the others are listed. Raises OSError where `root` itself cannot.
    """
    listing = Listing()
    left_out = set(skipped)
    folders = [(root, 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            files, below = _list_folder(folder, listing)
        except OSError as error:
            if folder == root:
                raise
            listing.unreadable[folder] = error.strerror or str(error)
            continue
        listing.items.extend(_pair(folder, files))
        if subfolders and depth < MAX_DEPTH:
            folders.extend((path, depth + 1) for path in reversed(below) if path not in left_out)
    return listing


def _list_folder(folder: Path, listing: Listing) -> tuple[list[Path], list[Path]]:
    """Entries that may be items or their cue sheets, and folders to look into; links to folders are not followed."""
    entries: list[Path] = []
    below: list[Path] = []
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda each: each.name):
            path = folder / entry.name
            if entry.name == RULES_NAME:
                with suppress(OSError):
                    status = entry.stat()
                    listing.rules.append((str(path), status.st_size, status.st_mtime_ns))
            elif not entry.is_dir() or path.suffix.lower() in FOLDER_SUFFIXES:
                if not is_ignored_file(entry.name):
                    entries.append(path)
            elif not is_skipped_folder(entry.name) and not entry.is_symlink():
                below.append(path)
    return entries, below


def _pair(folder: Path, entries: list[Path]) -> Iterator[InboxItem]:
    """Items with their cue sheets. One sheet `walk.csv` may be for one file of that name; with several, the first is refused, as
    nobody can know which is meant. Without a sheet of their own, all are items.
    """
    bundles = [entry for entry in entries if _is_bundle(entry)]
    unpacked = {entry.with_suffix(SUFFIX) for entry in bundles if entry.suffix.lower() == ZIP_SUFFIX}
    for entry in bundles:
        if entry not in unpacked:
            yield InboxItem(kind=BUNDLE, path=entry)
    by_stem: dict[str, list[Path]] = {}
    for entry in entries:
        by_stem.setdefault(_stem_of(entry).casefold(), []).append(entry)
    for named_alike in by_stem.values():
        sheets = _choose_sheets(named_alike)
        timelines = _of_kind(named_alike, TIMELINE_SUFFIXES)
        videos = _of_kind(named_alike, VIDEO_SUFFIXES)
        if sheets:  # a timeline comes before a video of the same name, which then is its media
            pictures = timelines or videos
            if pictures:
                kind = TIMELINE if timelines else VIDEO
                rivals = (*pictures[1:], *sheets[1:])
                yield InboxItem(kind=kind, path=pictures[0], cues=sheets[0], rivals=rivals)
            continue
        yield from (InboxItem(kind=TIMELINE, path=path) for path in timelines)
        if not timelines:
            yield from (InboxItem(kind=VIDEO, path=path) for path in videos)


def _is_bundle(entry: Path) -> bool:
    suffix = entry.suffix.lower()
    if suffix == ZIP_SUFFIX:
        return entry.is_file()
    return suffix == SUFFIX and (entry / TIMELINE_NAME).is_file()


def _stem_of(entry: Path) -> str:
    """The name without its suffix, which for `walk.cues.toml` is both parts."""
    name = entry.name
    suffix = next((each for each in CUE_SHEET_SUFFIXES if name.lower().endswith(each)), entry.suffix)
    return name[: len(name) - len(suffix)] if suffix else name


def _choose_sheets(entries: Iterable[Path]) -> list[Path]:
    """Cue sheets: those named `.cues.` before others, so that `walk.csv` may be anything beside `walk.cues.csv`."""
    found = list(entries)
    named = [entry for entry in found if entry.name.lower().endswith(CUE_SHEET_SUFFIXES[:3])]
    return named or _of_kind(found, CUE_SHEET_SUFFIXES[3:])


def _of_kind(entries: Iterable[Path], suffixes: Iterable[str]) -> list[Path]:
    return [entry for entry in entries if entry.suffix.lower() in suffixes]

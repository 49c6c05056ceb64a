"""What a watch folder holds: request bundles, timelines, videos and image sequences, each with the files that say what to hear in
it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from selva_core.base.media import ImagePattern
from selva_core.base.regular_file import NotRegularFileError, describe_kind
from selva_otio.formats.registry import FORMATS
from selva_otio.formats.request_bundle.bundle_folder import SUFFIX, TIMELINE_NAME
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX
from selva_otio.formats.request_bundle.proxies import PROXIES_FOLDER
from selva_otio.picture.image_names import IMAGE_SUFFIXES, ImageName, parse_image_pattern
from selva_render.watch.file_names import RULES_NAME, is_ignored_file, is_skipped_folder

BUNDLE, TIMELINE, VIDEO, IMAGES = "bundle", "timeline", "video", "images"
CUE_SHEET_SUFFIXES = (".cues.toml", ".cues.csv", ".cues.tsv", ".toml", ".csv", ".tsv")
"""In the order in which they count. `walk.cues.toml` and `walk.mov.cues.toml` are for `walk.mov`."""
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
_PICTURE_SUFFIXES = frozenset((*TIMELINE_SUFFIXES, *VIDEO_SUFFIXES))
MIN_IMAGES = 8
"""Fewer images with numbers are stills that have a name in common."""
_NUMBERED = re.compile(r"(.*?)([0-9]+)(\.[^.]+)", re.DOTALL)

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """Something to render. path: of an image sequence its pattern, as shot.%04d.exr. cues: its own cue sheet. rivals: other files
    that the same cue sheet could be for; with some, the item is refused.
    """

    kind: str
    path: Path
    cues: Path | None = None
    rivals: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        """Its name without suffix, and of an image sequence without the number."""
        return title_of(self.path)

    @property
    def is_repacked(self) -> bool:
        """Whether rendering it changes it: a .selvaz is packed again with its stems."""
        return self.path.suffix.lower() == ZIP_SUFFIX

    def take_fingerprint(self) -> Fingerprint:
        """Name, size and time of change of all its files; the same again means that nothing was written. Of the images of a
        sequence, which may be thousands, one entry has the size of all and a hash. Raises OSError.
        """
        files = []
        images, num_bytes = hashlib.sha256(), 0
        for file in self.iter_files():
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularFileError(
                    errno.EINVAL,
                    f"it is {describe_kind(status.st_mode)}, and a file is needed",
                    str(file),
                )
            if self.kind == IMAGES and file != self.cues:
                images.update(os.fsencode(f"{file.name} {status.st_size} {status.st_mtime_ns}\n"))
                num_bytes += status.st_size
                continue
            files.append((file.name, status.st_size, status.st_mtime_ns))
        if self.kind == IMAGES:
            files.append((self.path.name, num_bytes, int.from_bytes(images.digest()[:6], "big")))
        # When a rival has gone, the item may be rendered.
        return (*files, *((rival.name, -1, -1) for rival in self.rivals))

    def iter_files(self) -> Iterator[Path]:
        """The cue sheet first, then what it consists of."""
        if self.cues is not None:
            yield self.cues
        if self.kind == IMAGES:
            yield from iter_images(self.path)
        elif not self.path.is_dir():
            yield self.path
        elif self.kind == BUNDLE:
            yield self.path / TIMELINE_NAME
            yield from sorted((self.path / PROXIES_FOLDER).glob("*"))
        else:  # .otiod and .fcpxmld are folders
            yield from sorted(file for file in self.path.rglob("*") if file.is_file())


def is_images(path: Path) -> bool:
    """Whether an item is an image sequence, by its name."""
    return parse_image_pattern(path.name) is not None


def title_of(path: Path) -> str:
    """The name of an item's file without suffix, and of an image sequence without the number."""
    images = parse_image_pattern(path.name)
    return path.stem if images is None else images.title


def iter_images(path: Path) -> Iterator[Path]:
    """The images of a sequence that are there now, by number. Raises OSError."""
    pattern = ImagePattern.of(path)
    with os.scandir(pattern.folder) as entries:
        found = [(pattern.number_of(entry.name), entry.name) for entry in entries]
    yield from (
        pattern.folder / name for number, name in sorted(each for each in found if each[0] is not None)
    )


def is_there(path: Path) -> bool:
    """Whether an item's file, or one of its images, is on disk."""
    if os.path.lexists(path) or not is_images(path):
        return os.path.lexists(path)
    try:
        return next(iter_images(path), None) is not None
    except OSError:
        return False


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
    yield from _find_sequences(folder, entries, by_stem)
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


def _find_sequences(folder: Path, entries: list[Path], by_stem: dict[str, list[Path]]) -> Iterator[InboxItem]:
    """Images of one name with numbers. Their cue sheet has that name, or that of the folder and lies beside it."""
    numbers: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        match = _NUMBERED.fullmatch(entry.name)
        if match is not None and entry.suffix.lower() in IMAGE_SUFFIXES:
            numbers.setdefault((match[1], match[3]), []).append(match[2])
    sequences = [
        ImageName(prefix=prefix, suffix=suffix, min_digits=min(map(len, found)))
        for (prefix, suffix), found in numbers.items()
        if len(found) >= MIN_IMAGES
    ]
    for name in sequences:
        named_alike = by_stem.get(name.title.casefold(), [])
        is_for_others = bool(_of_kind(named_alike, (*TIMELINE_SUFFIXES, *VIDEO_SUFFIXES)))
        sheets = [] if is_for_others else _choose_sheets(named_alike)
        if not sheets and len(sequences) == 1:
            beside = [folder.with_name(f"{folder.name}{suffix}") for suffix in CUE_SHEET_SUFFIXES[:3]]
            sheets = [sheet for sheet in beside if sheet.is_file()]
        yield InboxItem(
            kind=IMAGES,
            path=folder / name.pattern,
            cues=sheets[0] if sheets else None,
            rivals=tuple(sheets[1:]),
        )


def _is_bundle(entry: Path) -> bool:
    suffix = entry.suffix.lower()
    if suffix == ZIP_SUFFIX:
        return entry.is_file()
    return suffix == SUFFIX and (entry / TIMELINE_NAME).is_file()


def _stem_of(entry: Path) -> str:
    """The name without its suffix, which for `walk.cues.toml` is both parts."""
    name = entry.name
    suffix = next((each for each in CUE_SHEET_SUFFIXES if name.lower().endswith(each)), entry.suffix)
    stem = name[: len(name) - len(suffix)] if suffix else name
    whole = Path(stem)  # walk.mov.cues.toml: the name of the file with its suffix
    is_whole_name = suffix in CUE_SHEET_SUFFIXES[:3] and whole.suffix.lower() in _PICTURE_SUFFIXES
    return whole.stem if is_whole_name else stem


def _choose_sheets(entries: Iterable[Path]) -> list[Path]:
    """Cue sheets: those named `.cues.` before others, so that `walk.csv` may be anything beside `walk.cues.csv`."""
    found = list(entries)
    named = [entry for entry in found if entry.name.lower().endswith(CUE_SHEET_SUFFIXES[:3])]
    return named or _of_kind(found, CUE_SHEET_SUFFIXES[3:])


def _of_kind(entries: Iterable[Path], suffixes: Iterable[str]) -> list[Path]:
    return [entry for entry in entries if entry.suffix.lower() in suffixes]

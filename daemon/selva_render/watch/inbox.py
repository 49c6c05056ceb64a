"""What a watch folder holds: request bundles, and timelines and videos with a cue sheet of the same name beside them."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.regular_file import NotRegularFileError, describe_kind
from selva_otio.formats.registry import FORMATS
from selva_otio.formats.request_bundle.bundle_folder import SUFFIX, TIMELINE_NAME
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX
from selva_otio.formats.request_bundle.proxies import PROXIES_FOLDER

BUNDLE, TIMELINE, VIDEO = "bundle", "timeline", "video"
CUE_SHEET_SUFFIXES = (".toml", ".csv", ".tsv")
TIMELINE_SUFFIXES = tuple(
    row.suffix for row in FORMATS if row.open is not None and row.suffix not in (SUFFIX, ZIP_SUFFIX)
)
# fmt: off
VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".dv", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
    ".vob", ".webm", ".wmv", ".y4m",
)
# fmt: on

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    """Something to render. rivals: other files that the same cue sheet could be for; with some, the item is refused."""

    kind: str
    path: Path
    cues: Path | None = None
    rivals: tuple[Path, ...] = ()

    @property
    def result_name(self) -> str:
        """The name of its folder among the results; no two items of a folder share one."""
        return self.path.name if self.kind == BUNDLE else self.path.stem

    @property
    def is_repacked(self) -> bool:
        """Whether rendering it changes it: a .selvaz is packed again with its stems."""
        return self.path.suffix.lower() == ZIP_SUFFIX

    def take_fingerprint(self) -> Fingerprint:
        """Name, size and time of change of all its files; the same again means that nothing was written. Raises OSError."""
        files = []
        for file in self._files():
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotRegularFileError(
                    errno.EINVAL,
                    f"it is {describe_kind(status.st_mode)}, and a file is needed",
                    str(file),
                )
            files.append((file.name, status.st_size, status.st_mtime_ns))
        return tuple(files)

    def _files(self) -> Iterator[Path]:
        if self.cues is not None:
            yield self.cues
        if not self.path.is_dir():
            yield self.path
        elif self.kind == BUNDLE:
            yield self.path / TIMELINE_NAME
            yield from sorted((self.path / PROXIES_FOLDER).glob("*"))
        else:  # .otiod, a bundle folder of OpenTimelineIO
            yield from sorted(file for file in self.path.rglob("*") if file.is_file())


def list_inbox(folder: Path) -> list[InboxItem]:
    """The items of a folder, by name; files without a cue sheet beside them, other than bundles, are left out. Raises OSError."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "~")))
    bundles = [entry for entry in entries if _is_bundle(entry)]
    unpacked = {entry.with_suffix(SUFFIX) for entry in bundles if entry.suffix.lower() == ZIP_SUFFIX}
    items = [InboxItem(kind=BUNDLE, path=entry) for entry in bundles if entry not in unpacked]
    by_stem: dict[str, list[Path]] = {}
    for entry in entries:
        by_stem.setdefault(entry.stem.casefold(), []).append(entry)
    for named_alike in by_stem.values():
        items.extend(_with_cue_sheet(named_alike))
    return items


def _is_bundle(entry: Path) -> bool:
    suffix = entry.suffix.lower()
    if suffix == ZIP_SUFFIX:
        return entry.is_file()
    return suffix == SUFFIX and (entry / TIMELINE_NAME).is_file()


def _with_cue_sheet(named_alike: Iterable[Path]) -> Iterator[InboxItem]:
    """A timeline comes before a video of the same name, which then is its media."""
    entries = list(named_alike)
    sheets = _of_kind(entries, CUE_SHEET_SUFFIXES)
    for kind, suffixes in ((TIMELINE, TIMELINE_SUFFIXES), (VIDEO, VIDEO_SUFFIXES)):
        pictures = _of_kind(entries, suffixes)
        if sheets and pictures:
            rivals = (*pictures[1:], *sheets[1:])
            yield InboxItem(kind=kind, path=pictures[0], cues=sheets[0], rivals=rivals)
            return


def _of_kind(entries: Iterable[Path], suffixes: Iterable[str]) -> list[Path]:
    return [entry for entry in entries if entry.suffix.lower() in suffixes]

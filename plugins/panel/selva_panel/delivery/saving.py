"""The cut with its stems as a timeline file of any format, beside the cut, and as a download."""

from __future__ import annotations

import glob
import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selva_daemon.protocol.file_names import file_stem_error
from selva_otio import HostProfile, check_timeline_target, place_stems, write_timeline
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.profiles import PLAIN, PROFILES
from selva_otio.formats.registry import FORMATS
from selva_panel.delivery.chosen import ChosenStems
from selva_panel.delivery.clockless import without_clock
from selva_panel.errors import PanelRequestError
from selva_panel.timeline.cut import Cut
from selva_render.media import probe_or_none

_MAX_TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class SaveFormat:
    """A row of the page's list. id: the suffix without its dot, or the name of the host that it is for."""

    id: str
    label: str
    suffix: str
    profile: HostProfile = PLAIN

    def to_json(self) -> dict[str, str]:
        return {"format": self.id, "label": self.label, "suffix": self.suffix}


def list_save_formats() -> tuple[SaveFormat, ...]:
    """Every format that is written, and the hosts whose importers need more than their format says."""
    plain = [
        SaveFormat(id=row.suffix[1:], label=f"{row.name} ({row.suffix})", suffix=row.suffix)
        for row in FORMATS
        if row.write is not None
    ]
    hosts = [
        SaveFormat(
            # A host that the panel was opened from is a target of its own, by the plain name.
            id=profile.name if profile.has_time_reference else f"{profile.name}{profile.suffixes[0]}",
            label=f"{profile.label} ({profile.suffixes[0]})",
            suffix=profile.suffixes[0],
            profile=profile,
        )
        for profile in PROFILES
        if profile.name != "reaper"
    ]
    return (*plain, *hosts)


def find_save_format(name: str) -> SaveFormat:
    """Raises PanelRequestError."""
    formats = list_save_formats()
    found = next((row for row in formats if row.id == name), None)
    if found is None:
        raise PanelRequestError(
            f"a format is one of {', '.join(row.id for row in formats)}; got {name!r:.40}"
        )
    return found


@dataclass(frozen=True, kw_only=True)
class SavedTimeline:
    """What was written. edited_cues: whose stems an editor has changed on the timeline, which stay as they are.

    digests: of the files as they were written, so that removing them never removes what somebody has changed since.
    """

    files: tuple[Path, ...]
    losses: tuple[str, ...]
    edited_cues: frozenset[str] = frozenset()
    digests: Mapping[str, str] = field(default_factory=dict)


def save_timeline(cut: Cut, chosen: ChosenStems, row: SaveFormat, name: str) -> SavedTimeline:
    """Write the cut with its stems beside the cut, under a name that no file has yet. Raises TimelineError, OutputError."""
    target = choose_target(cut, row, name)
    check_timeline_target(target, cut.path if cut.source == "file" else None, row.profile)
    if not row.profile.has_time_reference:
        chosen = without_clock(chosen)
    placement = place_stems(cut.timeline, chosen.sheet, chosen.to_otio(), active_takes=chosen.active_takes)
    written = write_timeline(
        placement.timeline,
        target,
        base_folder=cut.base_folder,
        profile=row.profile,
        probe=probe_or_none,
        media=cut.lookup,
    )
    files = (*written.files, *(() if written.sidecar is None else (written.sidecar,)))
    return SavedTimeline(
        files=tuple(file.absolute() for file in files),
        losses=tuple(written.losses),
        edited_cues=frozenset(cue.id for cue in placement.edited_cues),
        digests={str(file.absolute()): digest_of(file) for file in files if file.is_file()},
    )


def choose_target(cut: Cut, row: SaveFormat, name: str) -> Path:
    """A file that is not there yet, beside the cut, or where that cannot be written, beside the stems.

    Only the name comes from the page. Raises PanelRequestError for one that cannot be a file's name.
    """
    stem = name.strip().removesuffix(row.suffix) or f"{cut.name} with sound"
    problem = file_stem_error(stem)
    if problem is not None:
        raise PanelRequestError(problem)
    stems_folder = cut.stems_folder()
    own = None if cut.path is None else cut.path.parent
    folder = own if own is not None and stems_folder.is_relative_to(own) else stems_folder
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, _MAX_TRIES):
        title = stem if number == 1 else f"{stem} {number}"
        # Formats that need several files put more between the name and the suffix: "cut.Dog.edl".
        if not any(folder.glob(f"{glob.escape(title)}.*")):
            return folder / f"{title}{row.suffix}"
    raise TimelineWriteError(f"there are {_MAX_TRIES} files called {stem} in {folder}; choose another name")


def zip_files(files: Sequence[Path], target: Path) -> None:
    """Several files, or a folder, as one to download."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in _iter_files(files):
            archive.write(file[0], file[1])


def _iter_files(files: Iterable[Path]) -> Iterable[tuple[Path, str]]:
    for file in files:
        if file.is_dir():
            for inner in sorted(file.rglob("*")):
                if inner.is_file():
                    yield inner, inner.relative_to(file.parent).as_posix()
        else:
            yield file, file.name


def digest_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

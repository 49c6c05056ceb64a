"""The door for timeline files of every kind: open one, and write one without ever leaving half a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import check_folder_writable
from selva_otio.errors import TimelineWriteError, UnsupportedFormatError
from selva_otio.formats.feature_loss import TAKES, describe_feature_loss, only_stem_tracks
from selva_otio.formats.host_variants import build_host_variant
from selva_otio.formats.media_clocks import count_from_timecode
from selva_otio.formats.options import Destination, ProbeMedia, ReadOptions
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.formats.registry import FORMATS, check_project_source, find_format, open_file
from selva_otio.formats.sidecars import write_sidecar
from selva_otio.formats.stem_recovery import restore_stems
from selva_otio.picture.media_search import find_missing_media


@dataclass(frozen=True, kw_only=True)
class OpenTimeline:
    """A timeline file that is open. base_folder: where its relative media URLs start."""

    path: Path
    timeline: otio.schema.Timeline
    base_folder: Path


@dataclass(frozen=True, kw_only=True)
class WrittenTimeline:
    """What was written. files: the timeline, or its parts where a kind of file needs several. sidecar: what the file
    itself does not keep of our stems. losses: a sentence for each thing of this timeline that is not in the file.
    """

    files: tuple[Path, ...]
    sidecar: Path | None = None
    losses: tuple[str, ...] = ()


@contextmanager
def open_timeline(path: Path, options: ReadOptions | None = None) -> Iterator[OpenTimeline]:
    """Open a timeline file; the media of an .otioz is there until it is closed. The file is never changed.

    Media that is not where the timeline says is looked for in the options' media folders. Stems whose metadata a
    host has dropped are known again by the file that was written beside their timeline.

    Raises TimelineReadError, UnsupportedFormatError.
    """
    options = options or ReadOptions()
    with open_file(path, options) as (timeline, base_folder):
        find_missing_media(timeline, options.media_folders, base_folder)
        restore_stems(timeline, path, base_folder)
        yield OpenTimeline(path=path, timeline=timeline, base_folder=base_folder)


def load_timeline(path: Path) -> otio.schema.Timeline:
    """The timeline of a file, without the media of a bundle. Raises TimelineReadError, UnsupportedFormatError."""
    with open_timeline(path) as opened:
        return opened.timeline


def check_timeline_target(target: Path, source: Path | None = None, profile: HostProfile = PLAIN) -> None:
    """Whether a timeline can be written to `target`, and the host would import it; leaves nothing behind.

    Raises UnsupportedFormatError, or TimelineWriteError when the folder is missing or may not be written, or when
    the target is the source.
    """
    row = find_format(target)
    if row.write is None:
        written = ", ".join(row.suffix for row in FORMATS if row.write is not None)
        raise UnsupportedFormatError(
            f"{row.name} ({row.suffix}) is not written; a timeline is written as {written}"
        )
    if profile.suffixes and row.suffix not in profile.suffixes:
        raise UnsupportedFormatError(
            f"{profile.label} does not import {row.suffix}; write {' or '.join(profile.suffixes)}"
        )
    if source is not None and _is_same_file(source, target):
        raise TimelineWriteError(
            f"{target} is the timeline that is read; it is never changed, choose another name"
        )
    if row.is_folder and target.exists():
        raise TimelineWriteError(
            f"{target} is there already; a bundle folder is never replaced, choose another name"
        )
    if target.is_dir():
        raise TimelineWriteError(f"{target} is a folder; name a file")
    if source is not None and find_format(source).suffix == ".otioz" and not row.is_bundle:
        raise TimelineWriteError(
            f"the media of {source.name} lies inside it; write a bundle too: {target.with_suffix('.otioz').name}"
        )
    if not target.absolute().parent.is_dir():
        raise TimelineWriteError(f"there is no folder {target.absolute().parent}; make it first")
    check_folder_writable(target.absolute().parent, error=TimelineWriteError)
    if source is not None:
        check_project_source(source, target)


def write_timeline(
    timeline: otio.schema.Timeline,
    target: Path,
    *,
    base_folder: Path | None = None,
    profile: HostProfile = PLAIN,
    probe: ProbeMedia | None = None,
) -> WrittenTimeline:
    """Write a timeline in the format of the target's suffix, each file whole or not at all.

    base_folder: where its relative media URLs start, by default the target's folder. profile: the host it is for.
    probe: asks media for its timecode, where that host counts from it. Raises TimelineWriteError, UnsupportedFormatError.
    """
    row = find_format(target)
    if row.write is None:
        raise UnsupportedFormatError(f"{row.name} ({row.suffix}) is not written")
    keeps_metadata = row.keeps_metadata and profile.keeps_metadata
    conformed = build_host_variant(
        timeline,
        profile,
        keeps_metadata=keeps_metadata,
        spreads_takes=not (row.shows_takes and profile.shows_takes) and TAKES not in row.cannot_hold,
    )
    folder = base_folder or target.absolute().parent
    keeps_rest = row.keeps_rest(conformed)
    if profile.counts_from_timecode and probe is not None and not keeps_rest:
        count_from_timecode(conformed, probe, folder)
    files = row.write(conformed, Destination(target=target, base_folder=folder, profile=profile))
    return WrittenTimeline(
        files=tuple(files),
        sidecar=None if keeps_metadata else write_sidecar(timeline, target),
        losses=describe_feature_loss(
            only_stem_tracks(timeline) if keeps_rest else timeline,
            {row.name: row.cannot_hold, profile.label: profile.cannot_hold},
        ),
    )


def _is_same_file(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target)
    except OSError:
        return source.absolute() == target.absolute()

"""Open and write timeline files of every format; each file is written whole or not at all."""

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
from selva_otio.formats.options import Destination, ReadOptions
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.formats.registry import FORMATS, check_project_source, find_format, open_timeline_file
from selva_otio.formats.sidecars import write_sidecar
from selva_otio.formats.source_loss import describe_left_out, drop_left_out
from selva_otio.formats.stem_recovery import restore_stems
from selva_otio.picture.media_probe import ProbeMedia
from selva_otio.picture.media_search import MediaLookup


@dataclass(frozen=True, kw_only=True)
class OpenTimeline:
    """A timeline file that is open.

    base_folder: where its relative media URLs start. media: where its media is, also where the timeline does not say it.
    """

    path: Path
    timeline: otio.schema.Timeline
    base_folder: Path
    media: MediaLookup


@dataclass(frozen=True, kw_only=True)
class WrittenTimeline:
    """What was written.

    files: the timeline, or its parts in a format that needs several files. sidecar: the file beside it with the stem
    metadata that the format or host drops. losses: a sentence for each feature of this timeline that is not in the file.
    """

    files: tuple[Path, ...]
    sidecar: Path | None = None
    losses: tuple[str, ...] = ()


@contextmanager
def open_timeline(path: Path, options: ReadOptions | None = None) -> Iterator[OpenTimeline]:
    """Open a timeline file, which is never changed. The media of an .otioz is unpacked until the context ends.

    Media that is missing is searched for in the options' media folders when it is asked for; the timeline keeps its URLs.
    Stem metadata that a host has dropped is restored from the sidecar that was written with the timeline.

    Raises TimelineReadError, UnsupportedFormatError.
    """
    options = options or ReadOptions()
    with open_timeline_file(path, options) as (timeline, base_folder):
        restore_stems(timeline, path, base_folder)
        media = MediaLookup(base_folder=base_folder, folders=options.media_folders, probe=options.probe)
        yield OpenTimeline(path=path, timeline=timeline, base_folder=base_folder, media=media)


def load_timeline(path: Path) -> otio.schema.Timeline:
    """The timeline of a file, without the media of an .otioz. Raises TimelineReadError, UnsupportedFormatError."""
    with open_timeline(path) as opened:
        return opened.timeline


def check_timeline_target(target: Path, source: Path | None = None, profile: HostProfile = PLAIN) -> None:
    """Check, before hours of rendering, that a timeline can be written to `target` and that the host imports it.

    source: the timeline that is read. Nothing is written. Raises UnsupportedFormatError, or TimelineWriteError where the
    folder is missing or may not be written, or where the target is the source.
    """
    target_format = find_format(target)
    if target_format.write is None:
        written = ", ".join(known.suffix for known in FORMATS if known.write is not None)
        raise UnsupportedFormatError(
            f"{target_format.name} ({target_format.suffix}) is not written; a timeline is written as {written}"
        )
    if profile.suffixes and target_format.suffix not in profile.suffixes:
        raise UnsupportedFormatError(
            f"{profile.label} does not import {target_format.suffix}; write {' or '.join(profile.suffixes)}"
        )
    if source is not None and _is_same_file(source, target):
        raise TimelineWriteError(
            f"{target} is the timeline that is read; it is never changed, choose another name"
        )
    if target_format.is_folder and target.exists():
        raise TimelineWriteError(
            f"{target} exists already; a bundle folder is never replaced, choose another name"
        )
    if target.is_dir():
        raise TimelineWriteError(f"{target} is a folder; name a file")
    if source is not None and find_format(source).suffix == ".otioz" and not target_format.holds_media:
        raise TimelineWriteError(
            f"the media of {source.name} is inside it; write a bundle too: {target.with_suffix('.otioz').name}"
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
    media: MediaLookup | None = None,
) -> WrittenTimeline:
    """Write a timeline in the format of the target's suffix; the timeline itself is not changed.

    base_folder: where its relative media URLs start, by default the target's folder. profile: the host it is for. probe:
    reads the timecode of media, for hosts that count source ranges from it. media: where media is that is not at its URL; what
    is written keeps the URLs, except a bundle, which holds the files that were found. Raises TimelineWriteError,
    UnsupportedFormatError.
    """
    target_format = find_format(target)
    if target_format.write is None:
        raise UnsupportedFormatError(f"{target_format.name} ({target_format.suffix}) is not written")
    keeps_metadata = target_format.keeps_metadata and profile.keeps_metadata
    host_timeline = build_host_variant(
        timeline,
        profile,
        keeps_metadata=keeps_metadata,
        spreads_takes=not (target_format.shows_takes and profile.shows_takes)
        and TAKES not in target_format.cannot_hold,
    )
    folder = base_folder or target.absolute().parent
    merge_plan = target_format.plan_merge(host_timeline)
    merges_into_source = merge_plan is not None
    drop_left_out(host_timeline)
    media = media or MediaLookup(base_folder=folder)
    if profile.counts_from_timecode and probe is not None and not merges_into_source:
        count_from_timecode(host_timeline, probe, media)
    if target_format.holds_media:
        media.point_to_files(host_timeline)
    files = target_format.write(
        host_timeline,
        Destination(target=target, base_folder=folder, profile=profile, merge_plan=merge_plan),
    )
    return WrittenTimeline(
        files=tuple(files),
        sidecar=None if keeps_metadata else write_sidecar(timeline, target),
        losses=(
            *describe_feature_loss(
                only_stem_tracks(timeline) if merges_into_source else timeline,
                {target_format.name: target_format.cannot_hold, profile.label: profile.cannot_hold},
            ),
            *(() if merges_into_source else describe_left_out(timeline)),
        ),
    )


def _is_same_file(source: Path, target: Path) -> bool:
    try:
        return source.samefile(target)
    except OSError:
        return source.absolute() == target.absolute()

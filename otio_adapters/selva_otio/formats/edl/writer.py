"""Stem tracks as EDLs, one each, the form that every conform tool reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_core.base.rational import round_half_up
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, find_media_file, flatten_timeline
from selva_otio.formats.options import Destination
from selva_otio.formats.stem_metadata import build_stem_label
from selva_otio.formats.wave_headers import load_wave_header
from selva_otio.placement.stem_names import ensure_unique, fold_name
from selva_otio.time.clock import TimelineClock, exact_seconds, format_timecode

_NO_REEL = "AX"
"""The reel of media that is no tape, for readers that find it by name."""


def write_edls(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write OUT.TRACK.edl for each stem track: CMX 3600 has four audio channels and no names for them.

    Raises TimelineWriteError when there is none.
    """
    flat_timeline = flatten_timeline(timeline)
    tracks = [track for track in flat_timeline.sound_tracks if track.is_stem_track and track.clips]
    if not tracks:
        raise TimelineWriteError(
            "an EDL is written for each stem track, and this timeline has none; render it first"
        )
    written: list[Path] = []
    targets = name_edl_parts(destination.target, [track.name for track in tracks])
    for track, target in zip(tracks, targets, strict=True):
        lines = _iter_lines(timeline.name or destination.target.stem, track, flat_timeline.clock, destination)
        with staged_file(target, error=TimelineWriteError) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\r\n")
        written.append(target)
    return written


def name_edl_parts(target: Path, track_names: Iterable[str]) -> list[Path]:
    """The file of each of these stem tracks."""
    parts: list[Path] = []
    taken: set[str] = set()
    for track_name in track_names:
        name = ensure_unique(fold_name(track_name, max_chars=60, fallback="stems"), taken)
        taken.add(name.casefold())
        parts.append(target.with_suffix(f".{name}.edl"))
    return parts


def _iter_lines(
    title: str, track: FlatTrack, clock: TimelineClock, destination: Destination
) -> Iterator[str]:
    """All lines of one track. CMX 3600 allows 70 characters for the title and 8 for a reel."""
    yield f"TITLE: {_one_line(title)} - {_one_line(track.name)}"[:70]
    yield f"FCM: {'DROP FRAME' if clock.drop_frame else 'NON-DROP FRAME'}"
    yield ""
    number = 0
    for flat_clip in track.clips:
        if flat_clip.enabled:
            number += 1
            yield from _iter_event(number, flat_clip, clock, destination)


def _iter_event(
    number: int, flat_clip: FlatClip, clock: TimelineClock, destination: Destination
) -> Iterator[str]:
    """The lines of an event. Source labels count from the time reference of the file where it has one, else from zero."""
    record = [_frame(seconds, clock) for seconds in (flat_clip.start_s, flat_clip.end_s)]
    reference = flat_clip.clip.media_reference
    available = reference.available_range
    in_file_s = flat_clip.media_low_s - (exact_seconds(available.start_time) if available is not None else 0)
    file_start = (
        _frame(flat_clip.start_s - in_file_s, clock) + clock.start_frame
        if destination.profile.has_time_reference
        else 0
    )
    first = file_start + _frame(in_file_s, clock)
    labels = (first, first + record[1] - record[0], *(clock.start_frame + frame for frame in record))
    times = " ".join(_label(frame, clock) for frame in labels)
    file = find_media_file(reference, destination.base_folder)
    header = None if file is None else load_wave_header(file)
    channels = "AA" if header is not None and header.num_channels > 1 else "A"
    yield f"{number:03}  {_NO_REEL:<8} {channels:<5} C        {times}"
    name = PurePosixPath(unquote(getattr(reference, "target_url", "") or "")).name
    yield f"* FROM CLIP NAME: {_one_line(name or flat_clip.clip.name)}"
    if file is not None:
        yield f"* SOURCE FILE: {_one_line(str(file))}"
    if flat_clip.stem_metadata:
        yield f"* COMMENT: {_one_line(build_stem_label(flat_clip.stem_metadata))}"


def _frame(seconds: Fraction, clock: TimelineClock) -> int:
    return round_half_up(seconds * clock.frame_rate_hz)


def _label(frame: int, clock: TimelineClock) -> str:
    return format_timecode(frame, clock.frame_rate_hz, drop_frame=clock.drop_frame)


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Stem tracks as EDLs, one for each: what a sound editor's tools and every conform know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import opentimelineio as otio

from selva_core.base.atomic_write import staged_file
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, Layout, find_media_file, flatten_timeline
from selva_otio.formats.options import Destination
from selva_otio.formats.wave_headers import load_wave_header
from selva_otio.placement.stem_names import ensure_unique, fold_name
from selva_otio.time.clock import TimelineClock, exact_seconds, format_timecode, sample_index

_NO_REEL = "AX"


def write_edls(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write OUT.TRACK.edl for each stem track. Raises TimelineWriteError when there is none."""
    layout = flatten_timeline(timeline)
    tracks = [track for track in layout.sound if track.is_stem_track and track.pieces]
    if not tracks:
        raise TimelineWriteError("an EDL is written for each stem track, and this timeline has no stems")
    written: list[Path] = []
    taken: set[str] = set()
    for track in tracks:
        name = ensure_unique(fold_name(track.name, max_chars=60, fallback="stems"), taken)
        taken.add(name.casefold())
        target = destination.target.with_suffix(f".{name}.edl")
        lines = _iter_lines(timeline.name or destination.target.stem, track, layout, destination)
        with staged_file(target, error=TimelineWriteError) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\r\n")
        written.append(target)
    return written


def _iter_lines(title: str, track: FlatTrack, layout: Layout, destination: Destination) -> Iterator[str]:
    clock = layout.clock
    yield f"TITLE: {_one_line(title)} - {_one_line(track.name)}"[:70]
    yield f"FCM: {'DROP FRAME' if clock.drop_frame else 'NON-DROP FRAME'}"
    yield ""
    number = 0
    for piece in track.pieces:
        if piece.enabled:
            number += 1
            yield from _iter_event(number, piece, clock, destination)


def _iter_event(
    number: int, piece: FlatClip, clock: TimelineClock, destination: Destination
) -> Iterator[str]:
    """Source labels count from the time reference of the file where it has one, else from its first sample."""
    record = [_frame(seconds, clock) for seconds in (piece.start_s, piece.end_s)]
    reference = piece.clip.media_reference
    available = reference.available_range
    in_file_s = piece.media_low_s - (exact_seconds(available.start_time) if available is not None else 0)
    starts_at = (
        _frame(piece.start_s - in_file_s, clock) + clock.start_frame if destination.profile.stamps_time else 0
    )
    first = starts_at + _frame(in_file_s, clock)
    labels = (first, first + record[1] - record[0], *(clock.start_frame + frame for frame in record))
    times = " ".join(_label(frame, clock) for frame in labels)
    file = find_media_file(reference, destination.base_folder)
    header = None if file is None else load_wave_header(file)
    channels = "AA" if header is not None and header.num_channels > 1 else "A"
    yield f"{number:03}  {_NO_REEL:<8} {channels:<5} C        {times}"
    name = PurePosixPath(unquote(getattr(reference, "target_url", "") or "")).name
    yield f"* FROM CLIP NAME: {_one_line(name or piece.clip.name)}"
    if file is not None:
        yield f"* SOURCE FILE: {_one_line(str(file))}"
    facts = piece.stem_facts
    if facts:
        prompt = f"{facts.get('track', '')}: {facts.get('prompt', '')}"
        yield f"* COMMENT: {_one_line(prompt)}"


def _frame(seconds: Fraction, clock: TimelineClock) -> int:
    return sample_index(seconds * clock.frame_rate_hz, 1)


def _label(frame: int, clock: TimelineClock) -> str:
    return format_timecode(frame, clock.frame_rate_hz, drop_frame=clock.drop_frame)


def _one_line(text: str) -> str:
    return " ".join(text.split())

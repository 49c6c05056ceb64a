"""Events in files: CSV, MIDI, a list of markers as Resolve imports it, and timelines with markers."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import OutputError, RequestError
from selva_core.base.rational import round_half_up
from selva_otio import write_timeline
from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.feature_loss import only_stem_tracks
from selva_otio.formats.registry import FORMATS, find_format
from selva_otio.time.item_times import trimmed_start_s
from selva_render.events.collect import EventList, StemEvent

COLUMNS = (
    *("track", "prompt", "clip", "file", "timecode", "record_s", "file_s", "duration_s", "level_db"),
    "velocity",
)
FIRST_NOTE, MAX_NOTE = 60, 127
"""Middle C for the first stem track, and a key more for each further one."""
_TICKS_PER_BEAT, _BEAT_US = 9600, 500_000
"""19,200 ticks a second at 120 beats a minute: an event is off by 26 microseconds at most, a sample at 38 kHz."""
MARKER_COLOUR = "YELLOW"
"""Not the colour that cues have: the next render would take these markers for cues."""


@dataclass(frozen=True)
class WrittenEvents:
    """The files of the events, and what else of the timeline is not in them."""

    files: tuple[Path, ...]
    losses: tuple[str, ...] = ()


def check_event_target(target: Path, *, source: Path | None, replaces: bool) -> None:
    """Refuse a target before anything is read. source: the timeline that is read, which is never changed.

    Raises UnsupportedFormatError, OutputError, RequestError.
    """
    if target.suffix.lower() not in event_suffixes():
        raise UnsupportedFormatError(
            f"events are written as {', '.join(event_suffixes())}; got {target.name}"
        )
    if source is not None and os.path.exists(target) and os.path.samefile(source, target):
        raise OutputError(f"{target} is the timeline that is read; it is never changed, choose another name")
    if os.path.lexists(target) and not replaces:
        raise RequestError(f"{target} exists already; choose another name, or add --replace to replace it")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"there is no folder {target.absolute().parent}; make it first")


def event_suffixes() -> tuple[str, ...]:
    """The kinds of file that events are written to."""
    timelines = [
        row.suffix for row in FORMATS if row.write is not None and not row.is_folder and not row.holds_media
    ]
    return tuple(dict.fromkeys([*_WRITERS, *timelines]))


def write_events(
    events: EventList, target: Path, *, base_folder: Path | None = None, first_note: int = FIRST_NOTE
) -> WrittenEvents:
    """Write events in the format of the target's suffix, whole or not at all.

    base_folder: where relative media URLs of the timeline start. first_note: of MIDI, for the first stem track. Raises
    OutputError, RequestError, TimelineWriteError.
    """
    if not 0 <= first_note <= MAX_NOTE:
        raise RequestError(f"a note is 0 to {MAX_NOTE}, 60 for middle C; got {first_note}")
    build = _WRITERS.get(target.suffix.lower())
    if build is not None:
        write_atomic(target, build(events, first_note))
        return WrittenEvents((target,))
    written = write_timeline(_add_markers(events, target), target, base_folder=base_folder)
    files = (*written.files, *(() if written.sidecar is None else (written.sidecar,)))
    return WrittenEvents(files, written.losses)


def notes_of_tracks(tracks: Sequence[str], first_note: int = FIRST_NOTE) -> dict[str, int]:
    """The key of each stem track; those beyond the last key share it."""
    return {track: min(first_note + number, MAX_NOTE) for number, track in enumerate(tracks)}


def _build_csv(events: EventList, first_note: int) -> bytes:
    """One row an event. Times are seconds with six decimals."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for event in events.events:
        times = [_decimal(each) for each in (event.record_s, event.file_s, event.duration_s)]
        names = (event.track, event.prompt, event.clip, event.file.name)
        timecode = events.clock.timecode(event.record_s)
        writer.writerow([*names, timecode, *times, f"{event.level_db:.2f}", event.velocity])
    return text.getvalue().encode("utf-8")


def _build_midi(events: EventList, first_note: int) -> bytes:
    """Format 1: a track for each stem track, a note for each event. Time zero is the start of the timeline."""
    import mido  # noqa: PLC0415 - of use to this format only

    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS_PER_BEAT, charset="utf-8")
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=_BEAT_US, time=0)])
    file.tracks.append(tempo)
    for number, (track, note) in enumerate(notes_of_tracks(events.tracks, first_note).items()):
        messages: list[tuple[int, int, mido.Message]] = []
        for event in events.events:
            if event.track == track:
                start, end = _tick(event.record_s), _tick(event.record_s + event.duration_s)
                keys = {"channel": number % 16, "note": note}
                # A note ends before the next one of its key begins.
                messages.append((start, 1, mido.Message("note_on", velocity=event.velocity, **keys)))
                messages.append((max(end, start + 1), 0, mido.Message("note_off", velocity=0, **keys)))
        written = mido.MidiTrack([mido.MetaMessage("track_name", name=track, time=0)])
        cursor = 0
        for tick, _, message in sorted(messages, key=lambda each: each[:2]):
            written.append(message.copy(time=tick - cursor))
            cursor = tick
        file.tracks.append(written)
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def _build_marker_list(events: EventList, first_note: int) -> bytes:
    """The list of timeline markers that Resolve imports (Timelines > Import > Timeline Markers from EDL)."""
    clock = events.clock
    frame_s = 1 / clock.frame_rate_hz
    lines = [f"TITLE: {events.timeline.name or 'events'}"]
    lines += [f"FCM: {'DROP FRAME' if clock.drop_frame else 'NON-DROP FRAME'}", ""]
    for number, event in enumerate(events.events, start=1):
        start = clock.timecode(event.record_s)
        end = clock.timecode(event.record_s + frame_s)
        name = " ".join(_marker_name(event).replace("|", " ").split())
        lines += [
            f"{number:03d}  001      V     C        {start} {end} {start} {end}  ",
            f"{_marker_note(event)} |C:ResolveColor{MARKER_COLOUR.capitalize()} |M:{name} |D:1",
            "",
        ]
    return "\n".join([*lines, ""]).encode("utf-8")


_WRITERS: Mapping[str, Callable[[EventList, int], bytes]] = {
    ".csv": _build_csv,
    ".mid": _build_midi,
    ".edl": _build_marker_list,
}


def _add_markers(events: EventList, target: Path) -> otio.schema.Timeline:
    """The timeline with a marker for each event. One that would be written back into the document it was read from, to which only
    stem tracks are added, is written anew with its stem tracks alone.
    """
    timeline = events.timeline.clone()
    if find_format(target).plan_merge(timeline) is not None:
        anew = only_stem_tracks(timeline)
        anew.global_start_time = events.clock.rational_time(
            events.clock.start_frame / events.clock.frame_rate_hz
        )
        timeline = anew
    clock, origin_s = events.clock, trimmed_start_s(timeline.tracks)
    # In REAPER a marker with a length is a region; elsewhere the shortest marker is a frame.
    length_s = Fraction(0) if target.suffix.lower() == ".rpp" else 1 / clock.frame_rate_hz
    for event in events.events:
        marker = otio.schema.Marker(
            name=_marker_name(event),
            marked_range=clock.time_range(origin_s + event.record_s, length_s),
            color=MARKER_COLOUR,
        )
        marker.comment = _marker_note(event)
        timeline.tracks.markers.append(marker)
    return timeline


def _marker_name(event: StemEvent) -> str:
    return event.track


def _marker_note(event: StemEvent) -> str:
    return f"{event.level_db:.1f} dBFS"


def _tick(seconds: Fraction) -> int:
    return max(0, round_half_up(seconds * _TICKS_PER_BEAT * 1_000_000 / _BEAT_US))


def _decimal(seconds: Fraction) -> str:
    return f"{float(seconds):.6f}"

"""AAF as Avid writes it, read by OpenTimelineIO's own adapter where that is installed."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

import opentimelineio as otio

from selva_core.base.command_line import pip_install_command
from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from selva_otio.formats.aaf.source_features import FORMAT_NAME, count_aaf_features
from selva_otio.formats.aaf.speed_maps import settle_speeds
from selva_otio.formats.aaf.track_pan import OPERATION_NAME, is_pan
from selva_otio.formats.otio import find_only_timeline, first_line, load_timeline_bytes
from selva_otio.formats.source_loss import note_left_out
from selva_otio.time.clock import note_drop_frame
from selva_otio.time.item_times import find_record_clock

_ADAPTER, _PACKAGE = "AAF", "otio-aaf-adapter"


def load_aaf(path: Path) -> otio.schema.Timeline:
    """The timeline of an AAF file. Raises TimelineReadError; UnsupportedFormatError without otio-aaf-adapter."""
    load_timeline_bytes(path)  # refuses what is missing or too large, which pyaaf2 reads without bound
    if _ADAPTER not in otio.adapters.available_adapter_names():
        raise UnsupportedFormatError(
            f"reading {path.suffix} files needs {_PACKAGE}; install it with: {pip_install_command(_PACKAGE)}"
        )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the adapter prints, and ours may be JSON
            root = otio.adapters.read_from_file(str(path), adapter_name=_ADAPTER)
    except (
        Exception
    ) as error:  # whatever pyaaf2 meets in a damaged file: struct.error, KeyError, errors of its own
        raise TimelineReadError(f"{path} cannot be read ({_ADAPTER}): {first_line(error)}") from error
    timeline = find_only_timeline(root, path)
    settle_speeds(timeline)
    _name_panned_tracks(path, timeline)
    note_left_out(timeline, FORMAT_NAME, count_aaf_features(path, timeline))
    track = _read_timecode_track(path)
    if track is not None:
        if timeline.global_start_time is None:
            timeline.global_start_time = otio.opentime.RationalTime(track.start_frame, track.rate_hz)
        rate = find_record_clock(timeline).frame_rate_hz
        note_drop_frame(timeline, _ADAPTER, rate, drop_frame=track.drop_frame)
    return timeline


def _name_panned_tracks(path: Path, timeline: otio.schema.Timeline) -> None:
    """Give tracks inside a pan the names of their slots, which the adapter replaces by that of the sequence in the pan."""
    panned = [
        track
        for track in timeline.audio_tracks()
        if any(effect.name == OPERATION_NAME for effect in track.effects)
    ]
    if not panned:
        return
    import aaf2  # noqa: PLC0415 - an optional package, which the adapter needs too

    try:
        with aaf2.open(str(path), "r") as file:
            mobs = list(file.content.toplevel()) or list(file.content.compositionmobs())
            names = [slot.name for mob in mobs for slot in mob.slots if is_pan(slot.segment)]
    except Exception:  # whatever pyaaf2 meets in an unusual file; the tracks keep the adapter's names then
        return
    for track, name in zip(panned, names if len(names) == len(panned) else (), strict=False):
        track.name = name or ""


@dataclass(frozen=True, kw_only=True)
class _TimecodeTrack:
    """start_frame: from midnight. rate_hz: frames per second."""

    start_frame: int
    rate_hz: float
    drop_frame: bool


def _read_timecode_track(path: Path) -> _TimecodeTrack | None:
    """The timecode track of the composition, the one with number 1 where there are several; None without one.

    The adapter leaves out whether it drops frames, and all of it where the track has no number.
    """
    import aaf2  # noqa: PLC0415 - an optional package, which the adapter needs too

    found: list[tuple[bool, _TimecodeTrack]] = []
    try:
        with aaf2.open(str(path), "r") as file:
            mobs = list(file.content.toplevel()) or list(file.content.compositionmobs())
            for slot in (slot for mob in mobs[:1] for slot in mob.slots):
                parts = getattr(slot.segment, "components", None) or [slot.segment]
                timecode = next((part for part in parts if isinstance(part, aaf2.components.Timecode)), None)
                if timecode is not None:
                    track = _TimecodeTrack(
                        start_frame=int(timecode.start),
                        rate_hz=float(slot.edit_rate),
                        drop_frame=bool(timecode["Drop"].value),
                    )
                    found.append((slot.getvalue("PhysicalTrackNumber", None) != 1, track))
    except Exception:
        return None
    return min(found, key=lambda each: each[0])[1] if found else None

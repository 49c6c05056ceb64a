"""AAF as Avid writes it, read by OpenTimelineIO's own adapter where that is installed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import opentimelineio as otio

from selva_core.base.command_line import pip_install_command
from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from selva_otio.formats.aaf.source_features import FORMAT_NAME, count_aaf_features
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
    _name_panned_tracks(path, timeline)
    note_left_out(timeline, FORMAT_NAME, count_aaf_features(path, timeline))
    drop_frame = _read_drop_frame(path)
    if drop_frame is not None:
        rate = find_record_clock(timeline).frame_rate_hz
        note_drop_frame(timeline, _ADAPTER, rate, drop_frame=drop_frame)
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


def _read_drop_frame(path: Path) -> bool | None:
    """Whether the timecode track of the composition is drop-frame, which the adapter leaves out; None without one."""
    import aaf2  # noqa: PLC0415 - an optional package, which the adapter needs too

    try:
        with aaf2.open(str(path), "r") as file:
            mobs = list(file.content.toplevel()) or list(file.content.compositionmobs())
            for mob in mobs:
                for slot in mob.slots:
                    parts = getattr(slot.segment, "components", None) or [slot.segment]
                    found = next((part for part in parts if isinstance(part, aaf2.components.Timecode)), None)
                    if found is not None:
                        return bool(found["Drop"].value)
    except Exception:
        return None
    return None

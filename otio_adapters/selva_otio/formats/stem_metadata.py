"""What a render notes on its stems, read back from a timeline in any format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_core.base.pan import Curve
from selva_core.base.rational import from_pair
from selva_otio.metadata import STEM_SCHEMA, TRACK_SCHEMA, read_plain_stem, read_selva_metadata
from selva_otio.picture.media import file_name_in_url


def iter_stems(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.schema.Clip, Mapping[str, Any]]]:
    """The stems on the audio tracks, each with its metadata."""
    for track in timeline.audio_tracks():
        for item in track:
            stem = read_selva_metadata(item, STEM_SCHEMA)
            if isinstance(item, otio.schema.Clip) and stem:
                yield item, stem


def iter_plain_stems(
    timeline: otio.schema.Timeline,
) -> Iterator[tuple[otio.schema.Clip, dict[str, Any], dict[str, Any]]]:
    """The stems on the audio tracks, each with its metadata and that of its track as plain values."""
    for track in timeline.audio_tracks():
        plain_track: dict[str, Any] = to_plain_value(read_selva_metadata(track, TRACK_SCHEMA))
        for item in track:
            if isinstance(item, otio.schema.Clip) and (stem := read_plain_stem(item)):
                yield item, stem, plain_track


def iter_takes(stem: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Number and URL of each take in a stem's metadata; entries of another shape are passed over."""
    takes = stem.get("takes")
    for take in takes if isinstance(takes, Sequence) and not isinstance(takes, str) else ():
        if not isinstance(take, Mapping):
            continue
        number, url = take.get("take"), take.get("url")
        if isinstance(number, int) and isinstance(url, str):
            yield number, url


def build_stem_label(stem: Mapping[str, Any]) -> str:
    """ "TRACK: prompt", the form in which a marker is read as a cue."""
    return f"{stem.get('track', '')}: {stem.get('prompt', '')}"


def build_stem_note(stem: Mapping[str, Any]) -> str:
    """Which cue and take a stem is, for people."""
    return f"Selva cue {stem.get('cue', '')}, take {stem.get('active_take', 1)}"


def read_gain_db(stem: Mapping[str, Any]) -> float:
    """The gain of a stem in dB; 0 where there is none or it is not a finite number."""
    gain_db = stem.get("gain_db")
    if not isinstance(gain_db, int | float) or isinstance(gain_db, bool) or not math.isfinite(gain_db):
        return 0.0
    return float(gain_db)


def read_take(stem: Mapping[str, Any], reference: otio.core.MediaReference) -> Mapping[str, Any]:
    """What a render noted on the take that a media reference plays; empty for a file that is no take of the stem.

    By the name of the file: hosts write its path anew and drop metadata of references.
    """
    name = file_name_in_url(getattr(reference, "target_url", None) or "")
    takes = stem.get("takes")
    for take in takes if isinstance(takes, Sequence) and not isinstance(takes, str) else ():
        if isinstance(take, Mapping) and name and file_name_in_url(str(take.get("url", ""))) == name:
            return take
    return {}


def read_pan(take: Mapping[str, Any]) -> Curve | None:
    """The curve that a take's pan follows, in seconds of its file; None for one that is not panned or whose points are not
    numbers in order of time.
    """
    try:
        points = tuple((float(time_s), min(1.0, max(-1.0, float(pan)))) for time_s, pan in take["pan"])
        return Curve(points)
    except (KeyError, TypeError, ValueError):
        return None


def read_pan_width(take: Mapping[str, Any]) -> float | None:
    """How far left and right the pan curve of a take goes at most; None where it has no curve."""
    if read_pan(take) is None:
        return None
    width = take.get("pan_width")
    is_width = isinstance(width, int | float) and not isinstance(width, bool) and 0.0 <= width <= 1.0
    return float(width) if is_width and width is not None else 1.0


def read_num_channels(take: Mapping[str, Any]) -> int:
    """Of a take's file: 2 where it is panned."""
    return 2 if take.get("num_channels") == 2 else 1


def read_played_gain_db(clip: otio.schema.Clip) -> float:
    """The gain in dB that a clip plays with: the level that an editor set, where the reader found one, else that of the stem."""
    for effect in clip.effects:
        level = effect.metadata.get("level")
        if isinstance(level, float) and math.isfinite(level) and level > 0:
            return 20 * math.log10(level)
    return read_gain_db(read_selva_metadata(clip, STEM_SCHEMA))


def read_fade_s(stem: Mapping[str, Any], key: str) -> Fraction:
    """Seconds of a fade, "fade_in_s" or "fade_out_s"; 0 where there is none."""
    try:
        return max(from_pair(stem[key]), Fraction(0))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return Fraction(0)


def to_plain_value(value: Any) -> Any:
    """OpenTimelineIO metadata as JSON has it: AnyDictionary as dict, AnyVector as list, other objects as text."""
    if isinstance(value, Mapping):
        return {str(key): to_plain_value(inner) for key, inner in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    try:
        return [to_plain_value(inner) for inner in value]
    except TypeError:
        return str(value)

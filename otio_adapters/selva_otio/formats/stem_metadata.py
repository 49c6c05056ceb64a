"""What a render notes on its stems, read back from a timeline in any format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import opentimelineio as otio

from selva_core.base.rational import from_pair
from selva_otio.metadata import STEM_SCHEMA, read_selva_metadata


def iter_stems(timeline: otio.schema.Timeline) -> Iterator[tuple[otio.schema.Clip, Mapping[str, Any]]]:
    """The stems on the audio tracks, each with its metadata."""
    for track in timeline.audio_tracks():
        for item in track:
            stem = read_selva_metadata(item, STEM_SCHEMA)
            if isinstance(item, otio.schema.Clip) and stem:
                yield item, stem


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

"""The sounds of a written file and their record times, read by other programs or by plain arithmetic, without our readers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import opentimelineio as otio
import soundfile

SAMPLE_RATE_HZ = 48_000


@dataclass(frozen=True, kw_only=True)
class SoundPlacement:
    """A sound file that plays from its `offset_s` on, at record time `start_s` for `duration_s`; all whole samples at 48 kHz."""

    file: Path
    start_s: Fraction
    offset_s: Fraction
    duration_s: Fraction

    @classmethod
    def on_samples(cls, file: Path, start_s: Fraction, end_s: Fraction, offset_s: Fraction) -> SoundPlacement:
        start, end, offset = (_to_samples(value) for value in (start_s, end_s, offset_s))
        return cls(
            file=file,
            start_s=Fraction(start, SAMPLE_RATE_HZ),
            offset_s=Fraction(offset, SAMPLE_RATE_HZ),
            duration_s=Fraction(end - start, SAMPLE_RATE_HZ),
        )


def _to_samples(seconds: Fraction) -> int:
    return int(seconds * SAMPLE_RATE_HZ + Fraction(1, 2))


def mix(placements: Sequence[SoundPlacement], num_samples: int) -> npt.NDArray[np.float64]:
    """The sum of the sounds at their record times."""
    total = np.zeros(num_samples)
    for placement in placements:
        start, offset, count = (
            _to_samples(value) for value in (placement.start_s, placement.offset_s, placement.duration_s)
        )
        samples, _ = soundfile.read(placement.file, start=offset, frames=count, dtype="float64")
        total[start : start + len(samples)] += samples
    return total


def read_otio_placements(path: Path, rate: Fraction) -> Iterator[SoundPlacement]:
    """OpenTimelineIO's own reader and range functions."""
    timeline = otio.adapters.read_from_file(str(path))
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            place = clip.transformed_time_range(clip.trimmed_range(), timeline.tracks)
            start = Fraction(round(place.start_time.value))
            yield SoundPlacement.on_samples(
                _path_of(clip.media_reference.target_url),
                start / rate,
                (start + round(place.duration.value)) / rate,
                round(clip.trimmed_range().start_time.value - clip.available_range().start_time.value) / rate,
            )


def read_fcpxml_placements(path: Path, rate: Fraction) -> Iterator[SoundPlacement]:
    """Plain arithmetic on the attributes: connected clips count in the local time of what they are connected to."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assets = {asset.get("id"): asset for asset in root.iter("asset")}
    sequence = next(root.iter("sequence"))
    origin_s = _time(sequence.get("tcStart"))
    for story in next(root.iter("spine")):
        for connected in story:
            if not connected.get("lane", "").startswith("-"):
                continue
            clip = connected[0] if connected.tag == "audition" else connected
            asset = assets[clip.get("ref")]
            lead_s = _time(connected.get("offset")) - _time(story.get("start"))
            start_s = _time(story.get("offset")) - origin_s + lead_s
            source = asset.find("media-rep")
            assert source is not None
            yield SoundPlacement.on_samples(
                _path_of(source.get("src", "")),
                start_s,
                start_s + _time(clip.get("duration")),
                _time(clip.get("start")) - _time(asset.get("start")),
            )


def read_aaf_placements(path: Path, rate: Fraction) -> Iterator[SoundPlacement]:
    """pyaaf2, the tracks that count in samples."""
    import aaf2  # noqa: PLC0415 - not everywhere

    with aaf2.open(str(path)) as file:
        (composition,) = file.content.toplevel()
        for slot in composition.slots:
            if slot.segment.media_kind != "Sound":
                continue
            unit = 1 / Fraction(str(slot.edit_rate))
            cursor = 0
            for part in slot.segment.components:
                if type(part).__name__ == "SourceClip":
                    yield SoundPlacement.on_samples(
                        _path_of(_locator(part)),
                        cursor * unit,
                        (cursor + part.length) * unit,
                        part.start * unit,
                    )
                cursor += part.length


def _locator(clip: Any) -> str:
    source = clip.mob.slots[0].segment.mob
    return str(next(iter(source.descriptor["Locator"].value))["URLString"].value)


READERS: dict[str, Callable[[Path, Fraction], Iterator[SoundPlacement]]] = {
    ".otio": read_otio_placements,
    ".fcpxml": read_fcpxml_placements,
    ".aaf": read_aaf_placements,
}


def _time(text: str | None) -> Fraction:
    return Fraction((text or "0s").rstrip("s"))


def _path_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))

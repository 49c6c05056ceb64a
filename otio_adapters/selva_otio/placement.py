"""Placement: stems onto the timeline, at the exact record range of their cues.

Pure: what goes in is not changed; what comes out is a clone with stem tracks after its own tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.clock import TimelineClock, count_samples, sample_index
from selva_otio.cues import Cue, CueSheet, SpottedClip, StemTrack
from selva_otio.media import build_media_url

NAMESPACE = "selva"
TRACK_SCHEMA = "selva.track/1"
STEM_SCHEMA = "selva.stem/1"
TAKE_SCHEMA = "selva.take/1"


@dataclass(frozen=True, kw_only=True)
class StemSpan:
    """Where a stem lies on the record clock, in samples and in seconds.

    The first sample is `start_sample` after the timeline's start. The stem covers the clip and is as long as
    the whole frames that hold it: `frames_s` is at least `duration_s`, the length that is heard.
    """

    start_s: Fraction
    duration_s: Fraction
    frames_s: Fraction
    start_sample: int
    num_samples: int


@dataclass(frozen=True, kw_only=True)
class Stem:
    """One take of a cue as a file. `facts` are what made it (model, key, ...), kept in the timeline."""

    cue: str
    take: int
    seed: int
    file: Path
    sample_rate_hz: int
    num_samples: int
    facts: tuple[tuple[str, str | int | float], ...] = ()


def measure_span(clip: SpottedClip, clock: TimelineClock, sample_rate_hz: int) -> StemSpan:
    """The span of all stems of a clip: sample indices once, from rational record time."""
    frames_s = clock.cover_frames(clip.duration_s)
    return StemSpan(
        start_s=clip.record_start_s,
        duration_s=clip.duration_s,
        frames_s=frames_s,
        start_sample=sample_index(clip.record_start_s, sample_rate_hz),
        num_samples=count_samples(clip.record_start_s, clip.record_start_s + frames_s, sample_rate_hz),
    )


def place_stems(
    timeline: otio.schema.Timeline, sheet: CueSheet, stems: Iterable[Stem], *, active_take: int = 1
) -> otio.schema.Timeline:
    """A clone of the timeline with the stems of each prompt on their own named audio track.

    Cues without stems leave their place empty. Where cues of one track overlap, the later goes to a second
    track of the same name. Takes of a cue are the media references of one clip, `active_take` the one that
    sounds (the first, where a cue has no such take).
    """
    placed = timeline.clone()
    by_cue: dict[str, list[Stem]] = {}
    for stem in stems:
        by_cue.setdefault(stem.cue, []).append(stem)
    for track in sheet.tracks:
        cues = [cue for cue in sheet.cues if cue.track == track.name and cue.id in by_cue]
        for lane, lane_cues in enumerate(_pack_lanes(cues)):
            built = _start_track(track, lane)
            items = [
                (cue.clip, _build_item(cue, by_cue[cue.id], sheet.clock, active_take)) for cue in lane_cues
            ]
            _fill_track(built, items, sheet.clock)
            placed.tracks.append(built)
    return placed


def _pack_lanes(cues: Sequence[Cue]) -> list[list[Cue]]:
    """Cues in record order on as few lanes as keep them from overlapping."""
    lanes: list[list[Cue]] = []
    for cue in sorted(cues, key=lambda cue: cue.clip.record_start_s):
        free = (lane for lane in lanes if lane[-1].clip.record_end_s <= cue.clip.record_start_s)
        lane = next(free, None)
        if lane is None:
            lanes.append([cue])
        else:
            lane.append(cue)
    return lanes


def _start_track(track: StemTrack, lane: int) -> otio.schema.Track:
    started = otio.schema.Track(name=track.name, kind=otio.schema.TrackKind.Audio)
    started.metadata[NAMESPACE] = {
        "schema": TRACK_SCHEMA,
        "track": track.name,
        "prompt": track.prompt,
        "negative_prompt": track.negative_prompt,
        "lane": lane,
    }
    return started


def _fill_track(
    track: otio.schema.Track, items: Sequence[tuple[SpottedClip, otio.schema.Clip]], clock: TimelineClock
) -> None:
    cursor_s = Fraction(0)
    for clip, item in items:
        if clip.record_start_s > cursor_s:
            gap_range = clock.time_range(Fraction(0), clip.record_start_s - cursor_s)
            track.append(otio.schema.Gap(source_range=gap_range))
        track.append(item)
        cursor_s = clip.record_end_s


def _build_item(cue: Cue, takes: Sequence[Stem], clock: TimelineClock, active_take: int) -> otio.schema.Clip:
    active = next((stem for stem in takes if stem.take == active_take), takes[0])
    span = measure_span(cue.clip, clock, active.sample_rate_hz)
    item = otio.schema.Clip(
        name=f"{cue.track} - {cue.clip.name}", source_range=clock.time_range(Fraction(0), span.duration_s)
    )
    item.set_media_references(
        {_reference_key(stem, takes): _build_reference(stem, span, clock) for stem in takes},
        _reference_key(active, takes),
    )
    item.metadata[NAMESPACE] = {
        "schema": STEM_SCHEMA,
        "cue": cue.id,
        "track": cue.track,
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "record_start_s": _pair(span.start_s),
        "duration_s": _pair(span.duration_s),
        "start_sample": span.start_sample,
        "source": {
            "name": cue.clip.name,
            "url": build_media_url(cue.clip.media_path),
            "start_s": _pair(cue.clip.media_start_s),
            "speed": _pair(cue.clip.speed),
            "timecode": cue.clip.source_timecode,
        },
        "active_take": active.take,
        "takes": [_describe_take(stem) for stem in takes],
    }
    return item


def _reference_key(stem: Stem, takes: Sequence[Stem]) -> str:
    """A single take has the key that readers of older schemas expect."""
    return f"take_{stem.take}" if len(takes) > 1 else otio.schema.Clip.DEFAULT_MEDIA_KEY


def _build_reference(stem: Stem, span: StemSpan, clock: TimelineClock) -> otio.schema.ExternalReference:
    reference = otio.schema.ExternalReference(
        target_url=build_media_url(stem.file), available_range=clock.time_range(Fraction(0), span.frames_s)
    )
    reference.name = stem.file.stem
    reference.metadata[NAMESPACE] = {"schema": TAKE_SCHEMA, **_describe_take(stem)}
    return reference


def _describe_take(stem: Stem) -> dict[str, Any]:
    return {
        "take": stem.take,
        "seed": stem.seed,
        "url": build_media_url(stem.file),
        "sample_rate_hz": stem.sample_rate_hz,
        "num_samples": stem.num_samples,
        **dict(stem.facts),
    }


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]

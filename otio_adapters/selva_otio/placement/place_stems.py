"""Placement: stems onto the timeline, at the exact record range of their cues.

Pure: what goes in is not changed; what comes out is a clone. New stem tracks come after the tracks that were
there. Where the timeline has stem tracks of an earlier render, their stems are replaced, and what an editor
has changed on them stays.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio.cues.cue_sheet import Cue, CueSheet, SpottedClip
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TAKE_SCHEMA, TRACK_SCHEMA
from selva_otio.picture.media import build_media_url
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack, read_subtracks, split_items
from selva_otio.time.clock import TimelineClock, sample_index


@dataclass(frozen=True, kw_only=True)
class StemSpan:
    """Where a stem lies on the record clock, in samples and in seconds.

    What is heard begins `start_sample` after the timeline's start, at `start_s`, and lasts `duration_s`. The
    file begins `offset_samples` (handles) earlier and has `num_samples`: whole frames that hold all of it,
    `frames_s` long.
    """

    start_s: Fraction
    duration_s: Fraction
    offset_s: Fraction
    file_duration_s: Fraction
    start_sample: int
    offset_samples: int
    num_samples: int


@dataclass(frozen=True, kw_only=True)
class Stem:
    """One take of a cue as a file. `provenance`: what made it (model, key, ...), kept in the timeline."""

    cue: str
    take: int
    seed: int
    file: Path
    sample_rate_hz: int
    num_samples: int
    provenance: tuple[tuple[str, str | int | float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlacementResult:
    """A timeline with its stems. `edited_cues`: cues whose stem an editor has changed, so that the new one has no
    place."""

    timeline: otio.schema.Timeline
    edited_cues: tuple[Cue, ...] = ()


def measure_span(clip: SpottedClip, clock: TimelineClock, sample_rate_hz: int) -> StemSpan:
    """The span of all stems of a clip: sample indices once, from rational record time; lengths are
    differences."""
    file_duration_s = clock.cover_frames(clip.sound_duration_s)
    start_sample = sample_index(clip.record_start_s, sample_rate_hz)
    first_sample = sample_index(clip.sound_start_s, sample_rate_hz)
    return StemSpan(
        start_s=clip.record_start_s,
        duration_s=clip.duration_s,
        offset_s=clip.handle_before_s,
        file_duration_s=file_duration_s,
        start_sample=start_sample,
        offset_samples=start_sample - first_sample,
        num_samples=sample_index(clip.sound_start_s + file_duration_s, sample_rate_hz) - first_sample,
    )


def place_stems(
    timeline: otio.schema.Timeline, sheet: CueSheet, stems: Iterable[Stem], *, active_take: int = 1
) -> PlacementResult:
    """A clone of the timeline with the stems of each prompt on their own named audio track.

    Cues without stems leave their place as it is. Where cues of one track overlap, the later goes to a second
    track of the same name, never over something. Takes of a cue are the media references of one clip,
    `active_take` the one that sounds (the first, where a cue has no such take).
    """
    placed = timeline.clone()
    by_cue: dict[str, list[Stem]] = {}
    for stem in stems:
        by_cue.setdefault(stem.cue, []).append(stem)
    edited_cues: list[Cue] = []
    for name in sheet.tracks:
        cues = [cue for cue in sheet.cues if cue.track.casefold() == name.casefold()]
        lanes = read_subtracks(placed, name)
        if not lanes and not any(cue.id in by_cue for cue in cues):
            continue
        made = [cue for cue in cues if cue.id in by_cue]
        unmade = {cue.id for cue in cues} - set(by_cue)
        layer = _StemLayer(placed, name, lanes, sheet.clock, unmade=unmade)
        for cue in made:
            if cue.id in layer.taken:
                edited_cues.append(cue)
            else:
                layer.put(cue, _build_item(cue, by_cue[cue.id], sheet.clock, active_take))
        layer.write(prompts=list(dict.fromkeys(cue.prompt for cue in cues)))
    return PlacementResult(timeline=placed, edited_cues=tuple(edited_cues))


class _StemLayer:
    """All tracks of one stem track's name while they are laid out anew."""

    def __init__(
        self,
        timeline: otio.schema.Timeline,
        name: str,
        lanes: list[StemSubtrack],
        clock: TimelineClock,
        *,
        unmade: Container[str],
    ) -> None:
        self._timeline = timeline
        self._name = name
        self._lanes = lanes
        self._clock = clock
        self._old_lane: dict[str, StemSubtrack] = {}
        self.taken: set[str] = set()
        """Cues whose stem on the timeline stays as it is."""
        for lane in lanes:
            stays, goes = split_items(lane, clock, unmade=unmade)
            lane.items = stays
            self.taken |= {placed.cue for placed in stays if placed.cue}
            self._old_lane |= {placed.cue: lane for placed in goes}
        self.taken -= (
            self._old_lane.keys()
        )  # a copy an editor made takes nothing from the stem it was made of

    def put(self, cue: Cue, item: otio.schema.Clip) -> None:
        """On the lane it was on before, else on the first that is free there, else on a new one."""
        start_s, end_s = cue.clip.record_start_s, cue.clip.record_end_s
        old = self._old_lane.get(cue.id)
        lanes = [old, *self._lanes] if old is not None else self._lanes
        lane = next((lane for lane in lanes if lane.is_free(start_s, end_s)), None) or self._add_lane()
        lane.put(PlacedItem(item=item, start_s=start_s, end_s=end_s))

    def write(self, *, prompts: list[str]) -> None:
        for number, lane in enumerate(self._lanes):
            lane.write(self._clock)
            lane.track.metadata[SELVA_NAMESPACE] = {
                "schema": TRACK_SCHEMA,
                "track": self._name,
                "prompts": prompts,
                "lane": number,
            }

    def _add_lane(self) -> StemSubtrack:
        tracks = self._timeline.tracks
        track = otio.schema.Track(name=self._name, kind=otio.schema.TrackKind.Audio)
        if self._lanes:
            last = self._lanes[-1].track
            index = next(number for number, child in enumerate(tracks) if child is last)
            tracks.insert(index + 1, track)
        else:
            tracks.append(track)
        lane = StemSubtrack(track=track)
        self._lanes.append(lane)
        return lane


def _build_item(cue: Cue, stems: Sequence[Stem], clock: TimelineClock, active_take: int) -> otio.schema.Clip:
    takes = sorted(stems, key=lambda stem: stem.take)
    active = next((stem for stem in takes if stem.take == active_take), takes[0])
    span = measure_span(cue.clip, clock, active.sample_rate_hz)
    item = otio.schema.Clip(
        name=f"{cue.track} - {cue.clip.name}", source_range=clock.time_range(span.offset_s, span.duration_s)
    )
    item.set_media_references(
        {_reference_key(stem, takes): _build_reference(stem, span, clock) for stem in takes},
        _reference_key(active, takes),
    )
    item.metadata[SELVA_NAMESPACE] = {
        "schema": STEM_SCHEMA,
        "cue": cue.id,
        "track": cue.track,
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "gain_db": cue.gain_db,
        "fade_in_s": _pair(cue.clip.fade_in_s),
        "fade_out_s": _pair(cue.clip.fade_out_s),
        "record_start_s": _pair(span.start_s),
        "duration_s": _pair(span.duration_s),
        "offset_s": _pair(span.offset_s),
        "start_sample": span.start_sample,
        "offset_samples": span.offset_samples,
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
        target_url=build_media_url(stem.file),
        available_range=clock.time_range(Fraction(0), span.file_duration_s),
    )
    reference.name = stem.file.stem
    reference.metadata[SELVA_NAMESPACE] = {"schema": TAKE_SCHEMA, **_describe_take(stem)}
    return reference


def _describe_take(stem: Stem) -> dict[str, Any]:
    return {
        "take": stem.take,
        "seed": stem.seed,
        "url": build_media_url(stem.file),
        "sample_rate_hz": stem.sample_rate_hz,
        "num_samples": stem.num_samples,
        **dict(stem.provenance),
    }


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]

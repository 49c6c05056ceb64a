"""Placement: stems onto the timeline, at the exact record range of their cues.

Pure: the timeline that goes in is not changed, a clone comes out. New stem tracks follow the tracks that were there. Where
the timeline has stem tracks of an earlier render, their stems are replaced; what an editor has changed on them stays.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.rational import product_float, to_pair
from selva_otio.cues.cue_sheet import Cue, CueSheet, SpottedClip
from selva_otio.metadata import (
    SELVA_NAMESPACE,
    STEM_SCHEMA,
    TAKE_SCHEMA,
    TRACK_SCHEMA,
    read_selva_metadata,
)
from selva_otio.picture.media import build_media_url
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack, note_stem_track, read_subtracks
from selva_otio.time.clock import TimelineClock, sample_index


@dataclass(frozen=True, kw_only=True)
class StemSpan:
    """Where a stem lies on the record clock, in seconds and in samples after the timeline's start.

    The audible part starts at `start_s` (`start_sample`) and lasts `duration_s`. The file starts `offset_s`
    (`offset_samples`, the handle) earlier and lasts `file_duration_s` (`num_samples`): the fewest whole frames that hold
    the stem with its handles, because hosts place whole frames.
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
    """One take of a cue as a file.

    cue: id of the cue. take: number from 1. pan: seconds of the file and pan (-1 left, 1 right) of the points of a curve that
    the host is to follow; empty for none. provenance: how it was made (model, key ...); kept in the timeline's metadata.
    """

    cue: str
    take: int
    seed: int
    file: Path
    sample_rate_hz: int
    num_samples: int
    num_channels: int = 1
    pan: tuple[tuple[float, float], ...] = ()
    provenance: tuple[tuple[str, str | int | float | bool], ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlacementResult:
    """A timeline with its stems. edited_cues: those whose stem an editor has changed, so that the new stem was not placed."""

    timeline: otio.schema.Timeline
    edited_cues: tuple[Cue, ...] = ()


def measure_span(clip: SpottedClip, clock: TimelineClock, sample_rate_hz: int) -> StemSpan:
    """The span of every stem of a clip.

    Sample indices are rounded once, from rational record time, and lengths are their differences; so stems of neighbouring
    clips meet without gap or overlap at every frame rate.
    """
    file_duration_s = clock.cover_frames(clip.sound_duration_s)
    sound_start_s = clip.sound_start_s
    start_sample = sample_index(clip.record_start_s, sample_rate_hz)
    first_sample = sample_index(sound_start_s, sample_rate_hz)
    return StemSpan(
        start_s=clip.record_start_s,
        duration_s=clip.duration_s,
        offset_s=clip.handle_before_s,
        file_duration_s=file_duration_s,
        start_sample=start_sample,
        offset_samples=start_sample - first_sample,
        num_samples=sample_index(sound_start_s + file_duration_s, sample_rate_hz) - first_sample,
    )


def place_stems(
    timeline: otio.schema.Timeline,
    sheet: CueSheet,
    stems: Iterable[Stem],
    *,
    active_take: int = 1,
    active_takes: Mapping[str, int] | None = None,
    replaces: bool = True,
) -> PlacementResult:
    """A clone of the timeline with the stems of each stem track on an audio track of its name.

    The place of a cue without stems stays as it is. Where cues of one stem track overlap, the later one goes to a second
    track of the same name, never over something. Takes of a cue are the media references of one clip; `active_take` is the
    active one, or the first where a cue has no such take. active_takes: by cue, where they are not the same for all.
    replaces: whether stems of an earlier render give way; without it the new ones are added to them.
    """
    active_takes = active_takes or {}
    result = timeline.clone()
    by_cue: dict[str, list[Stem]] = {}
    for stem in stems:
        by_cue.setdefault(stem.cue, []).append(stem)
    by_track: dict[str, list[Cue]] = {}
    for cue in sheet.cues:
        by_track.setdefault(cue.track.casefold(), []).append(cue)
    items = _PlacedItemBuilder(clock=sheet.clock)
    edited_cues: list[Cue] = []
    for name in sheet.tracks:
        cues = by_track.get(name.casefold(), [])
        made = [cue for cue in cues if cue.id in by_cue]
        subtracks = read_subtracks(result, name)
        if not subtracks and not made:
            continue
        failed = {cue.id for cue in cues} - by_cue.keys()
        layout = _StemTrackLayout(result, name, subtracks, sheet.clock)
        if replaces:
            layout.take_replaceable(failed=failed)
        for cue in made:
            if cue.id in layout.edited:
                edited_cues.append(cue)
            else:
                active = active_takes.get(cue.id, active_take)
                layout.put(items.build(cue, by_cue[cue.id], active), cue.id)
        earlier_prompts = () if replaces else _read_prompts(subtracks)
        layout.write(prompts=list(dict.fromkeys([*earlier_prompts, *(cue.prompt for cue in cues)])))
    return PlacementResult(timeline=result, edited_cues=tuple(edited_cues))


class _StemTrackLayout:
    """The tracks of one stem track while they are laid out anew. edited: ids of cues whose old stem stays."""

    def __init__(
        self,
        timeline: otio.schema.Timeline,
        name: str,
        subtracks: list[StemSubtrack],
        clock: TimelineClock,
    ) -> None:
        self._timeline = timeline
        self._name = name
        self._subtracks = subtracks
        self._clock = clock
        self._earlier: dict[str, StemSubtrack] = {}
        self.edited: set[str] = set()

    def take_replaceable(self, *, failed: Container[str]) -> None:
        """Remove the stems that no editor has changed. failed: cues whose stem could not be made; their old ones stay."""
        for subtrack in self._subtracks:
            replaced = subtrack.take_replaceable(self._clock, failed=failed)
            self._earlier |= {placed.cue_id: subtrack for placed in replaced}
            self.edited |= {placed.cue_id for placed in subtrack.items if placed.cue_id}
        # A copy that an editor made has the id of the stem it was made of, which itself may be replaced.
        self.edited -= self._earlier.keys()

    def put(self, placed: PlacedItem, cue_id: str) -> None:
        """Add a stem: to the subtrack it was on before, else to the first that is free there, else to a new one."""
        earlier = self._earlier.get(cue_id)
        candidates = [earlier, *self._subtracks] if earlier is not None else self._subtracks
        free = (subtrack for subtrack in candidates if subtrack.is_free(placed.start_s, placed.end_s))
        (next(free, None) or self._add_subtrack()).put(placed)

    def write(self, *, prompts: list[str]) -> None:
        for number, subtrack in enumerate(self._subtracks):
            subtrack.write(self._clock)
            note_stem_track(subtrack.track, name=self._name, prompts=prompts, number=number)

    def _add_subtrack(self) -> StemSubtrack:
        tracks = self._timeline.tracks
        track = otio.schema.Track(name=self._name, kind=otio.schema.TrackKind.Audio)
        if self._subtracks:
            last = self._subtracks[-1].track
            index = next(number for number, child in enumerate(tracks) if child is last)
            tracks.insert(index + 1, track)
        else:
            tracks.append(track)
        subtrack = StemSubtrack(track=track)
        self._subtracks.append(subtrack)
        return subtrack


def _read_prompts(subtracks: Iterable[StemSubtrack]) -> list[str]:
    return [
        str(prompt)
        for subtrack in subtracks
        for prompt in read_selva_metadata(subtrack.track, TRACK_SCHEMA).get("prompts", ())
    ]


@dataclass(frozen=True, kw_only=True)
class _ClipNote:
    """What the stems of all prompts of a clip have in common. note: what is noted on them; source_range: in JSON."""

    span: StemSpan
    note: Mapping[str, Any]
    source_range: Mapping[str, Any]


@dataclass(kw_only=True)
class _PlacedItemBuilder:
    """Builds the clips of stems as OpenTimelineIO's JSON, which it reads natively.

    Its binding converts maps value by value in Python, and making each clip and reference by it and adding the metadata took
    twice the time of all the rest: 10 s for the 30,000 stems of 10,000 clips. Which fields there are is read from a clip that
    it makes itself.
    """

    clock: TimelineClock
    _clips: dict[tuple[int, int], _ClipNote] = field(default_factory=dict)
    _blank: Mapping[str, Any] = field(init=False)
    _blank_reference: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        key, no_time = otio.schema.Clip.DEFAULT_MEDIA_KEY, self.clock.time_range(Fraction(0), Fraction(0))
        blank = otio.schema.Clip(
            media_reference=otio.schema.ExternalReference(available_range=no_time), source_range=no_time
        )
        self._blank = json.loads(otio.core.serialize_json_to_string(blank))
        self._blank_reference = self._blank["media_references"][key]

    def build(self, cue: Cue, stems: Sequence[Stem], active_take: int) -> PlacedItem:
        """The clip of a cue's takes, at the record range of the cue."""
        takes = sorted(stems, key=lambda stem: stem.take) if len(stems) > 1 else stems
        active = next((stem for stem in takes if stem.take == active_take), takes[0])
        clip = self._note_clip(cue.clip, active.sample_rate_hz)
        available_range = self._range_in_json(Fraction(0), clip.span.file_duration_s)
        notes = [describe_take(stem) for stem in takes]
        values = {
            **self._blank,
            "name": f"{cue.track} - {cue.clip.name}",
            "source_range": clip.source_range,
            "metadata": {
                SELVA_NAMESPACE: {
                    **_describe_prompt(cue),
                    **clip.note,
                    "active_take": active.take,
                    "takes": notes,
                }
            },
            "media_references": {
                _reference_key(stem, takes): {
                    **self._blank_reference,
                    "name": stem.file.stem,
                    "target_url": note["url"],
                    "available_range": available_range,
                    "metadata": {SELVA_NAMESPACE: {"schema": TAKE_SCHEMA, **note}},
                }
                for stem, note in zip(takes, notes, strict=True)
            },
            "active_media_reference_key": _reference_key(active, takes),
        }
        item = otio.core.deserialize_json_from_string(json.dumps(values))
        assert isinstance(item, otio.schema.Clip)  # noqa: S101 - what `_blank` was
        return PlacedItem(
            item=item, start_s=clip.span.start_s, end_s=clip.span.start_s + clip.span.duration_s
        )

    def _note_clip(self, clip: SpottedClip, sample_rate_hz: int) -> _ClipNote:
        # By identity, which the cue sheet keeps: a clip is measured once for the stems of all its prompts.
        key = id(clip), sample_rate_hz
        if key not in self._clips:
            span = measure_span(clip, self.clock, sample_rate_hz)
            self._clips[key] = _ClipNote(
                span=span,
                note=_describe_span(clip, span),
                source_range=self._range_in_json(span.offset_s, span.duration_s),
            )
        return self._clips[key]

    def _range_in_json(self, start_s: Fraction, duration_s: Fraction) -> dict[str, Any]:
        blank = self._blank["source_range"]
        rate_hz = self.clock.frame_rate_hz
        return {
            **blank,
            "start_time": {**blank["start_time"], "value": product_float(start_s, rate_hz)},
            "duration": {**blank["duration"], "value": product_float(duration_s, rate_hz)},
        }


def describe_cue(cue: Cue, span: StemSpan) -> dict[str, Any]:
    """What is noted on a stem of its cue and of where it lies."""
    return {**_describe_prompt(cue), **_describe_span(cue.clip, span)}


def _describe_prompt(cue: Cue) -> dict[str, Any]:
    return {
        "schema": STEM_SCHEMA,
        "cue": cue.id,
        "track": cue.track,
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "gain_db": cue.gain_db,
    }


def _describe_span(clip: SpottedClip, span: StemSpan) -> dict[str, Any]:
    return {
        "fade_in_s": to_pair(clip.fade_in_s),
        "fade_out_s": to_pair(clip.fade_out_s),
        "record_start_s": to_pair(span.start_s),
        "duration_s": to_pair(span.duration_s),
        "offset_s": to_pair(span.offset_s),
        "start_sample": span.start_sample,
        "offset_samples": span.offset_samples,
        "source": {
            "name": clip.name,
            "url": build_media_url(clip.media_path),
            "start_s": to_pair(clip.media_start_s),
            "speed": to_pair(clip.speed),
            "timecode": clip.source_timecode,
        },
    }


def _reference_key(stem: Stem, takes: Sequence[Stem]) -> str:
    """A single take has the default key: hosts that know OpenTimelineIO's Clip.1 read only that one."""
    return f"take_{stem.take}" if len(takes) > 1 else otio.schema.Clip.DEFAULT_MEDIA_KEY


def describe_take(stem: Stem) -> dict[str, Any]:
    """What a timeline's metadata says of a take."""
    return {
        "take": stem.take,
        "seed": stem.seed,
        "url": build_media_url(stem.file),
        "sample_rate_hz": stem.sample_rate_hz,
        "num_samples": stem.num_samples,
        **({"num_channels": stem.num_channels} if stem.num_channels > 1 else {}),
        **({"pan": [list(point) for point in stem.pan]} if stem.pan else {}),
        **dict(stem.provenance),
    }

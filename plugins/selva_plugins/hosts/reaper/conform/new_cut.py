"""The cut as the project shows it now: one shot per run of an item's picture, on the item's own source clock.

Items count one by one, also where another item covers them: a stem goes with its item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.conform.cut_reading import ReadCut, ReadShot
from selva_otio.conform.cut_shots import CutShot
from selva_otio.cues.cue_sheet import SpottedClip
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.picture.media_search import MediaLookup
from selva_otio.picture.shots import Shot, ShotIndex, SkippedItem
from selva_otio.picture.visible_shots import iter_picture_tracks, resolve_picture
from selva_otio.time.clock import TimelineClock
from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.conform.same_picture import PictureComparison, name_medium
from selva_plugins.hosts.reaper.item_spans import SAME_S, ItemSpan, ItemSpanReader
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot
from selva_plugins.hosts.reaper.timeline import (
    ReaperTimeline,
    build_clock,
    build_timeline,
    choose_sample_rate_hz,
)

_MAX_RATE_DENOMINATOR = 100_000


@dataclass(frozen=True, kw_only=True)
class NewCut:
    """The shots of the project now. spans: of each shot, by its number. hidden: numbers of shots that nothing is seen of.
    notices: items without a picture that can be read. pictures: compares their media with those of an earlier cut.
    """

    built: ReaperTimeline
    cut: ReadCut
    spans: tuple[ItemSpan, ...]
    hidden: frozenset[int]
    notices: tuple[str, ...]
    pictures: PictureComparison = field(default_factory=PictureComparison)

    @property
    def item_guids(self) -> set[str]:
        return {span.item.guid for span in self.spans}

    def spotter(self, handles_s: Fraction) -> ShotSpotter:
        return replace(self.cut.spotter, handles_s=handles_s)


def read_rate(play_rate: float) -> Fraction:
    return Fraction(play_rate).limit_denominator(_MAX_RATE_DENOMINATOR)


def _choose_grid(built: ReaperTimeline, spans: Sequence[ItemSpan]) -> TimelineClock:
    """The grid on which cuts are compared: frames where every item begins and ends on one, else samples."""
    frame_rate_hz = built.clock.frame_rate_hz
    edges = (edge_s for span in spans for edge_s in (span.record_start_s, span.record_end_s))
    if all((edge_s * frame_rate_hz).denominator == 1 for edge_s in edges):
        return built.timeline_clock
    rate_hz = Fraction(built.sample_rate_hz)
    return TimelineClock(frame_rate_hz=rate_hz, otio_rate_hz=float(rate_hz), start_frame=0, drop_frame=False)


def read_new_cut(snapshot: ReaperSnapshot) -> NewCut:
    """Raises NothingToRenderError where no item has a picture."""
    reader = ItemSpanReader(build_clock(snapshot), choose_sample_rate_hz(snapshot))
    built = build_timeline(snapshot, reader.read(snapshot.items))
    if not built.picture_tracks:
        reasons = reader.refused[:5] or ["it has no video items"]
        raise NothingToRenderError("; ".join(["the project has no picture to conform to", *reasons]))
    spotter = ShotSpotter(clock=built.timeline_clock, media=MediaLookup(base_folder=Path()))
    pairs: list[tuple[ItemSpan, Shot, SpottedClip]] = []
    skipped: list[SkippedItem] = []
    for span, shot in _iter_shots(built):
        clip = spotter.spot(shot)
        if isinstance(clip, SkippedItem):
            skipped.append(clip)
        else:
            pairs.append((span, shot, clip))
    pairs.sort(key=lambda pair: pair[0].record_start_s)
    shots = [
        ReadShot(shot=shot, clip=clip, cut=_to_cut_shot(number, span, clip, built))
        for number, (span, shot, clip) in enumerate(pairs)
    ]
    cut = ReadCut(
        timeline=built.timeline,
        clock=_choose_grid(built, [span for span, _, _ in pairs]),
        spotter=spotter,
        shots=shots,
        skipped=skipped,
    )
    return NewCut(
        built=built,
        cut=cut,
        spans=tuple(span for span, _, _ in pairs),
        hidden=frozenset(_iter_hidden(built, shots, [span for span, _, _ in pairs])),
        notices=(*reader.refused, *(f"{each.name}: {each.reason}" for each in skipped)),
    )


def _iter_shots(built: ReaperTimeline) -> list[tuple[ItemSpan, Shot]]:
    """The shots with the exact times of their spans, which the floats of OpenTimelineIO do not hold."""
    found = []
    for track in iter_picture_tracks(built.timeline):
        clips = [child for child in track if isinstance(child, otio.schema.Clip)]
        for span, clip in zip(built.picture_tracks[track.name].spans, clips, strict=True):
            shot = Shot(
                clip=clip,
                track=track,
                record_start_s=span.record_start_s,
                record_end_s=span.record_end_s,
                cut_start_s=span.record_start_s,
                cut_end_s=span.record_end_s,
                media_start_s=span.media_start_s,
                speed=span.speed,
            )
            found.append((span, shot))
    return found


def _to_cut_shot(number: int, span: ItemSpan, clip: SpottedClip, built: ReaperTimeline) -> CutShot:
    """The source is the medium, whatever sections and reversals it is made of, and a loop goes on past its end."""
    rate = read_rate(span.take.play_rate)
    into_item_s = span.record_start_s - built.snap(span.item.position_s)
    media_start_s = built.snap(span.take.start_offset_s) - built.lead_s + rate * into_item_s
    return CutShot(
        number=number,
        name=clip.name,
        media=name_medium(span.take.picture_key or str(span.path)),
        media_start_s=media_start_s,
        speed=rate,
        record_start_s=span.record_start_s,
        record_end_s=span.record_end_s,
        video_track=clip.video_track,
        source_label=clip.source_timecode,
    )


def _iter_hidden(
    built: ReaperTimeline, shots: Sequence[ReadShot], spans: Sequence[ItemSpan]
) -> Iterator[int]:
    """Shots that a muted item or track has, or that other items cover."""
    visible = ShotIndex(resolve_picture(iter_picture_tracks(built.timeline)).shots)
    for each, span in zip(shots, spans, strict=True):
        start_s, end_s = each.cut.record_start_s + SAME_S, each.cut.record_end_s - SAME_S
        over_it = visible.iter_overlapping(start_s, end_s)
        is_seen = any(shot.track_name == each.cut.video_track for shot in over_it)
        if span.item.is_muted or span.item.track.is_muted or not is_seen:
            yield each.cut.number

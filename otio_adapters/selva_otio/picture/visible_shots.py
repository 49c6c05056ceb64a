"""From the tree of a timeline to the shots that a viewer sees.

Nests, their trims, time warps, transitions, disabled items and covered tracks are resolved here once, in exact seconds.
OpenTimelineIO's `transformed_time_range` follows neither time warps nor transitions, and `range_in_parent` adds floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.picture.media import explain_no_picture
from selva_otio.picture.shots import NestSpan, Picture, Shot, SkippedItem, overlay_picture
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import (
    content_duration_s,
    describe_item,
    item_duration_s,
    trimmed_start_s,
    warp_speed,
)

MAX_NESTING = 32


@dataclass(frozen=True, kw_only=True)
class _View:
    """A window from the record clock into an item's own clock:
    local = local_start + speed * (record - record_start).
    """

    record_start_s: Fraction
    record_end_s: Fraction
    local_start_s: Fraction
    speed: Fraction
    track: otio.schema.Track
    nests: tuple[NestSpan, ...] = ()

    @property
    def depth(self) -> int:
        """How many nests are around it."""
        return len(self.nests)

    def inside(self, nest: otio.core.Composition) -> _View:
        """The same window, as what is in `nest` is seen through it."""
        span = NestSpan(
            item=nest,
            record_start_s=self.record_start_s,
            local_start_s=self.local_start_s,
            speed=self.speed,
        )
        return replace(self, nests=(*self.nests, span))

    @cached_property
    def _offset_s(self) -> Fraction:
        """Record time less local time, at normal speed."""
        return self.record_start_s - self.local_start_s

    def record_range(
        self, local_start_s: Fraction, local_end_s: Fraction
    ) -> tuple[Fraction, Fraction] | None:
        """The record range over which this range of the item's own clock is visible; None where it is not."""
        if self.speed == 0:
            if local_start_s <= self.local_start_s < local_end_s:
                return self.record_start_s, self.record_end_s
            return None
        first_s, last_s = self._record_s(local_start_s), self._record_s(local_end_s)
        if last_s < first_s:  # in reverse
            first_s, last_s = last_s, first_s
        start_s, end_s = max(first_s, self.record_start_s), min(last_s, self.record_end_s)
        return (start_s, end_s) if start_s < end_s else None

    def record_duration_s(self, local_duration_s: Fraction) -> Fraction:
        """How long a range of the item's own clock lasts on the record clock; 0 in a freeze frame."""
        return local_duration_s / abs(self.speed) if self.speed and local_duration_s else Fraction(0)

    def local_s(self, record_s: Fraction) -> Fraction:
        """The item's own time at a record time."""
        if self.speed == 1:
            return record_s - self._offset_s if self._offset_s else record_s
        return self.local_start_s + self.speed * (record_s - self.record_start_s)

    def _record_s(self, local_s: Fraction) -> Fraction:
        # A cut of 10,000 clips asks for this 40,000 times, nearly always at normal speed and without an offset.
        if self.speed == 1:
            return local_s + self._offset_s if self._offset_s else local_s
        return self.record_start_s + (local_s - self.local_start_s) / self.speed


@dataclass(frozen=True, kw_only=True)
class _TransitionReach:
    """How far the transition next to an item reaches to either side of the cut; 0 where there is none."""

    before_s: Fraction = Fraction(0)
    after_s: Fraction = Fraction(0)

    @classmethod
    def of(cls, neighbour: otio.core.Composable | None) -> _TransitionReach:
        if not isinstance(neighbour, otio.schema.Transition):
            return _NO_TRANSITION
        return cls(before_s=exact_seconds(neighbour.in_offset), after_s=exact_seconds(neighbour.out_offset))

    @cached_property
    def duration_s(self) -> Fraction:
        return self.before_s + self.after_s


_NO_TRANSITION = _TransitionReach()


@dataclass(frozen=True, kw_only=True)
class _ParentRange:
    """The range of an item on its parent's clock, and the transitions into and out of it."""

    start_s: Fraction
    end_s: Fraction
    into: _TransitionReach = _NO_TRANSITION
    out_of: _TransitionReach = _NO_TRANSITION

    @property
    def visible_start_s(self) -> Fraction:
        return self.start_s - self.into.before_s if self.into.before_s else self.start_s

    @property
    def visible_end_s(self) -> Fraction:
        return self.end_s + self.out_of.after_s if self.out_of.after_s else self.end_s


def iter_picture_tracks(timeline: otio.schema.Timeline) -> Iterator[otio.schema.Track]:
    """The video tracks of a timeline, bottom first."""
    for child in timeline.tracks:
        if isinstance(child, otio.schema.Track) and child.kind == otio.schema.TrackKind.Video:
            yield child


def resolve_picture(tracks: Iterable[otio.schema.Track]) -> Picture:
    """The visible shots of video tracks that lie over one another, bottom first: the topmost picture wins.

    The tracks start at record time zero. Raises TimelineReadError for items whose duration is unknown.
    """
    picture = Picture()
    for track in tracks:
        view = _View(
            record_start_s=Fraction(0),
            record_end_s=item_duration_s(track),
            local_start_s=trimmed_start_s(track),
            speed=Fraction(1),
            track=track,
        )
        layer = Picture()
        if track.enabled:
            _collect_track(track, view, layer)
        else:
            layer.skipped.append(_skip(track, view, Fraction(0), "the track is disabled"))
        overlay_picture(picture, layer)
    picture.shots.sort(key=lambda shot: shot.record_start_s)
    picture.skipped.sort(key=lambda item: item.record_start_s)
    return picture


def _skip(
    item: otio.core.Item, view: _View, record_start_s: Fraction, reason: str, *, is_fault: bool = False
) -> SkippedItem:
    return SkippedItem(
        name=item.name,
        track_name=view.track.name,
        reason=reason,
        record_start_s=record_start_s,
        is_fault=is_fault,
    )


def _collect_track(track: otio.schema.Track, view: _View, picture: Picture) -> None:
    """Add the shots of a track, whose items follow one another from zero on its own clock."""
    children = list(track)
    local_s = Fraction(0)
    for index, child in enumerate(children):
        if not isinstance(child, otio.core.Item):
            continue
        end_s = local_s + item_duration_s(child)
        parent_range = _ParentRange(
            start_s=local_s,
            end_s=end_s,
            into=_TransitionReach.of(children[index - 1] if index else None),
            out_of=_TransitionReach.of(children[index + 1] if index + 1 < len(children) else None),
        )
        _collect_item(child, parent_range, view, picture)
        local_s = end_s


def _collect_stack(stack: otio.schema.Stack, view: _View, picture: Picture) -> None:
    """Add the shots of a nest, whose children lie over one another, bottom first, and all start at zero on its own clock."""
    nested = Picture()
    for child in stack:
        if isinstance(child, otio.schema.Track) and child.kind != otio.schema.TrackKind.Video:
            continue
        layer = Picture()
        _collect_item(child, _ParentRange(start_s=Fraction(0), end_s=item_duration_s(child)), view, layer)
        overlay_picture(nested, layer)
    picture.shots.extend(nested.shots)
    picture.skipped.extend(nested.skipped)


def _collect_item(item: otio.core.Item, parent_range: _ParentRange, parent: _View, picture: Picture) -> None:
    """Add the shots of one item of a track or stack, as far as its parent's view shows it."""
    visible = parent.record_range(parent_range.visible_start_s, parent_range.visible_end_s)
    if isinstance(item, otio.schema.Gap) or visible is None:
        return
    if not item.enabled:
        picture.skipped.append(_skip(item, parent, visible[0], "disabled"))
        return
    if parent.depth >= MAX_NESTING:
        raise TimelineReadError(f"{describe_item(item)} is nested more than {MAX_NESTING} levels deep")
    try:
        warp = warp_speed(item)
    except ClockError as error:
        picture.skipped.append(_skip(item, parent, visible[0], error.message, is_fault=True))
        return
    start_s = trimmed_start_s(item)
    if warp < 0:  # in reverse an item plays its used range from the end
        start_s += -warp * (parent_range.end_s - parent_range.start_s)
    hidden_s = parent.local_s(visible[0]) - parent_range.start_s
    view = _View(
        record_start_s=visible[0],
        record_end_s=visible[1],
        local_start_s=start_s + warp * hidden_s if hidden_s else start_s,
        speed=parent.speed * warp if warp != 1 else parent.speed,
        track=parent.track,
        nests=parent.nests,
    )
    problem = _explain_empty_nest(item)
    if problem:
        picture.skipped.append(_skip(item, parent, visible[0], problem, is_fault=True))
    elif isinstance(item, otio.schema.Track):
        _collect_track(item, view.inside(item), picture)
    elif isinstance(item, otio.schema.Stack):
        _collect_stack(item, view.inside(item), picture)
    elif isinstance(item, otio.schema.Clip):
        _collect_clip(item, parent_range, parent, view, picture)


def _explain_empty_nest(item: otio.core.Item) -> str:
    """Why a nest shows nothing although something is in it; empty for all others.

    A host may count the used range of a nest from a timecode that the file does not hold.
    """
    if not isinstance(item, otio.core.Composition) or item.source_range is None or not len(item):
        return ""
    start_s, end_s = trimmed_start_s(item), trimmed_start_s(item) + item_duration_s(item)
    content_s = content_duration_s(item)
    if start_s < content_s and end_s > 0:
        return ""
    return (
        f"its used range, {float(start_s):.3f} s to {float(end_s):.3f} s, lies outside of what is in it, "
        f"{float(content_s):.3f} s from 0; open it in its host, or export it as clips"
    )


def _collect_clip(
    clip: otio.schema.Clip, parent_range: _ParentRange, parent: _View, view: _View, picture: Picture
) -> None:
    problem = explain_no_picture(clip)
    if problem is not None:
        reason, is_fault = problem
        picture.skipped.append(_skip(clip, view, view.record_start_s, reason, is_fault=is_fault))
        return
    visible = view.record_start_s, view.record_end_s
    has_transitions = parent_range.into is not _NO_TRANSITION or parent_range.out_of is not _NO_TRANSITION
    cut = visible
    if has_transitions:
        cut = parent.record_range(parent_range.start_s, parent_range.end_s) or visible
    fades = [
        parent.record_duration_s(parent_range.into.duration_s),
        parent.record_duration_s(parent_range.out_of.duration_s),
    ]
    fade_in_s, fade_out_s = fades if parent.speed >= 0 else reversed(fades)
    picture.shots.append(
        Shot(
            clip=clip,
            track=view.track,
            record_start_s=visible[0],
            record_end_s=visible[1],
            cut_start_s=cut[0],
            cut_end_s=cut[1],
            media_start_s=view.local_start_s,
            speed=view.speed,
            fade_in_s=fade_in_s,
            fade_out_s=fade_out_s,
            nests=view.nests,
        )
    )

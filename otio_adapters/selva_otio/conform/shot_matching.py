"""Which shots of an old cut the shots of a new cut come from. Pure: values in, values out, exact numbers.

A new shot that shows frames of old shots at their speed is made of segments, one per old shot. First the shots that show
exactly the same frames are paired in the order they have in both cuts, so that of several equal uses each finds its own; then
what is left of each new shot goes to the old shots that share most of it, and then to those whose stems reach into it with their
handles.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from selva_otio.conform.cut_shots import CutShot

_Range = tuple[Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of a new shot that goes with one old shot.

    start_s, end_s: its record range in the new cut; together the segments of a shot are all of it, so that what the old shot
    did not show is in them too. shift_s: how much later in the new cut everything of the old shot lies. shown_s: the part of
    the range that the old shot did show, without length where only its stems reach into it.
    """

    old: CutShot
    start_s: Fraction
    end_s: Fraction
    shift_s: Fraction
    shown_s: _Range


@dataclass(frozen=True, kw_only=True)
class ShotMatch:
    """A new shot, and its segments in record order; without any it is new, or retimed where it has a `retimed_from`."""

    new: CutShot
    segments: tuple[Segment, ...] = ()
    retimed_from: CutShot | None = None


@dataclass(frozen=True, kw_only=True)
class CutMatch:
    """Two cuts, matched. removed: old shots of which no frame is seen at their speed, and which none is a retime of."""

    old: tuple[CutShot, ...]
    new: tuple[CutShot, ...]
    matches: tuple[ShotMatch, ...]
    removed: tuple[CutShot, ...]


def match_cuts(
    old: Sequence[CutShot],
    new: Sequence[CutShot],
    *,
    frame_rate_hz: Fraction,
    reach: Mapping[int, _Range] | None = None,
) -> CutMatch:
    """Match two cuts whose media have the same names in both; both in record order.

    frame_rate_hz: of the new cut: inside a shot, segments meet on its frames, also where an odd speed brings an old shot between
    two of them. reach: of an old shot's number, how many seconds before and after the shot its stems go on (their handles).
    """
    matcher = _Matcher(old, new, reach or {}, frame_rate_hz)
    matches = tuple(matcher.match(shot) for shot in new)
    used = {segment.old.number for match in matches for segment in match.segments}
    used |= {match.retimed_from.number for match in matches if match.retimed_from is not None}
    return CutMatch(
        old=tuple(old),
        new=tuple(new),
        matches=matches,
        removed=tuple(shot for shot in old if shot.number not in used),
    )


class _Matcher:
    """Matches the shots of one new cut, one after the other."""

    def __init__(
        self,
        old: Sequence[CutShot],
        new: Sequence[CutShot],
        reach: Mapping[int, _Range],
        frame_rate_hz: Fraction,
    ) -> None:
        self._frame_rate_hz = frame_rate_hz
        self._reach = reach
        self._by_media: dict[str, list[CutShot]] = defaultdict(list)
        for shot in old:
            self._by_media[shot.media].append(shot)
        self._paired = dict(_pair_equal_shots(old, new))
        self._taken = {shot.number for shot in self._paired.values()}
        self._landmarks = sorted((number, shot.number) for number, shot in self._paired.items())

    def match(self, shot: CutShot) -> ShotMatch:
        paired = self._paired.get(shot.number)
        if paired is not None:
            shift_s = shot.record_start_s - paired.record_start_s
            return ShotMatch(new=shot, segments=(_whole_segment(shot, paired, shift_s),))
        candidates = list(self._iter_candidates(shot))
        chosen = self._choose(shot, [pair for pair in candidates if pair[0] is not None], [])
        chosen = self._choose(shot, [(reached, reached) for _, reached in candidates], chosen)
        if chosen:
            return ShotMatch(new=shot, segments=tuple(_cover_shot(shot, _join(chosen))))
        return ShotMatch(new=shot, retimed_from=self._find_retimed(shot))

    def _iter_candidates(self, shot: CutShot) -> Iterator[tuple[Segment | None, Segment]]:
        """The part of a new shot that each old shot shows, and the part that the stems of that shot reach."""
        for old in self._by_media.get(shot.media, ()):
            shift_s = old.shift_to(shot)
            if shift_s is None:
                continue
            start_s, end_s = old.record_start_s + shift_s, old.record_end_s + shift_s
            before_s, after_s = self._reach.get(old.number, (Fraction(0), Fraction(0)))
            shown = _common_part(shot, start_s, end_s, self._frame_rate_hz)
            reached = _common_part(shot, start_s - before_s, end_s + after_s, self._frame_rate_hz)
            if reached is not None:
                yield (
                    None if shown is None else _segment(old, shown, shift_s),
                    replace(_segment(old, reached, shift_s), shown_s=(reached[0], reached[0])),
                )

    def _choose(
        self, shot: CutShot, candidates: Sequence[tuple[Segment | None, Segment]], chosen: Sequence[Segment]
    ) -> list[Segment]:
        """The chosen segments with as much of the candidates as is free, in record order; the largest part is taken first.

        What is left beside it goes with it too where its stems reach all of it: better the handle of one stem than a few frames
        of another.
        """
        expected = self._expected_number(shot) if len(candidates) > 1 else 0
        pairs = [(segment, reached) for segment, reached in candidates if segment is not None]
        result = list(chosen)
        for segment, reached in sorted(pairs, key=lambda pair: self._rank(pair[0], shot, expected)):
            added = list(_iter_free(segment, result))
            result.extend(added)
            whole = replace(reached, start_s=shot.record_start_s, end_s=shot.record_end_s)
            for free in list(_iter_free(whole, result)) if added else ():
                touches = any(free.end_s == part.start_s or free.start_s == part.end_s for part in added)
                if touches and reached.start_s <= free.start_s and free.end_s <= reached.end_s:
                    result.append(free)
        return sorted(result, key=lambda each: each.start_s)

    def _rank(self, segment: Segment, shot: CutShot, expected: int) -> tuple[Fraction, bool, bool, int, int]:
        """Lower is chosen first: most frames in common, then an old shot without a new one of its own, on the same video track,
        near the place in the old cut that the neighbours of the new shot come from (`expected`).
        """
        old = segment.old
        distance = abs(old.number - expected)
        is_other_track = old.video_track != shot.video_track
        return (
            -(segment.end_s - segment.start_s),
            old.number in self._taken,
            is_other_track,
            distance,
            old.number,
        )

    def _expected_number(self, shot: CutShot) -> int:
        """The place in the old cut that a new shot would have, judged by the nearest paired shot."""
        place = bisect_left(self._landmarks, (shot.number, 0))
        around = self._landmarks[max(0, place - 1) : place + 1]
        nearest = min(around, key=lambda pair: abs(pair[0] - shot.number), default=None)
        return shot.number if nearest is None else nearest[1] + shot.number - nearest[0]

    def _find_retimed(self, shot: CutShot) -> CutShot | None:
        """The old shot that shows most of the same media at another speed."""
        low_s, high_s = shot.media_range
        best: tuple[bool, Fraction, int] | None = None
        found = None
        for old in self._by_media.get(shot.media, ()):
            if old.speed == shot.speed:
                continue
            old_low_s, old_high_s = old.media_range
            common_s = min(high_s, old_high_s) - max(low_s, old_low_s)
            is_frozen = not (shot.speed and old.speed)
            if common_s < 0 or (common_s == 0 and not is_frozen):
                continue
            rank = old.number not in self._taken, common_s, -abs(old.number - shot.number)
            if best is None or rank > best:
                best, found = rank, old
        return found


def _pair_equal_shots(old: Sequence[CutShot], new: Sequence[CutShot]) -> Iterator[tuple[int, CutShot]]:
    """New shot number and old shot, for shots that show the same frames: in the same order first, then those that were moved
    past one another.
    """
    numbers: dict[object, int] = {}
    old_keys, new_keys = (
        [numbers.setdefault((shot.picture, shot.video_track), len(numbers)) for shot in cut]
        for cut in (old, new)
    )
    in_order = _longest_common_order(old_keys, new_keys)
    yield from ((new[new_index].number, old[old_index]) for old_index, new_index in in_order)
    used_old, used_new = ({pair[side] for pair in in_order} for side in (0, 1))
    rest: dict[tuple[str, Fraction, Fraction, Fraction], list[CutShot]] = defaultdict(list)
    for index, shot in enumerate(old):
        if index not in used_old:
            rest[shot.picture].append(shot)
    for index, shot in enumerate(new):
        equal = rest.get(shot.picture) if index not in used_new else None
        if equal:
            same_track = next((each for each in equal if each.video_track == shot.video_track), equal[0])
            equal.remove(same_track)
            yield shot.number, same_track


def _longest_common_order(old_keys: Sequence[int], new_keys: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of indices of equal keys, as many as can be in the same order in both (Hunt and Szymanski, 1977).

    Its time grows with the number of equal pairs, not with the product of the lengths: a film has thousands of shots, nearly all
    of which are used once.
    """
    places: dict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(old_keys):
        places[key].append(index)
    ends: list[int] = []  # of the best chain of each length, the old index that it ends with
    chains: list[tuple[int, int, object]] = []
    for new_index, key in enumerate(new_keys):
        for old_index in reversed(places.get(key, ())):
            length = bisect_left(ends, old_index)
            link = old_index, new_index, chains[length - 1] if length else None
            if length == len(ends):
                ends.append(old_index)
                chains.append(link)
            elif old_index < ends[length]:
                ends[length], chains[length] = old_index, link
    pairs: list[tuple[int, int]] = []
    chain: Any = chains[-1] if chains else None
    while chain is not None:
        pairs.append((chain[0], chain[1]))
        chain = chain[2]
    return pairs[::-1]


def _whole_segment(shot: CutShot, old: CutShot, shift_s: Fraction) -> Segment:
    return _segment(old, (shot.record_start_s, shot.record_end_s), shift_s)


def _segment(old: CutShot, shown: _Range, shift_s: Fraction) -> Segment:
    return Segment(old=old, start_s=shown[0], end_s=shown[1], shift_s=shift_s, shown_s=shown)


def _common_part(new: CutShot, start_s: Fraction, end_s: Fraction, frame_rate_hz: Fraction) -> _Range | None:
    """The part of a new shot between two record times of the new cut, in whole frames inside of the shot."""
    first_s, last_s = new.record_start_s, new.record_end_s
    if start_s > first_s:
        first_s = math.ceil(start_s * frame_rate_hz) / frame_rate_hz
    if end_s < last_s:
        last_s = math.floor(end_s * frame_rate_hz) / frame_rate_hz
    return (first_s, last_s) if first_s < last_s else None


def _iter_free(candidate: Segment, chosen: Sequence[Segment]) -> Iterator[Segment]:
    """The parts of a candidate that no chosen segment has."""
    start_s = candidate.start_s
    for taken in sorted(chosen, key=lambda segment: segment.start_s):
        if taken.end_s <= start_s or taken.start_s >= candidate.end_s:
            continue
        if start_s < taken.start_s:
            yield _part(candidate, start_s, taken.start_s)
        start_s = max(start_s, taken.end_s)
    if start_s < candidate.end_s:
        yield _part(candidate, start_s, candidate.end_s)


def _part(segment: Segment, start_s: Fraction, end_s: Fraction) -> Segment:
    is_shown = segment.shown_s[0] < segment.shown_s[1]
    return replace(
        segment, start_s=start_s, end_s=end_s, shown_s=(start_s, end_s) if is_shown else (start_s, start_s)
    )


def _join(segments: Sequence[Segment]) -> list[Segment]:
    """Segments that follow one another and go with the same old shot at one shift become one."""
    joined: list[Segment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if (
            last is None
            or (last.old, last.shift_s) != (segment.old, segment.shift_s)
            or last.end_s != segment.start_s
        ):
            joined.append(segment)
            continue
        shown = [each for each in (last.shown_s, segment.shown_s) if each[0] < each[1]]
        shown_s = (shown[0][0], shown[-1][1]) if shown else last.shown_s
        joined[-1] = replace(last, end_s=segment.end_s, shown_s=shown_s)
    return joined


def _cover_shot(shot: CutShot, shown: Sequence[Segment]) -> Iterator[Segment]:
    """Widen segments until they are all of the shot: what no old shot shows goes with the one before it, at the start of the
    shot with the one after.
    """
    for index, segment in enumerate(shown):
        start_s = shot.record_start_s if index == 0 else segment.start_s
        end_s = shown[index + 1].start_s if index + 1 < len(shown) else shot.record_end_s
        yield replace(segment, start_s=start_s, end_s=end_s)

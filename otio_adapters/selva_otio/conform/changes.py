"""The change list of a conform: what became of every shot and every stem, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import opentimelineio as otio

from selva_otio.conform.cut_reading import ShotsOfTracks
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.plan import ConformPlan, StemMove
from selva_otio.conform.shot_matching import Segment, ShotMatch
from selva_otio.cues.cue_sheet import Cue
from selva_otio.picture.media import shown_file_name
from selva_otio.time.clock import TimelineClock

KEPT, MOVED, TRIMMED, EXTENDED, SPLIT, REPEATED, JOINED, RETIMED, RELINKED, NEW, REMOVED = SHOT_CHANGES = (
    "kept",
    "moved",
    "trimmed",
    "extended",
    "split",
    "repeated",
    "joined",
    "retimed",
    "relinked",
    "new",
    "removed",
)
RENDER, EXTEND = "render", "extend"
STEM_ACTIONS = ("kept", "moved", "trimmed", "extended", RENDER, EXTEND, "dropped")
_MARKER_COLOURS = {NEW: "GREEN", RETIMED: "ORANGE", EXTENDED: "YELLOW", REMOVED: "RED"}


@dataclass(frozen=True, kw_only=True)
class ShotChange:
    """What became of a shot. changes: some of SHOT_CHANGES. old, new: None where a cut does not have it. how: how a medium
    with another path was found. stems: what is done for its stems, as "Dog: moved, trimmed".
    """

    changes: tuple[str, ...]
    name: str
    video_track: str
    old: CutShot | None
    new: CutShot | None
    how: str = ""
    stems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StemChange:
    """What is done with a stem, or for a cue that has none. actions: some of STEM_ACTIONS; a cue is rendered, or the stem
    beside it is made longer ("extend"). old_start_s, new_start_s: record
    times of what is heard; None where a cut does not have it. reason: why a stem was dropped, or is rendered.
    """

    actions: tuple[str, ...]
    track: str
    prompt: str
    clip: str
    file: str = ""
    old_start_s: Fraction | None = None
    old_end_s: Fraction | None = None
    new_start_s: Fraction | None = None
    new_end_s: Fraction | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ChangeList:
    """Every shot and every stem of both cuts."""

    shots: tuple[ShotChange, ...]
    stems: tuple[StemChange, ...]
    old_clock: TimelineClock
    new_clock: TimelineClock


def list_changes(plan: ConformPlan, *, extended: Container[str] = ()) -> ChangeList:
    """extended: ids of the plan's cues that are rendered as the rest of the stem beside them."""
    stems = tuple(_iter_stem_changes(plan, extended))
    return ChangeList(
        shots=tuple(_iter_shot_changes(plan, extended)),
        stems=stems,
        old_clock=plan.old.clock,
        new_clock=plan.new.clock,
    )


def merge_changes(
    lists: Sequence[ChangeList], *, old_clock: TimelineClock, new_clock: TimelineClock
) -> ChangeList:
    """One list of several that are about the same new cut, each with an old cut of its own. A shot is new where it is in none of
    the old cuts. The clocks are for labels.
    """
    rows: dict[tuple[object, ...], list[ShotChange]] = {}
    for row in (row for each in lists for row in each.shots):
        key = ("new", row.new.number) if row.new is not None else ("removed", row.old and row.old.picture)
        rows.setdefault(key, []).append(row)
    return ChangeList(
        shots=tuple(_merge_rows(same) for same in rows.values()),
        stems=tuple(stem for each in lists for stem in each.stems),
        old_clock=old_clock,
        new_clock=new_clock,
    )


def _merge_rows(rows: Sequence[ShotChange]) -> ShotChange:
    found = {change for row in rows for change in row.changes}
    if len(found) > 1:
        found -= {KEPT} if found - {KEPT, NEW} else {NEW}
    if found - {NEW}:
        found -= {NEW}
    return replace(
        rows[0],
        changes=tuple(change for change in SHOT_CHANGES if change in found),
        old=next((row.old for row in rows if row.old is not None), None),
        how=next((row.how for row in rows if row.how), ""),
        stems=tuple(dict.fromkeys(stem for row in rows for stem in row.stems)),
    )


def add_change_markers(timeline: otio.schema.Timeline, changes: ChangeList) -> None:
    """Mark every shot that is not where and as it was, in place; removed shots have no place.

    The names hold no colon, so that no later render takes one for a cue, and the colours are not Selva's own.
    """
    clock = changes.new_clock
    for change in changes.shots:
        if change.new is None or change.changes == (KEPT,):
            continue
        colour = next((_MARKER_COLOURS[each] for each in change.changes if each in _MARKER_COLOURS), "CYAN")
        marker = otio.schema.Marker(
            name=f"Conform - {', '.join(change.changes)}",
            marked_range=clock.time_range(change.new.record_start_s, change.new.duration_s),
            color=colour,
        )
        marker.metadata["selva"] = {"schema": "selva.conform/1", "changes": list(change.changes)}
        timeline.tracks.markers.append(marker)


def _iter_shot_changes(plan: ConformPlan, extended: Container[str]) -> Iterator[ShotChange]:
    uses = Counter(segment.old.number for match in plan.match.matches for segment in match.segments)
    shown = _frames_shown(plan)
    stems = _describe_stems(plan, extended)
    for match in plan.match.matches:
        shot = plan.new.shots[match.new.number]
        how = plan.media.how_relinked(shot.cut.media)
        old = match.segments[0].old if match.segments else match.retimed_from
        changes = list(_iter_kinds(match, uses, shown))
        if how:
            changes.append(RELINKED)
        yield ShotChange(
            changes=tuple(changes) or (KEPT,),
            name=shot.cut.name,
            video_track=shot.cut.video_track,
            old=old,
            new=shot.cut,
            how=how,
            stems=tuple(stems.get(shot.cut.number, ())),
        )
    for removed in plan.match.removed:
        yield ShotChange(
            changes=(REMOVED,), name=removed.name, video_track=removed.video_track, old=removed, new=None
        )


def _iter_kinds(match: ShotMatch, uses: Counter[int], shown: dict[int, bool]) -> Iterator[str]:
    if not match.segments:
        yield NEW if match.retimed_from is None else RETIMED
        return
    if any(segment.shift_s for segment in match.segments):
        yield MOVED
    if any(_is_trimmed(segment) for segment in match.segments):
        yield TRIMMED
    if any((segment.start_s, segment.end_s) != segment.shown_s for segment in match.segments):
        yield EXTENDED
    if any(uses[segment.old.number] > 1 for segment in match.segments):
        yield REPEATED if any(shown[segment.old.number] for segment in match.segments) else SPLIT
    if len(match.segments) > 1:
        yield JOINED


def _is_trimmed(segment: Segment) -> bool:
    start_s, end_s = segment.old.record_start_s + segment.shift_s, segment.old.record_end_s + segment.shift_s
    return segment.shown_s[0] > start_s or segment.shown_s[1] < end_s


def _frames_shown(plan: ConformPlan) -> dict[int, bool]:
    """Of each old shot, whether some of its frames are seen more than once in the new cut."""
    parts: dict[int, list[tuple[Fraction, Fraction]]] = {}
    for match in plan.match.matches:
        for segment in match.segments:
            start_s, end_s = (each - segment.shift_s for each in segment.shown_s)
            parts.setdefault(segment.old.number, []).append((start_s, end_s))
    repeated = {}
    for number, ranges in parts.items():
        ranges.sort()
        repeated[number] = any(later[0] < earlier[1] for earlier, later in pairwise(ranges))
    return repeated


def _describe_stems(plan: ConformPlan, extended: Container[str]) -> dict[int, list[str]]:
    """What is done for the stems of each new shot, by its number."""
    described: dict[int, dict[str, None]] = {}
    for move in plan.moves:
        text = f"{move.stem.track}: {', '.join(move.actions)}"
        described.setdefault(move.new.cut.number, {})[text] = None
    shots = ShotsOfTracks(plan.new.shots)
    for cue in plan.sheet.cues:
        shot = shots.find(cue.clip.record_start_s, cue.clip.video_track)
        if shot is not None:
            described.setdefault(shot.cut.number, {})[f"{cue.track}: {_action(cue, extended)}"] = None
    return {number: list(texts) for number, texts in described.items()}


def _action(cue: Cue, extended: Container[str]) -> str:
    return EXTEND if cue.id in extended else RENDER


def _iter_stem_changes(plan: ConformPlan, extended: Container[str]) -> Iterator[StemChange]:
    rows = [
        *(_describe_move(move) for move in plan.moves),
        *(
            StemChange(
                actions=(_action(cue, extended),),
                track=cue.track,
                prompt=cue.prompt,
                clip=cue.clip.name,
                new_start_s=cue.clip.record_start_s,
                new_end_s=cue.clip.record_end_s,
                reason=cue.source,
            )
            for cue in plan.sheet.cues
        ),
    ]
    yield from sorted(rows, key=lambda row: (row.new_start_s or Fraction(0), row.track))
    for dropped in plan.dropped:
        stem = dropped.stem
        yield StemChange(
            actions=("dropped",),
            track=stem.track,
            prompt=str(stem.placed.stem.get("prompt", "")),
            clip=stem.placed.item.name if stem.shot is None else stem.shot.cut.name,
            file=_file_name(stem.placed.item),
            old_start_s=stem.spot.start_s,
            old_end_s=stem.spot.end_s,
            reason=dropped.reason,
        )


def _describe_move(move: StemMove) -> StemChange:
    return StemChange(
        actions=move.actions,
        track=move.stem.track,
        prompt=str(move.stem.placed.stem.get("prompt", "")),
        clip=move.new.cut.name,
        file=_file_name(move.stem.placed.item),
        old_start_s=move.stem.spot.start_s,
        old_end_s=move.stem.spot.end_s,
        new_start_s=move.heard_s[0],
        new_end_s=move.heard_s[1],
    )


def _file_name(item: otio.core.Item) -> str:
    return shown_file_name(getattr(getattr(item, "media_reference", None), "target_url", None) or "")

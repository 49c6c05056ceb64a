"""The place primitive over external scripting: the stems of a plan onto the current timeline, with a report on each.

Does the same as plugins/resolve/agent/placement.lua in the same order; tests hold both to the same reports.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selva_plugins.hosts.resolve.errors import TimelineNotOpenError
from selva_plugins.hosts.resolve.plan_schema import (
    STEMS_DATA_PREFIX,
    PlacementPlan,
    PlacementReport,
    PlanMarker,
    PlanStem,
    StemResult,
)
from selva_plugins.hosts.resolve.scripting.media_pool import enter_bin, find_tagged_clips
from selva_plugins.hosts.resolve.scripting.resolve_api import (
    OpenProject,
    call,
    items_of,
    open_project,
    round_frames,
)
from selva_plugins.hosts.resolve.scripting.stem_placer import PlacedClip, PlacementError, StemPlacer

NOT_DELETED = (
    "Resolve did not delete it at its old place, so that it stays there; unlock its track and run Selva again"
)


@dataclass
class _Outcomes:
    """By number of the stem: where it was placed, or why not."""

    placed: dict[int, PlacedClip] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)

    def place(self, placer: StemPlacer, number: int, stem: PlanStem) -> None:
        try:
            self.placed[number] = placer.place_stem(stem)
        except PlacementError as error:
            self.problems[number] = str(error)


def place(
    resolve: Any, plan: PlacementPlan, on_progress: Callable[[str], None] = lambda _text: None
) -> PlacementReport:
    """Place the stems of a plan on the current timeline; the report says of each where it lies, or why not.

    Raises TimelineNotOpenError.
    """
    opened = open_project(resolve)
    if call(opened.timeline, "GetUniqueId") != plan.timeline_id:
        raise TimelineNotOpenError(f"the timeline '{plan.timeline_name}' is not open")
    bin_before = call(opened.pool, "GetCurrentFolder")
    bin_folder = enter_bin(opened)
    placer = StemPlacer.open(opened, bin_folder, find_tagged_clips(bin_folder) if plan.replaces else None)
    outcomes = _Outcomes()
    lost = _find_unavailable(placer, plan.stems)
    left = _remove_items(placer, plan, lost, find_tagged_clips(bin_folder)) if plan.removals else set()
    for number, stem in enumerate(plan.stems):
        if stem.replaces_item in left:
            outcomes.problems[number] = lost.get(stem.replaces_item, NOT_DELETED)
            continue
        on_progress(f"placing stem {number + 1} of {len(plan.stems)}")
        outcomes.place(placer, number, stem)
    num_markers = sum(
        _add_marker(opened.timeline, marker) for marker in _follow_stems(plan, opened, outcomes)
    )
    call(opened.pool, "SetCurrentFolder", bin_before)
    on_progress("saving the project")
    is_saved = _save_and_verify(placer, plan.stems, outcomes)
    placer.restore_page()
    return PlacementReport(
        timeline_id=plan.timeline_id,
        is_saved=is_saved,
        stems=tuple(_describe_result(stem, number, outcomes) for number, stem in enumerate(plan.stems)),
        end_frames="inclusive" if placer.is_end_inclusive else "exclusive",
        num_markers=num_markers,
        num_removed=len(plan.removals) - len(left),
        num_left=len(left),
    )


def _find_unavailable(placer: StemPlacer, stems: Sequence[PlanStem]) -> dict[str, str]:
    """Items that would be gone, for Resolve cannot have the file that takes their place: id -> why. They are not deleted."""
    problems = ((stem.replaces_item, placer.explain_no_file(stem)) for stem in stems if stem.replaces_item)
    return {item_id: f"{problem}; it stays as it was" for item_id, problem in problems if problem}


def _remove_items(
    placer: StemPlacer, plan: PlacementPlan, lost: Container[str], tagged: Container[str]
) -> set[str]:
    """Delete the items that the plan removes, stems of ours only; returns the ids of those that stay."""
    left = set(plan.removals)
    for index in range(1, placer.num_tracks() + 1):
        for item in items_of(call(placer.timeline, "GetItemListInTrack", "audio", index)):
            uid = call(item, "GetUniqueId")
            media_id = call(call(item, "GetMediaPoolItem"), "GetUniqueId")
            if uid in left and uid not in lost and media_id in tagged and placer.delete(item):
                left.discard(uid)
    return left


def _save_and_verify(placer: StemPlacer, stems: Sequence[PlanStem], outcomes: _Outcomes) -> bool:
    """Save the project, place what did not survive the save once more, and say whether the project was saved."""
    is_saved = placer.save()
    missing = placer.find_missing(outcomes.placed)
    for number in missing:
        placer.forget_spans(outcomes.placed.pop(number).index)
        outcomes.place(placer, number, stems[number])
    if missing:
        is_saved = placer.save()
        for number in placer.find_missing(outcomes.placed):
            del outcomes.placed[number]
            outcomes.problems[number] = "Resolve accepted it and did not keep it"
    return is_saved


def _describe_result(stem: PlanStem, number: int, outcomes: _Outcomes) -> StemResult:
    clip = outcomes.placed.get(number)
    if clip is None:
        return StemResult(id=stem.id, is_placed=False, reason=outcomes.problems.get(number, ""))
    return StemResult(
        id=stem.id,
        is_placed=True,
        track_index=clip.index,
        track_name=clip.name,
        record_frame=clip.record_frame,
        duration_frames=clip.duration_frames,
        note=clip.note,
        change=clip.change,
        remark=clip.remark,
    )


def _follow_stems(plan: PlacementPlan, opened: OpenProject, outcomes: _Outcomes) -> Iterator[PlanMarker]:
    """The markers where their stems lie now; without those whose stems are held."""
    start_frame = round_frames(call(opened.timeline, "GetStartFrame")) or 0
    numbers = {stem.id: number for number, stem in enumerate(plan.stems)}
    for marker in plan.markers:
        number = numbers.get(marker.custom_data.removeprefix(STEMS_DATA_PREFIX))
        clip = None if number is None else outcomes.placed.get(number)
        if number is None:
            yield marker
        elif clip is not None:
            yield replace(marker, frame=clip.record_frame - start_frame)


def _add_marker(timeline: Any, marker: PlanMarker) -> bool:
    arguments = (marker.frame, marker.color, marker.name, marker.note, marker.duration_frames)
    return call(timeline, "AddMarker", *arguments, marker.custom_data) is True

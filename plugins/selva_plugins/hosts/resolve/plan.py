"""From rendered stems to what the place primitive takes: whole frames of the host, absolute, and file paths.

Take 1 lies on the track of its name. Every other take has a track of its own below it ("Dog take 2") that starts disabled:
Resolve's take selector is for picture, no call swaps the file of an audio item, and a disabled track is in sync, visible,
compared with one click and never sounds by accident.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selva_core.base.rational import round_half_up
from selva_otio import SpottedClip
from selva_plugins.hosts.resolve.plan_schema import (
    STEMS_DATA_PREFIX,
    PlacementPlan,
    PlacementReport,
    PlanAnchor,
    PlanMarker,
    PlanStem,
)
from selva_plugins.hosts.resolve.retimes import find_source_range
from selva_plugins.hosts.resolve.snapshot import ResolveItem, ResolveMedia, ResolveSnapshot, ResolveTrack
from selva_render.report import RenderedStem, RenderReport

MARKER_COLOUR = "Cream"
MAX_COMMENT_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class PlanTarget:
    """The timeline that a plan is for, and the rates at which its frame numbers count: `rate` is the timeline's, `wav_rate`
    what a WAV counts at in this project. video_tracks, media: the pictures that stems go with. marks_stems: leave a marker
    where stems were made. replaces: earlier stems of ours in the same place are replaced.
    """

    timeline_id: str
    timeline_name: str
    rate: Fraction
    wav_rate: Fraction
    start_frame: int
    video_tracks: tuple[ResolveTrack, ...] = ()
    media: Mapping[str, ResolveMedia] = field(default_factory=dict)
    marks_stems: bool = False
    replaces: bool = False

    @property
    def tells_no_speeds(self) -> bool:
        """Whether the version is one before 19.0.2, which says of no clip which source frames it shows."""
        items = [item for track in self.video_tracks for item in track.items if item.media_id in self.media]
        return bool(items) and all(item.source_start_frame is None for item in items)


def build_target(
    snapshot: ResolveSnapshot, *, marks_stems: bool = False, replaces: bool = False
) -> PlanTarget:
    """The timeline of a snapshot as the target of a plan."""
    return PlanTarget(
        timeline_id=snapshot.timeline.id,
        timeline_name=snapshot.timeline.name,
        rate=snapshot.rate,
        wav_rate=snapshot.wav_rate,
        start_frame=snapshot.timeline.start_frame,
        video_tracks=snapshot.timeline.video_tracks,
        media=snapshot.media,
        marks_stems=marks_stems,
        replaces=replaces,
    )


def build_stems(reports: Sequence[RenderReport], target: PlanTarget) -> list[PlanStem]:
    """One entry per rendered stem, in record order."""
    return [_build_stem(stem, target) for report in reports for stem in report.stems]


def build_plan(stems: Sequence[PlanStem], target: PlanTarget, removals: Sequence[str] = ()) -> PlacementPlan:
    """The plan for the agent and for Studio; stems: as `build_stems` made them, or as they were read from a plan.json."""
    return PlacementPlan(
        timeline_id=target.timeline_id,
        timeline_name=target.timeline_name,
        stems=tuple(stems),
        markers=build_markers(stems, target) if target.marks_stems else (),
        replaces=target.replaces,
        removals=tuple(removals),
    )


def _build_stem(stem: RenderedStem, target: PlanTarget) -> PlanStem:
    take, cue, clip = stem.result.take, stem.cue, stem.cue.clip
    is_wav_coarser = target.wav_rate < target.rate
    return PlanStem(
        id=f"{cue.id}-{take}",
        file=str(stem.result.file),
        track=cue.track if take == 1 else f"{cue.track} take {take}",
        is_muted=take > 1,
        take=take,
        # Whole frames only: picture lies on them, so that this rounds nothing but what a nest has shifted.
        record_frame=target.start_frame + round_half_up(stem.span.start_s * target.rate),
        duration_frames=max(1, math.ceil(stem.span.duration_s * target.rate)),
        source_start_frame=round_half_up(stem.span.offset_s * target.wav_rate),
        max_missing_frames=math.floor(target.rate / target.wav_rate) if is_wav_coarser else 0,
        fade_in_frames=round_half_up(clip.fade_in_s * target.rate),
        fade_out_frames=round_half_up(clip.fade_out_s * target.rate),
        gain_db=cue.gain_db,
        prompt=cue.prompt,
        anchor=find_anchor(clip, target),
        comment=describe_stem(cue.prompt, take, stem.result.seed),
    )


def describe_stem(prompt: str, take: int, seed: int) -> str:
    """The comment of a stem's clip in the media pool."""
    return f"Selva: {prompt[:MAX_COMMENT_CHARS]} (take {take}, seed {seed})"


def find_anchor(clip: SpottedClip, target: PlanTarget) -> PlanAnchor | None:
    """The item of the timeline that shows a clip, which may lie in a nest; None where none is found."""
    middle = target.start_frame + (clip.record_start_s + clip.duration_s / 2) * target.rate
    items = (
        item
        for track in reversed(target.video_tracks)
        if track.name == clip.video_track and track.is_enabled
        for item in track.items
        if item.media_id in target.media and item.start_frame <= middle < item.end_frame
    )
    item = next(items, None)
    return None if item is None else _build_anchor(item, target.media[item.media_id], target.rate)


def _build_anchor(item: ResolveItem, media: ResolveMedia, rate: Fraction) -> PlanAnchor:
    nested_rate = None if media.timeline is None else media.timeline.frame_rate
    media_rate = nested_rate or media.frame_rate or rate
    source = find_source_range(item, media, media_rate=media_rate, timeline_rate=rate)
    right, speed = item.right_offset_frames, item.speed
    return PlanAnchor(
        item_id=item.id,
        name=item.name or media.name,
        media_id=item.media_id,
        start_frame=item.start_frame,
        duration_frames=item.duration_frames,
        left_offset_frames=float(item.left_offset_frames),
        right_offset_frames=None if right is None else float(right),
        source_start_frame=item.source_start_frame,
        speed_percent=None if speed is None else float(speed * 100),
        is_linear=source.speed == 1 and not source.is_ramp and media_rate == rate,
    )


def build_markers(stems: Sequence[PlanStem], target: PlanTarget) -> tuple[PlanMarker, ...]:
    """One marker per frame that stems begin on, which says what was made there; Resolve allows one per frame."""
    by_frame: dict[int, list[PlanStem]] = {}
    for stem in stems:
        by_frame.setdefault(stem.record_frame - target.start_frame, []).append(stem)
    return tuple(
        PlanMarker(
            frame=frame,
            color=MARKER_COLOUR,
            name="Selva: " + ", ".join(dict.fromkeys(stem.track for stem in group)),
            note="\n".join(f"{stem.track}: {stem.prompt}" for stem in group),
            duration_frames=max(stem.duration_frames for stem in group),
            custom_data=f"{STEMS_DATA_PREFIX}{group[0].id}",
        )
        for frame, group in sorted(by_frame.items())
    )


def list_place_notices(report: PlacementReport, stems: Sequence[PlanStem]) -> list[str]:
    """What the user should know of a placement report: stems that are not there, lie elsewhere or are shorter than planned."""
    planned = {stem.id: stem for stem in stems}
    notices = []
    for result in report.stems:
        stem = planned.get(result.id)
        track = stem.track if stem is not None else result.id
        if not result.is_placed:
            notices.append(f"{track}: not placed: {result.reason}")
            continue
        if result.note:
            notices.append(f"{track}: lies on track '{result.track_name}' because {result.note}")
        notices += [f"{track}: {text}" for text in (result.change, result.remark) if text]
        num_missing = 0 if stem is None or result.change else stem.duration_frames - result.duration_frames
        if stem is not None and num_missing > stem.max_missing_frames:
            notices.append(f"{track}: Resolve made it {num_missing} frame(s) shorter")
    if report.num_left:
        notices.append(f"{report.num_left} stems stay where they were: Resolve did not delete them")
    if not report.is_saved:
        notices.append("Resolve did not save the project; save it yourself")
    return notices

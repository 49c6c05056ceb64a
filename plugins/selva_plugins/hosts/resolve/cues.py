"""What is to be heard on a Resolve timeline, as a cue sheet.

Typed "Track: prompt" lines are for the selected clips where the version tells the selection, else for the timeline's marked
range, else for every clip; markers that read "Dog: small dog barking" count on the timeline and on clips; so does a cue sheet
beside the project. Which of them wins where is the rule of `selva_otio.cues.rules`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.rational import round_half_up
from selva_otio import Cue, CueSheet, SpotOptions, SpottedClip, StemTrack, TimelineClock, spot_timeline
from selva_otio.cues.markers import parse_marker_cue
from selva_otio.cues.rules import TRACK_PROMPT, CueRule
from selva_otio.cues.sheet_files import CueSheetRow, load_cue_sheet
from selva_otio.errors import TimelineError
from selva_otio.placement.stem_names import fold_name
from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.resolve.snapshot import OpenTimeline, ResolveSnapshot
from selva_plugins.hosts.resolve.timeline import ResolveTimeline

CUE_SHEET_SUFFIXES = (".toml", ".csv", ".tsv")


@dataclass(frozen=True, kw_only=True)
class _SelectedClip:
    """Where a selected clip lies, in seconds after the timeline's start."""

    track: str
    start_s: Fraction
    end_s: Fraction

    def shows(self, clip: SpottedClip) -> bool:
        middle_s = clip.record_start_s + clip.duration_s / 2
        return self.track == clip.video_track and self.start_s <= middle_s < self.end_s


class _MarkedRangeRow(CueSheetRow):
    """A typed prompt for what lies between the timeline's marks; it ranks as a typed prompt, not as a cue sheet's row."""

    def to_rule(self, clock: TimelineClock) -> CueRule:
        return replace(super().to_rule(clock), source=TRACK_PROMPT)


def find_cue_sheet(snapshot: ResolveSnapshot, project_folder: Path) -> Path | None:
    """The cue sheet beside the project: one named after the timeline, else `cues`."""
    timeline = snapshot.timeline.name
    names = (timeline, fold_name(timeline, max_chars=60, fallback="timeline"), "cues")
    candidates = (
        project_folder / f"{name}{suffix}" for name in names if name for suffix in CUE_SHEET_SUFFIXES
    )
    return next((path for path in candidates if path.is_file()), None)


def has_marker_cues(timeline: otio.schema.Timeline, options: SpotOptions) -> bool:
    """Whether a marker of the timeline or of an item on it asks for sound, and markers count."""
    if not options.use_markers:
        return False
    tracks = timeline.tracks
    items = (child for child in tracks.find_children() if isinstance(child, otio.core.Item))
    markers = (marker for item in (tracks, *items) for marker in item.markers)
    return any(parse_marker_cue(marker, colour=options.marker_colour) for marker in markers)


def spot_snapshot(
    snapshot: ResolveSnapshot,
    built: ResolveTimeline,
    sounds: Sequence[StemTrack],
    *,
    cue_sheet: Path | None,
    options: SpotOptions,
) -> CueSheet:
    """The cues of a request. Raises TimelineError, NothingToRenderError."""
    selected = list(_iter_selected(snapshot.timeline, built.clock))
    marked = None if selected else _find_marked_range(snapshot.timeline, built.clock)
    rows = [] if cue_sheet is None else load_cue_sheet(cue_sheet)
    sheet = spot_timeline(
        built.timeline,
        sounds if marked is None else (),
        base_folder=Path.cwd(),
        rows=rows if marked is None else [*rows, *_build_marked_rows(sounds, *marked)],
        options=options,
        clock=built.clock,
    )
    if options.handles_s and snapshot.wav_rate != snapshot.rate:
        sheet = _fit_handles(sheet, snapshot.wav_rate)
    return _keep_selected(sheet, selected) if selected else sheet


def spot_picture(snapshot: ResolveSnapshot, built: ResolveTimeline, track: StemTrack) -> tuple[CueSheet, str]:
    """One cue for each clip that a request is for, and what those are: "selection", "marks" or "timeline".

    Raises TimelineError, NothingToRenderError.
    """
    options = SpotOptions(use_markers=False, use_metadata=False)
    sheet = spot_snapshot(snapshot, built, [track], cue_sheet=None, options=options)
    if any(True for _ in _iter_selected(snapshot.timeline, built.clock)):
        return sheet, "selection"
    return sheet, "timeline" if snapshot.timeline.marks is None else "marks"


def spot_markers(snapshot: ResolveSnapshot, built: ResolveTimeline) -> CueSheet | None:
    """The cues of the timeline's own markers; None where it has none."""
    try:
        return spot_snapshot(snapshot, built, (), cue_sheet=None, options=SpotOptions())
    except (TimelineError, NothingToRenderError):
        return None


def iter_shift_notices(sheet: CueSheet) -> Iterator[str]:
    """A sentence for each clip whose stem cannot start exactly with it: Resolve places on whole frames."""
    rate = sheet.clock.frame_rate_hz
    for clip in sheet.clips:
        frames = clip.record_start_s * rate
        if frames.denominator != 1:
            shift_ms = abs(float((frames - round_half_up(frames)) / rate)) * 1000
            yield f"{clip.name}: its stem starts {shift_ms:.0f} ms off, on the nearest frame, as Resolve knows no parts of frames"


def _keep_selected(sheet: CueSheet, selected: Sequence[_SelectedClip]) -> CueSheet:
    """Without the typed prompts' cues outside the selection; markers and cue sheets name their own clips."""
    cues = tuple(
        cue
        for cue in sheet.cues
        if cue.source != TRACK_PROMPT or any(clip.shows(cue.clip) for clip in selected)
    )
    if not cues:
        raise NothingToRenderError(
            "none of the selected clips has a picture that is seen; select others, or none"
        )
    return replace(sheet, cues=cues)


def _fit_handles(sheet: CueSheet, wav_rate: Fraction) -> CueSheet:
    """Where a WAV counts other frames than the timeline, its handle is whole frames of its own, so that it is cut off exactly."""

    def fit(cue: Cue) -> Cue:
        handle_s = math.floor(cue.clip.handle_before_s * wav_rate) / wav_rate
        return replace(cue, clip=replace(cue.clip, handle_before_s=handle_s))

    return replace(sheet, cues=tuple(fit(cue) for cue in sheet.cues))


def _iter_selected(timeline: OpenTimeline, clock: TimelineClock) -> Iterator[_SelectedClip]:
    for track in timeline.video_tracks:
        for item in track.items:
            if item.id in timeline.selected_ids:
                yield _SelectedClip(
                    track=track.name,
                    start_s=(item.start_frame - clock.start_frame) / clock.frame_rate_hz,
                    end_s=(item.end_frame - clock.start_frame) / clock.frame_rate_hz,
                )


def _find_marked_range(timeline: OpenTimeline, clock: TimelineClock) -> tuple[Fraction, Fraction] | None:
    """From where to where the timeline is marked, in seconds after its start; None where it is not.

    Raises NothingToRenderError where no clip lies between the marks.
    """
    if timeline.marks is None:
        return None
    first_frame = timeline.start_frame + (timeline.marks.in_frame or 0)
    end_frame = timeline.end_frame
    if timeline.marks.out_frame is not None:
        end_frame = timeline.start_frame + timeline.marks.out_frame + 1
    items = (item for track in timeline.video_tracks for item in track.items if item.media_id)
    if not any(item.start_frame < end_frame and first_frame < item.end_frame for item in items):
        raise NothingToRenderError(
            "no clip with picture lies between the timeline's in and out marks; move them, or clear them with Alt+X"
        )
    start_s = (first_frame - clock.start_frame) / clock.frame_rate_hz
    return start_s, (end_frame - clock.start_frame) / clock.frame_rate_hz


def _build_marked_rows(
    sounds: Iterable[StemTrack], start_s: Fraction, end_s: Fraction
) -> list[_MarkedRangeRow]:
    return [
        _MarkedRangeRow(
            stem_track=sound,
            origin="typed prompt",
            clip_pattern=None,
            record_from=str(start_s),
            record_to=str(end_s),
        )
        for sound in sounds
    ]

"""From a REAPER timeline to cue sheets, each cue tied to the item whose picture it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio import Cue, CueSheet, CueSheetRow, SpotOptions, SpottedClip, StemTrack, spot_timeline
from selva_otio.cues.markers import parse_marker_cue
from selva_otio.cues.shot_spotting import OFF_FRAME_WARNING
from selva_otio.errors import NothingToSpotError
from selva_otio.picture.shots import Shot
from selva_otio.picture.visible_shots import iter_picture_tracks, resolve_picture
from selva_plugins.errors import NothingToRenderError
from selva_plugins.form import HostForm
from selva_plugins.hosts.reaper.item_spans import SAME_S, ItemSpan
from selva_plugins.hosts.reaper.snapshot import ReaperMarker
from selva_plugins.hosts.reaper.timeline import ReaperTimeline

# The daemon takes rationals with denominators below 2**31, and handles add up to 60,000 to that of a duration.
_MAX_DENOMINATOR = 1_000_000_000
_MAX_DURATION_DENOMINATOR = 30_000


@dataclass(frozen=True, kw_only=True)
class SpottedItems:
    """A cue sheet, the span of picture that each cue is for, by cue id, and sentences about what was left out."""

    sheet: CueSheet
    spans: dict[str, ItemSpan]
    notices: tuple[str, ...]


def spot_items(built: ReaperTimeline, form: HostForm) -> SpottedItems:
    """Every sound over every item. Each picture track is spotted by itself, because an item that was selected is meant
    even where another one covers it.

    Raises NothingToRenderError.
    """
    sheets: list[CueSheet] = []
    problems: list[str] = []
    for name in built.picture_tracks:
        options = SpotOptions(
            video_track=name, handles_s=form.handles_s, use_markers=False, use_metadata=False
        )
        try:
            sheet = spot_timeline(
                built.timeline, form.sounds, base_folder=Path(), options=options, clock=built.timeline_clock
            )
        except NothingToSpotError as error:
            problems.append(error.message)
        else:
            sheets.append(sheet)
            # Each of these was selected, so that each that gets no sound is named, also one that needs none, such as
            # a voice in a file that REAPER opens as a video.
            problems += [f"{skipped.name}: {skipped.reason}" for skipped in sheet.skipped]
    if not sheets:
        raise NothingToRenderError("; ".join(problems[:5]))
    return merge_sheets(built, sheets, problems)


def spot_markers(built: ReaperTimeline, markers: Sequence[ReaperMarker], form: HostForm) -> SpottedItems:
    """A region named "Dog: small dog barking" is a cue over the picture seen in it; a marker is one over the shot it is on.

    Raises NothingToRenderError.
    """
    rows: list[CueSheetRow] = []
    problems: list[str] = []
    shots = resolve_picture(iter_picture_tracks(built.timeline)).shots
    for marker, sound in _parse_markers(markers, form.negative_prompt):
        ranges = list(_iter_record_ranges(marker, shots, built))
        origin = f"{'region' if marker.is_region else 'marker'} {marker.name!r}"
        if not ranges:
            problems.append(f"{origin} has no picture under it")
        rows += [
            CueSheetRow(
                stem_track=sound,
                origin=origin,
                clip_pattern=None,
                record_from=str(start_s),
                record_to=str(end_s),
            )
            for start_s, end_s in ranges
        ]
    if not rows:
        names = ", ".join(repr(marker.name) for marker in markers[:5]) or "none at all"
        reason = "; ".join(problems[:3]) or f"there are {names}"
        raise NothingToRenderError(
            f'no region or marker reads like "Dog: small dog barking" over a picture: {reason}'
        )
    options = SpotOptions(handles_s=form.handles_s, use_markers=False, use_metadata=False)
    sheet = spot_timeline(
        built.timeline, base_folder=Path(), rows=rows, options=options, clock=built.timeline_clock
    )
    return merge_sheets(built, [sheet], problems)


def _parse_markers(
    markers: Sequence[ReaperMarker], negative_prompt: str
) -> list[tuple[ReaperMarker, StemTrack]]:
    """The regions and markers that ask for sound, by the rule for markers that holds in every host.

    negative_prompt: for those that have none of their own.
    """
    parsed = [(marker, parse_marker_cue(otio.schema.Marker(name=marker.name))) for marker in markers]
    cues = [(marker, cue) for marker, cue in parsed if cue is not None]
    only_named = any(cue.is_explicit for _, cue in cues)
    return [
        (marker, replace(cue.stem_track, negative_prompt=cue.stem_track.negative_prompt or negative_prompt))
        for marker, cue in cues
        if cue.is_explicit or not only_named
    ]


def _iter_record_ranges(
    marker: ReaperMarker, shots: Iterable[Shot], built: ReaperTimeline
) -> Iterator[tuple[Fraction, Fraction]]:
    """The parts of shots that a region or marker means. Slivers shorter than half a frame are left out: a region that was
    drawn up to a cut ends a rounding error beyond it.
    """
    start_s, end_s = built.snap(marker.start_s), built.snap(marker.end_s)
    shortest_s = 1 / (2 * built.clock.frame_rate_hz)
    for shot in shots:
        if not marker.is_region:
            if shot.record_start_s - SAME_S <= start_s < shot.record_end_s - SAME_S:
                yield shot.record_start_s, shot.record_end_s
            continue
        part = max(start_s, shot.record_start_s), min(end_s, shot.record_end_s)
        if part[1] - part[0] >= shortest_s:
            yield part


def merge_sheets(built: ReaperTimeline, sheets: Iterable[CueSheet], problems: Sequence[str]) -> SpottedItems:
    """One sheet of several, with ids that are unique in all of it and record times that are REAPER's positions."""
    cues: list[Cue] = []
    spans: dict[str, ItemSpan] = {}
    notices = list(problems)
    tracks: dict[str, None] = {}
    for sheet in sheets:
        tracks.update(dict.fromkeys(sheet.tracks))
        notices += [f"{skipped.name}: {skipped.reason}" for skipped in sheet.skipped if skipped.is_fault]
        for cue in sheet.cues:
            cue_id, count = cue.id, 1
            while cue_id in spans:
                count += 1
                cue_id = f"{cue.id}-{count}"
            clip = limit_denominators(cue.clip)
            notices += [f"{clip.name}: {warning}" for warning in clip.warnings]
            spans[cue_id] = built.picture_tracks[clip.video_track].find(clip.record_start_s)
            clip = replace(clip, record_start_s=clip.record_start_s - built.lead_s)
            cues.append(replace(cue, id=cue_id, clip=clip))
    return SpottedItems(
        sheet=CueSheet(clock=built.clock, tracks=tuple(tracks), cues=tuple(cues)),
        spans=spans,
        notices=tuple(dict.fromkeys(notices)),
    )


def limit_denominators(clip: SpottedClip) -> SpottedClip:
    """The same clip in rationals that the daemon takes, with handles or without; off by a billionth of a second at worst."""
    sound_media_start_s = clip.sound_media_start_s.limit_denominator(_MAX_DENOMINATOR)
    return replace(
        clip,
        media_start_s=sound_media_start_s + clip.speed * clip.handle_before_s,
        duration_s=clip.duration_s.limit_denominator(_MAX_DURATION_DENOMINATOR),
        # Items in REAPER need not lie on frames, so the warning that one does not would be raised for most of them.
        warnings=tuple(warning for warning in clip.warnings if warning != OFF_FRAME_WARNING),
    )

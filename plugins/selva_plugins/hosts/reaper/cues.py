"""From a REAPER timeline to cue sheets, each cue tied to the item it follows."""

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
from selva_plugins.hosts.reaper.snapshot import ReaperSpan
from selva_plugins.hosts.reaper.timeline import SAME_S, ItemSpan, ReaperTimeline

# The daemon takes rationals with denominators below 2**31, and handles add up to 60,000 to that of a duration.
_MAX_DENOMINATOR = 1_000_000_000
_MAX_DURATION_DENOMINATOR = 30_000


@dataclass(frozen=True, kw_only=True)
class SpottedItems:
    """A cue sheet, the stretch of picture that each cue is for, and sentences about what was left out."""

    sheet: CueSheet
    stretches: dict[str, ItemSpan]
    notices: tuple[str, ...]


def spot_items(built: ReaperTimeline, wishes: HostForm) -> SpottedItems:
    """Every sound over every item, each lane looked at by itself: an item that lies under another is meant too.

    Raises NothingToRenderError.
    """
    sheets: list[CueSheet] = []
    problems: list[str] = []
    for name in built.lanes:
        options = SpotOptions(
            video_track=name, handles_s=wishes.handles_s, use_markers=False, use_metadata=False
        )
        try:
            sheets.append(
                spot_timeline(
                    built.timeline, wishes.sounds, base_folder=Path(), options=options, clock=built.clock
                )
            )
        except NothingToSpotError as error:
            problems.append(error.message)
    if not sheets:
        raise NothingToRenderError("; ".join(problems[:5]))
    return _gather(built, sheets, problems)


def spot_spans(built: ReaperTimeline, spans: Sequence[ReaperSpan], wishes: HostForm) -> SpottedItems:
    """A region named "Dog: small dog barking" is a cue over the picture seen in it; a marker is one over the shot it is on.

    Raises NothingToRenderError.
    """
    rows: list[CueSheetRow] = []
    problems: list[str] = []
    shots = resolve_picture(iter_picture_tracks(built.timeline)).shots
    for span, sound in _read_spans(spans, wishes.negative_prompt):
        found = list(_iter_record_ranges(span, shots, built))
        kind = "region" if span.is_region else "marker"
        if not found:
            problems.append(f"{kind} {span.name!r} has no picture under it")
        rows += [
            CueSheetRow(
                stem_track=sound,
                origin=f"{kind} {span.name!r}",
                clip_pattern=None,
                record_from=str(start_s),
                record_to=str(end_s),
            )
            for start_s, end_s in found
        ]
    if not rows:
        names = ", ".join(repr(span.name) for span in spans[:5]) or "none at all"
        told = "; ".join(problems[:3]) or f"there are {names}"
        raise NothingToRenderError(
            f'no region or marker reads like "Dog: small dog barking" over a picture: {told}'
        )
    options = SpotOptions(handles_s=wishes.handles_s, use_markers=False, use_metadata=False)
    sheet = spot_timeline(built.timeline, base_folder=Path(), rows=rows, options=options, clock=built.clock)
    return _gather(built, [sheet], problems)


def _read_spans(spans: Sequence[ReaperSpan], negative_prompt: str) -> list[tuple[ReaperSpan, StemTrack]]:
    """The spans that ask for sound, by the rule for markers that holds in every host.

    `negative_prompt` speaks for those that do not say themselves what is not to be heard.
    """
    read = [(span, parse_marker_cue(otio.schema.Marker(name=span.name))) for span in spans]
    cues = [(span, cue) for span, cue in read if cue is not None]
    only_named = any(cue.is_named for _, cue in cues)
    return [
        (span, replace(cue.stem_track, negative_prompt=cue.stem_track.negative_prompt or negative_prompt))
        for span, cue in cues
        if cue.is_named or not only_named
    ]


def _iter_record_ranges(
    span: ReaperSpan, shots: Iterable[Shot], built: ReaperTimeline
) -> Iterator[tuple[Fraction, Fraction]]:
    """The parts of shots that a span means; slivers shorter than half a frame are float dust."""
    start_s, end_s = built.snap(span.start_s), built.snap(span.end_s)
    shortest_s = 1 / (2 * built.clock.frame_rate_hz)
    for shot in shots:
        if not span.is_region:
            if shot.record_start_s - SAME_S <= start_s < shot.record_end_s - SAME_S:
                yield shot.record_start_s, shot.record_end_s
            continue
        part = max(start_s, shot.record_start_s), min(end_s, shot.record_end_s)
        if part[1] - part[0] >= shortest_s:
            yield part


def _gather(built: ReaperTimeline, sheets: Iterable[CueSheet], problems: Sequence[str]) -> SpottedItems:
    """One sheet of several; ids are made unique over all of them."""
    cues: list[Cue] = []
    stretches: dict[str, ItemSpan] = {}
    notices = list(problems)
    tracks: dict[str, None] = {}
    for sheet in sheets:
        tracks.update(dict.fromkeys(sheet.tracks))
        notices += [f"{unseen.name}: {unseen.reason}" for unseen in sheet.skipped if unseen.is_fault]
        for cue in sheet.cues:
            cue_id, count = cue.id, 1
            while cue_id in stretches:
                count += 1
                cue_id = f"{cue.id}-{count}"
            clip = _tidy(cue.clip)
            notices += [f"{clip.name}: {warning}" for warning in clip.warnings]
            stretches[cue_id] = built.lanes[clip.video_track].find(clip.record_start_s)
            cues.append(replace(cue, id=cue_id, clip=clip))
    return SpottedItems(
        sheet=CueSheet(clock=built.clock, tracks=tuple(tracks), cues=tuple(cues)),
        stretches=stretches,
        notices=tuple(dict.fromkeys(notices)),
    )


def _tidy(clip: SpottedClip) -> SpottedClip:
    """The same clip in rationals that the daemon takes, handles added or not; off by a billionth of a second at worst."""
    sound_media_start_s = clip.sound_media_start_s.limit_denominator(_MAX_DENOMINATOR)
    return replace(
        clip,
        media_start_s=sound_media_start_s + clip.speed * clip.handle_before_s,
        duration_s=clip.duration_s.limit_denominator(_MAX_DURATION_DENOMINATOR),
        # REAPER items lie anywhere, so what editors of frames want to be warned of is no news here.
        warnings=tuple(warning for warning in clip.warnings if warning != OFF_FRAME_WARNING),
    )

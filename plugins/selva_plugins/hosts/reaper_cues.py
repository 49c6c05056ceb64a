"""From a REAPER timeline to cue sheets, each cue tied to the item it follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
from selva_otio import Cue, CueSheet, SpotOptions, SpottedClip, spot_timeline
from selva_otio.errors import CueError, NothingToSpotError

from selva_plugins.errors import NothingToRenderError, WishesError
from selva_plugins.hosts.reaper_snapshot import ReaperSpan
from selva_plugins.hosts.reaper_timeline import ReaperTimeline, Stretch
from selva_plugins.wishes import Wishes, parse_sound

# REAPER items lie anywhere, so what editors of frames want to be warned of is no news here.
_OFF_GRID = "it does not start on a frame of the timeline"

# The daemon takes rationals with denominators below 2**31; this is a billionth of a second at worst.
_MAX_DENOMINATOR = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class SpottedItems:
    """A cue sheet, the stretch of picture that each cue is for, and sentences about what was left out."""

    sheet: CueSheet
    stretches: dict[str, Stretch]
    notices: tuple[str, ...]


def spot_items(built: ReaperTimeline, wishes: Wishes) -> SpottedItems:
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


def spot_spans(built: ReaperTimeline, spans: Sequence[ReaperSpan], wishes: Wishes) -> SpottedItems:
    """A region named "Dog: small dog barking" is a cue over the picture seen in it; a marker is one over the shot it is on.

    Raises NothingToRenderError, CueError.
    """
    timeline = built.timeline.clone()
    for span in spans:
        start_s, end_s = built.snap(span.start_s), built.snap(span.end_s)
        timeline.tracks.markers.append(
            otio.schema.Marker(name=span.name, marked_range=built.clock.time_range(start_s, end_s - start_s))
        )
    options = SpotOptions(handles_s=wishes.handles_s, use_metadata=False)
    try:
        sheet = spot_timeline(timeline, base_folder=Path(), options=options, clock=built.clock)
    except CueError as error:
        names = ", ".join(repr(span.name) for span in spans[:5]) or "none at all"
        raise NothingToRenderError(
            f'no region or marker reads like "Dog: small dog barking" over a picture; there are {names}'
        ) from error
    cues = tuple(_read_again(cue, wishes.negative_prompt) for cue in sheet.cues)
    return _gather(built, [replace(sheet, cues=cues)], list(sheet.warnings))


def _read_again(cue: Cue, negative_prompt: str) -> Cue:
    """The prompt of a marker may say what is not to be heard, as a line of the dialog may."""
    try:
        sound = parse_sound(f"{cue.track}: {cue.prompt}", negative_prompt=negative_prompt)
    except WishesError:
        return replace(cue, negative_prompt=negative_prompt)
    return replace(cue, prompt=sound.prompt, negative_prompt=sound.negative_prompt)


def _gather(built: ReaperTimeline, sheets: Iterable[CueSheet], problems: Sequence[str]) -> SpottedItems:
    """One sheet of several; ids are made unique over all of them."""
    cues: list[Cue] = []
    stretches: dict[str, Stretch] = {}
    notices = list(problems)
    tracks: dict[str, None] = {}
    for sheet in sheets:
        tracks.update(dict.fromkeys(sheet.tracks))
        notices += [f"{unseen.name}: {unseen.reason}" for unseen in sheet.unseen if unseen.is_fault]
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
    return replace(
        clip,
        media_start_s=_round(clip.media_start_s),
        speed=_round(clip.speed),
        record_start_s=_round(clip.record_start_s),
        duration_s=_round(clip.duration_s),
        warnings=tuple(warning for warning in clip.warnings if warning != _OFF_GRID),
    )


def _round(value: Fraction) -> Fraction:
    return value.limit_denominator(_MAX_DENOMINATOR)

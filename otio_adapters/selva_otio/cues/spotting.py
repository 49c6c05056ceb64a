"""Spotting: from a timeline and its prompts to a cue sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.limits import MAX_HANDLES_S
from selva_core.base.misspelling import suggest
from selva_otio.cues.cue_sheet import Cue, CueBuilder, CueSheet, SpottedClip, StemTrack, check_stem_tracks
from selva_otio.cues.markers import SELVA_COLOUR, MarkerReader
from selva_otio.cues.metadata import (
    CLIP_RANK,
    TIMELINE_RANK,
    TRACK_RANK,
    iter_carried_rows,
    iter_metadata_rules,
)
from selva_otio.cues.rules import TRACK_PROMPT, CueRule, CueRuleIndex, choose_rules
from selva_otio.cues.sheet_files import CueSheetRow
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.errors import CueError, NoPromptError, NothingToSpotError
from selva_otio.metadata import has_markers_on_media_clock
from selva_otio.picture.media_search import MediaLookup
from selva_otio.picture.shots import Picture, Shot, ShotIndex, SkippedItem
from selva_otio.picture.visible_shots import iter_picture_tracks, resolve_picture
from selva_otio.time.clock import TimelineClock, build_timeline_clock
from selva_otio.time.item_times import read_item_rates_hz


@dataclass(frozen=True, kw_only=True)
class SpotOptions:
    """How a timeline is spotted. Raises CueError for handles outside 0..60 s.

    video_track: the name of the one track to spot; None for all video tracks, as a viewer sees them from above. handles_s:
    sound made before and after each clip, as far as its media goes. use_markers, use_metadata: whether cues are read from
    the timeline itself. marker_colour: an OpenTimelineIO colour, or one that a marker of the timeline has; where a
    timeline has markers of it (or with a name that begins with "Selva"), only they are cues. Another colour than the default is
    chosen by a person, so that without such markers none are cues.
    """

    video_track: str | None = None
    handles_s: Fraction = Fraction(0)
    use_markers: bool = True
    use_metadata: bool = True
    marker_colour: str = SELVA_COLOUR

    def __post_init__(self) -> None:
        if not 0 <= self.handles_s <= MAX_HANDLES_S:
            raise CueError(f"handles last 0 to {MAX_HANDLES_S} s; got {float(self.handles_s):g} s")


def spot_timeline(
    timeline: otio.schema.Timeline,
    tracks: Iterable[StemTrack] = (),
    *,
    base_folder: Path,
    rows: Iterable[CueSheetRow] = (),
    options: SpotOptions | None = None,
    clock: TimelineClock | None = None,
    media: MediaLookup | None = None,
) -> CueSheet:
    """The cue sheet of a timeline, which itself is not changed.

    tracks: prompts for every clip. base_folder: where relative media URLs start, the folder of the timeline's file. rows: of
    a cue sheet file. clock: only where the caller knows the record clock better than the timeline says it. media: where
    media is that is not at its URL (`OpenTimeline.media`). Markers and
    metadata of the timeline are read too; `selva_otio.cues.rules` says which source has precedence.

    Raises NothingToSpotError where no picture is left, CueError for cues that are not allowed or missing,
    TimelineReadError for a timeline whose times contradict each other.
    """
    options = options or SpotOptions()
    stem_tracks = check_stem_tracks(tracks)
    picture_tracks = _choose_picture_tracks(timeline, options.video_track)
    clock = clock or build_timeline_clock(timeline, read_item_rates_hz(picture_tracks))
    picture = resolve_picture(picture_tracks)
    spotter = _Spotter(
        timeline,
        picture_tracks,
        picture,
        options=options,
        shot_spotter=ShotSpotter(
            clock=clock,
            media=media or MediaLookup(base_folder=base_folder),
            handles_s=options.handles_s,
        ),
    )
    return spotter.spot(stem_tracks, rows)


class _Spotter:
    """Spots one timeline."""

    def __init__(
        self,
        timeline: otio.schema.Timeline,
        picture_tracks: Sequence[otio.schema.Track],
        picture: Picture,
        *,
        options: SpotOptions,
        shot_spotter: ShotSpotter,
    ) -> None:
        self._timeline = timeline
        self._picture_tracks = picture_tracks
        self._picture = picture
        self._shots = ShotIndex(picture.shots)
        self._options = options
        self._shot_spotter = shot_spotter
        self._clock = shot_spotter.clock
        self._markers = MarkerReader(
            clock=self._clock,
            colour=options.marker_colour,
            items=[
                *(timeline.tracks, *picture_tracks, *(shot.clip for shot in picture.shots)),
                *{id(nest.item): nest.item for shot in picture.shots for nest in shot.nests}.values(),
            ]
            if options.use_markers
            else None,
            others=_iter_marked(picture_tracks) if options.use_markers else (),
            on_media_clock=has_markers_on_media_clock(timeline),
        )
        self._used_rules: set[int] = set()
        self._track_names: dict[str, str] = {}

    def spot(self, tracks: Sequence[StemTrack], rows: Iterable[CueSheetRow]) -> CueSheet:
        rules = [
            *(CueRule(source=TRACK_PROMPT, stem_track=track, origin="track prompt") for track in tracks),
            *(row.to_rule(self._clock) for row in rows),
            *self._timeline_rules(),
        ]
        skipped = list(self._picture.skipped)
        builder = CueBuilder()
        cues: list[Cue] = []
        num_clips = 0
        has_rules = bool(rules)
        index = CueRuleIndex(rules, self._shots)
        self._name_tracks(rules)
        for shot in self._shots:
            own_rules = list(self._shot_rules(shot))
            self._name_tracks(own_rules)
            has_rules = has_rules or bool(own_rules)
            clip = self._shot_spotter.spot(shot)
            if isinstance(clip, SkippedItem):
                skipped.append(clip)
                continue
            num_clips += 1
            shot_rules = [*index.find(shot, clip.media_path), *own_rules]
            cues.extend(self._spot_cues(shot, clip, shot_rules, builder))
        self._check_found(has_rules=has_rules, num_clips=num_clips, cues=cues, skipped=skipped)
        return CueSheet(
            clock=self._clock,
            tracks=tuple(self._track_names.values()),
            cues=tuple(cues),
            skipped=tuple(
                sorted((_excuse(item, rules) for item in skipped), key=lambda item: item.record_start_s)
            ),
            warnings=tuple(self._warnings(rules)),
        )

    def _timeline_rules(self) -> Iterator[CueRule]:
        timeline = self._timeline
        if self._options.use_metadata:
            yield from iter_metadata_rules(timeline, rank=TIMELINE_RANK, origin="metadata of the timeline")
            yield from (row.to_rule(self._clock) for row in iter_carried_rows(timeline))
        if self._options.use_markers:
            for item in (timeline.tracks, *self._picture_tracks):
                yield from self._markers.iter_timeline_rules(item, self._shots)

    def _shot_rules(self, shot: Shot) -> Iterator[CueRule]:
        if self._options.use_metadata:
            origin = f"metadata of clip {shot.clip.name!r}"
            yield from iter_metadata_rules(shot.clip, rank=CLIP_RANK, origin=origin)
            origin = f"metadata of track {shot.track_name!r}"
            yield from iter_metadata_rules(shot.track, rank=TRACK_RANK, origin=origin)
        if self._options.use_markers:
            yield from self._markers.iter_clip_rules(shot)

    def _name_tracks(self, rules: Iterable[CueRule]) -> None:
        """Note stem tracks in the order they appear, each with its first spelling; case does not count."""
        for rule in rules:
            self._track_names.setdefault(rule.stem_track.name.casefold(), rule.stem_track.name)

    def _spot_cues(
        self, shot: Shot, whole: SpottedClip, rules: Sequence[CueRule], builder: CueBuilder
    ) -> Iterator[Cue]:
        for match in choose_rules(shot, whole.media_path, rules):
            rule = match.rule
            self._used_rules.add(id(rule))
            stem_track, name = rule.stem_track, self._track_names[rule.stem_track.name.casefold()]
            if stem_track.name != name:
                stem_track = replace(stem_track, name=name)
            is_whole = (match.start_s, match.end_s) == (shot.record_start_s, shot.record_end_s)
            clip = whole if is_whole else self._shot_spotter.spot(shot.trim(match.start_s, match.end_s))
            if isinstance(clip, SpottedClip):
                yield builder.build_cue(clip, stem_track, rule.source)

    def _check_found(
        self, *, has_rules: bool, num_clips: int, cues: Sequence[Cue], skipped: Sequence[SkippedItem]
    ) -> None:
        if not has_rules:
            raise NoPromptError(
                "nothing says what to hear: name a track (--track 'Dog=small dog barking'), give a cue sheet, "
                "or set markers that read 'Dog: small dog barking'"
            )
        if not num_clips:
            raise NothingToSpotError(_explain_nothing(self._timeline, skipped))
        if not cues:
            raise CueError("no cue lies on a clip with picture; check the clip names and times of the cues")

    def _warnings(self, rules: Sequence[CueRule]) -> Iterator[str]:
        yield from (
            f"{rule.origin}: its cue for {rule.stem_track.name!r} is not used: no clip matches it, "
            "or another source has precedence"
            for rule in rules
            if id(rule) not in self._used_rules and rule.source != TRACK_PROMPT
        )
        yield from self._markers.warnings
        yield from self._shot_spotter.media.warnings


def _choose_picture_tracks(
    timeline: otio.schema.Timeline, video_track: str | None
) -> Sequence[otio.schema.Track]:
    tracks = list(iter_picture_tracks(timeline))
    if not tracks:
        kinds = sorted({str(getattr(child, "kind", child.schema_name())) for child in timeline.tracks})
        found = f"it has only {', '.join(kinds)} tracks" if kinds else "it is empty"
        raise NothingToSpotError(f"timeline {timeline.name!r} has no video track: {found}")
    if video_track is None:
        return tracks
    chosen = [track for track in tracks if track.name == video_track]
    if not chosen:
        names = ", ".join(repr(track.name) for track in tracks)
        like = suggest(video_track, (track.name for track in tracks))
        raise NothingToSpotError(f"no video track is named {video_track!r}; there are {names}{like}")
    return chosen


def _iter_marked(tracks: Sequence[otio.schema.Track]) -> Iterator[otio.core.Item]:
    """The items of some tracks that have markers, however deep."""
    for track in tracks:
        for item in track.find_children(descended_from_type=otio.core.Item):
            if len(item.markers):
                yield item


def _excuse(item: SkippedItem, rules: Sequence[CueRule]) -> SkippedItem:
    """A fault of a clip that no rule applies to is only a note: no sound was wanted there."""
    if not item.is_fault or any(_concerns(rule, item) for rule in rules):
        return item
    return item.as_note()


def _concerns(rule: CueRule, item: SkippedItem) -> bool:
    starts_late = rule.record_start_s is not None and item.record_start_s < rule.record_start_s
    ends_early = rule.record_end_s is not None and item.record_start_s >= rule.record_end_s
    return rule.matches_name(item.name) and not starts_late and not ends_early


def _explain_nothing(timeline: otio.schema.Timeline, skipped: Sequence[SkippedItem]) -> str:
    if not skipped:
        return f"timeline {timeline.name!r} has no clip on its video tracks"
    shown = "; ".join(f"{item.name!r}: {item.reason}" for item in skipped[:5])
    more = f"; and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    return f"no clip of timeline {timeline.name!r} has picture to make sound for: {shown}{more}"

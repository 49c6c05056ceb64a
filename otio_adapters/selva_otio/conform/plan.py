"""The plan of a conform: which stem goes where, and which cues must be rendered because no stem reaches them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from selva_otio.conform.cut_reading import (
    OldStem,
    ReadCut,
    ReadShot,
    ShotsOfTracks,
    list_stem_tracks,
    read_stems,
)
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.media_matching import MediaMatches, SameContent, match_media
from selva_otio.conform.shot_matching import CutMatch, ShotMatch, match_cuts
from selva_otio.conform.stem_fitting import FittedStem, StemSpot, fit_stem
from selva_otio.conform.stem_ranges import measure_reach, merge, read_as_placed, retime, subtract
from selva_otio.cues.cue_sheet import Cue, CueBuilder, CueSheet, SpottedClip, StemTrack
from selva_otio.cues.rules import TRACK_PROMPT
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.errors import CueError, NothingToSpotError
from selva_otio.formats.stem_metadata import read_gain_db
from selva_otio.placement.place_stems import Stem

CONFORMED = "earlier render"
"""The source of cues that are rendered because a stem of the old cut does not reach them."""
REMOVED, TRIMMED_AWAY, RETIMED, NO_PICTURE = (
    "its shot is not in the new cut",
    "its picture was trimmed away",
    "its shot plays at another speed",
    "the old cut shows no picture",
)

_Range = tuple[Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class LongerTakes:
    """Takes of a stem that was made longer for the new cut, in place of those that it had. head_s: by how much their files begin
    earlier.
    """

    head_s: Fraction
    takes: tuple[Stem, ...]


@dataclass(frozen=True, kw_only=True)
class StemMove:
    """A stem, or a part of it, in the new cut. cue: what it is a stem of there; None for what an editor put on the track.
    longer: its takes, where it was made longer.
    """

    stem: OldStem
    new: ReadShot
    heard_s: _Range
    file_start_s: Fraction
    cue: Cue | None = None
    as_placed_s: _Range | None = None
    longer: LongerTakes | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """What happens to it: kept, or moved, trimmed, extended."""
        spot = self.stem.spot
        added_s = Fraction(0) if self.longer is None else self.longer.head_s
        shift_s = self.file_start_s + added_s - spot.file_start_s
        head_s = spot.start_s + shift_s - self.heard_s[0]
        tail_s = self.heard_s[1] - spot.end_s - shift_s
        named = {
            "moved": shift_s != 0,
            "trimmed": head_s < 0 or tail_s < 0,
            "extended": head_s > 0 or tail_s > 0,
        }
        return tuple(name for name, holds in named.items() if holds) or ("kept",)


@dataclass(frozen=True, kw_only=True)
class DroppedStem:
    """A stem that has no place in the new cut, and why; its file stays where it is."""

    stem: OldStem
    reason: str


@dataclass(frozen=True, kw_only=True)
class ConformPlan:
    """What a conform does.

    moves: in record order. dropped: stems that are not in the new cut. sheet: what must be rendered. spotter: of the new cut,
    with the handles that stems get. without_prompt: new shots that nothing says a sound for.
    """

    old: ReadCut
    new: ReadCut
    match: CutMatch
    media: MediaMatches
    moves: tuple[StemMove, ...]
    dropped: tuple[DroppedStem, ...]
    sheet: CueSheet
    spotter: ShotSpotter
    without_prompt: tuple[ReadShot, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.media.warnings, *self.sheet.warnings)


def plan_conform(
    old: ReadCut,
    new: ReadCut,
    *,
    spotter: ShotSpotter,
    wanted: CueSheet | None = None,
    relinked: Mapping[str, str] | None = None,
    has_same_content: SameContent = lambda _old, _new: None,
    stems: Sequence[OldStem] | None = None,
) -> ConformPlan:
    """Plan to bring the stems of `old` to `new`; neither timeline is changed.

    spotter: of the new cut, with the handles that new stems get. wanted: cues that the user or the new cut names; they count on
    new shots, and everywhere for stem tracks that the old cut does not have. relinked: new media path to old one. stems: those
    of `old` where a host knows them, each with its shot; else what lies on its stem tracks.

    Raises CueError where the old cut has no stems, NothingToSpotError where one of the cuts has no shots.
    """
    stems = read_stems(old) if stems is None else stems
    if not stems:
        raise CueError(
            f"timeline {old.timeline.name!r} has no stems of Selva to conform; give the timeline that "
            "`selva render` wrote as OLD"
        )
    for cut in (old, new):
        if not cut.shots:
            raise NothingToSpotError(f"timeline {cut.timeline.name!r} has no shot with media to conform")
    media = match_media(old.cut_shots, new.cut_shots, relinked=relinked, has_same_content=has_same_content)
    match = match_cuts(
        old.cut_shots,
        media.rename(new.cut_shots),
        frame_rate_hz=new.clock.frame_rate_hz,
        reach=measure_reach(stems, old.clock.frame_rate_hz),
    )
    planner = _Planner(old, new, match, stems, spotter)
    planner.move_stems()
    planner.add_wanted(wanted)
    return ConformPlan(
        old=old,
        new=new,
        match=match,
        media=media,
        moves=tuple(planner.moves),
        dropped=tuple(planner.iter_dropped()),
        sheet=planner.build_sheet(wanted),
        spotter=spotter,
        without_prompt=tuple(planner.iter_without_prompt()),
    )


@dataclass(frozen=True, kw_only=True)
class _Needed:
    """A record range of a new shot that a stem track should have sound for."""

    shot: ReadShot
    stem_track: StemTrack
    range_s: _Range
    source: str = CONFORMED


@dataclass(kw_only=True)
class _ShotStems:
    """What one stem track has, and lacks, on one new shot."""

    stem_track: StemTrack
    heard: list[_Range] = field(default_factory=list)
    missing: list[_Range] = field(default_factory=list)


class _Planner:
    """Plans one conform, shot by shot."""

    def __init__(
        self,
        old: ReadCut,
        new: ReadCut,
        match: CutMatch,
        stems: Sequence[OldStem],
        spotter: ShotSpotter,
    ) -> None:
        self._old, self._new, self._match, self._spotter = old, new, match, spotter
        self._stems = stems
        self._track_names = {
            name.casefold(): name
            for name in (*list_stem_tracks(old.timeline), *(stem.track for stem in stems))
        }
        self._by_shot: dict[int, list[OldStem]] = defaultdict(list)
        for stem in stems:
            if stem.shot is not None:
                self._by_shot[stem.shot.cut.number].append(stem)
        self._builder = CueBuilder()
        self._is_spotted = spotter == new.spotter
        self._whole_clips: dict[int, SpottedClip | None] = {}
        self._half_frame_s = 1 / (2 * new.clock.frame_rate_hz)
        self._needed: list[_Needed] = []
        self._reasons: dict[int, str] = {}
        self._placed: set[int] = set()
        self.moves: list[StemMove] = []

    def move_stems(self) -> None:
        """Plan the moves, and note what the stems do not reach."""
        for match in self._match.matches:
            shot = self._new.shots[match.new.number]
            needs: dict[tuple[str, str, str], _ShotStems] = {}
            for segment in match.segments:
                for stem in self._by_shot.get(segment.old.number, ()):
                    fitted = self._fit(stem, stem.spot, match, segment)
                    if fitted.heard_s is not None:
                        as_placed = self._fit_as_placed(stem, match, segment)
                        self._add_move(stem, shot, fitted.heard_s, fitted.file_start_s, as_placed)
                    elif not fitted.missing:
                        self._reasons.setdefault(id(stem), TRIMMED_AWAY)
                    if stem.is_stem and stem.placed.item.enabled:
                        _note_need(needs, stem, fitted)
            for need in needs.values():
                for range_s in subtract(merge(need.missing), merge(need.heard)):
                    self._need(shot, need.stem_track, range_s, CONFORMED)
            if match.retimed_from is not None:
                self._render_anew(match.retimed_from, shot)
        self.moves.sort(key=lambda move: move.heard_s[0])

    def _fit(self, stem: OldStem, spot: StemSpot, match: ShotMatch, segment: Any) -> FittedStem:
        if stem.rate is None:
            start_s = spot.start_s + segment.shift_s
            is_there = segment.start_s <= start_s < segment.end_s
            heard_s = (start_s, spot.end_s + segment.shift_s) if is_there else None
            return FittedStem(heard_s=heard_s, file_start_s=spot.file_start_s + segment.shift_s)
        return fit_stem(spot, segment.old, segment, match.new, frame_rate_hz=self._new.clock.frame_rate_hz)

    def _fit_as_placed(self, stem: OldStem, match: ShotMatch, segment: Any) -> FittedStem | None:
        """The same for the stem as it had been placed, by which a later render sees what an editor has changed."""
        spot = read_as_placed(stem)
        return None if spot is None else self._fit(stem, spot, match, segment)

    def _add_move(
        self,
        stem: OldStem,
        shot: ReadShot,
        heard_s: _Range,
        file_start_s: Fraction,
        as_placed: FittedStem | None,
    ) -> None:
        as_placed_s = as_placed.heard_s if as_placed is not None else None
        cue = None
        if stem.is_stem:
            clip = self._clip_of(shot, as_placed_s or heard_s)
            if clip is not None:
                cue = self._builder.build_cue(clip, read_stem_track(stem), CONFORMED)
        self._placed.add(id(stem))
        self.moves.append(
            StemMove(
                stem=stem,
                new=shot,
                heard_s=heard_s,
                file_start_s=file_start_s,
                cue=cue,
                as_placed_s=as_placed_s,
            )
        )

    def _clip_of(self, shot: ReadShot, range_s: _Range) -> SpottedClip | None:
        """The part of a new shot as a spotted clip, with handles; None where the range has nothing of it."""
        start_s = max(range_s[0], shot.shot.record_start_s)
        end_s = min(range_s[1], shot.shot.record_end_s)
        if end_s <= start_s:
            return None
        if (start_s, end_s) != (shot.shot.record_start_s, shot.shot.record_end_s):
            clip = self._spotter.spot(shot.shot.trim(start_s, end_s))
            return clip if isinstance(clip, SpottedClip) else None
        if self._is_spotted:
            return shot.clip
        number = shot.cut.number
        if number not in self._whole_clips:
            whole = self._spotter.spot(shot.shot)
            self._whole_clips[number] = whole if isinstance(whole, SpottedClip) else None
        return self._whole_clips[number]

    def _render_anew(self, old: CutShot, shot: ReadShot) -> None:
        """A retimed shot gets the sounds of the old one, over the same frames as far as they are seen."""
        for stem in self._by_shot.get(old.number, ()):
            self._reasons.setdefault(id(stem), RETIMED)
            if stem.is_stem and stem.placed.item.enabled:
                range_s = retime(stem.spot, old, shot.cut, self._half_frame_s)
                if range_s is not None:
                    self._need(shot, read_stem_track(stem), range_s, CONFORMED)

    def _need(self, shot: ReadShot, stem_track: StemTrack, range_s: _Range, source: str) -> None:
        self._needed.append(_Needed(shot=shot, stem_track=stem_track, range_s=range_s, source=source))

    def add_wanted(self, wanted: CueSheet | None) -> None:
        """Add the cues that the user or the new cut names; new shots without one get the prompts that every old shot has."""
        fresh = self._fresh_numbers()
        named: dict[int, set[str]] = defaultdict(set)
        shots = ShotsOfTracks(self._new.shots)
        for cue in wanted.cues if wanted is not None else ():
            shot = shots.find(cue.clip.record_start_s, cue.clip.video_track)
            if shot is None:
                continue
            is_fresh = shot.cut.number in fresh
            if is_fresh or cue.track.casefold() not in self._track_names:
                named[shot.cut.number].add(cue.track.casefold())
                track = StemTrack(
                    name=cue.track,
                    prompt=cue.prompt,
                    negative_prompt=cue.negative_prompt,
                    num_takes=cue.num_takes,
                    gain_db=cue.gain_db,
                )
                self._need(shot, track, (cue.clip.record_start_s, cue.clip.record_end_s), cue.source)
        for stem_track in self._find_general_prompts():
            for number in fresh:
                if stem_track.name.casefold() not in named[number]:
                    shot = self._new.shots[number]
                    range_s = (shot.cut.record_start_s, shot.cut.record_end_s)
                    self._need(shot, stem_track, range_s, TRACK_PROMPT)

    def _fresh_numbers(self) -> list[int]:
        """Shots that show nothing of the old cut."""
        return [
            match.new.number
            for match in self._match.matches
            if not match.segments and match.retimed_from is None
        ]

    def _find_general_prompts(self) -> Iterator[StemTrack]:
        """Stem tracks that have a stem of one and the same prompt on every shot of the old cut: the prompt was for all of it."""
        tracks: dict[str, dict[StemTrack, set[int]]] = defaultdict(lambda: defaultdict(set))
        for stem in self._stems:
            if stem.is_stem and stem.shot is not None:
                tracks[stem.track.casefold()][read_stem_track(stem)].add(stem.shot.cut.number)
        for prompts in tracks.values():
            for stem_track, numbers in prompts.items():
                if len(prompts) == 1 and len(numbers) == len(self._old.shots):
                    yield stem_track

    def iter_dropped(self) -> Iterator[DroppedStem]:
        for stem in self._stems:
            if id(stem) not in self._placed:
                reason = NO_PICTURE if stem.shot is None else self._reasons.get(id(stem), REMOVED)
                yield DroppedStem(stem=stem, reason=reason)

    def build_sheet(self, wanted: CueSheet | None) -> CueSheet:
        names = dict(self._track_names)
        cues = []
        for needed in sorted(self._needed, key=lambda needed: needed.range_s[0]):
            names.setdefault(needed.stem_track.name.casefold(), needed.stem_track.name)
            clip = self._clip_of(needed.shot, needed.range_s)
            if clip is not None:
                cues.append(self._builder.build_cue(clip, needed.stem_track, needed.source))
        return CueSheet(
            clock=self._new.clock,
            tracks=tuple(names.values()),
            cues=tuple(cues),
            skipped=tuple(sorted(self._new.skipped, key=lambda item: item.record_start_s)),
            warnings=() if wanted is None else wanted.warnings,
        )

    def iter_without_prompt(self) -> Iterator[ReadShot]:
        covered = {needed.shot.cut.number for needed in self._needed}
        return (self._new.shots[number] for number in self._fresh_numbers() if number not in covered)


def read_stem_track(stem: OldStem) -> StemTrack:
    """The stem track and prompt that a stem was made for, with as many takes as it has. Raises CueError."""
    noted = stem.placed.stem
    return StemTrack(
        name=stem.track,
        prompt=str(noted.get("prompt") or stem.track),
        negative_prompt=str(noted.get("negative_prompt") or ""),
        num_takes=len(noted.get("takes") or ()) or None,
        gain_db=read_gain_db(noted),
    )


def _note_need(needs: dict[tuple[str, str, str], _ShotStems], stem: OldStem, fitted: FittedStem) -> None:
    stem_track = read_stem_track(stem)
    key = stem_track.name.casefold(), stem_track.prompt, stem_track.negative_prompt
    need = needs.setdefault(key, _ShotStems(stem_track=stem_track))
    need.missing.extend(fitted.missing)
    if fitted.heard_s is not None:
        need.heard.append(fitted.heard_s)

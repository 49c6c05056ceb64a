"""Where cues come from, and which source has precedence.

There are four sources: rows of a cue sheet file, markers, metadata under `selva`, and prompts per track that hold for every
clip. Precedence: on one stem track and one clip, the first source in `SOURCES` that has a rule is used, with all its rules,
and the others are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path

from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.picture.shots import Shot, ShotIndex

CUE_SHEET, MARKER, METADATA, TRACK_PROMPT = "cue sheet", "marker", "metadata", "track prompt"
SOURCES = (CUE_SHEET, MARKER, METADATA, TRACK_PROMPT)

_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, kw_only=True)
class CueRule:
    """A stem track with its prompt, and the picture it is for.

    origin: where it was read, for messages. clip_pattern: the name of a clip or of its file, with * and ?; None for every
    clip. record_start_s, record_end_s: only this record range; None for the whole clip. rank: among rules of one source,
    those of the lowest rank win (metadata of a clip before that of its track). only_on: the one shot that is meant, where
    others are visible at the same time, as in a dissolve.
    """

    source: str
    stem_track: StemTrack
    origin: str
    clip_pattern: str | None = None
    record_start_s: Fraction | None = None
    record_end_s: Fraction | None = None
    rank: int = 0
    only_on: Shot | None = None

    @property
    def precedence(self) -> tuple[int, int]:
        """Lower wins."""
        return SOURCES.index(self.source), self.rank

    def matches_name(self, *names: str) -> bool:
        """Whether the pattern matches one of a clip's names; case does not count."""
        if self.clip_pattern is None:
            return True
        pattern = self.clip_pattern.casefold()
        return any(fnmatchcase(name.casefold(), pattern) for name in names)

    def record_range_on(self, shot: Shot) -> tuple[Fraction, Fraction] | None:
        """The part of a shot's record range that the rule is for; None where it has none."""
        if self.only_on is not None and self.only_on is not shot:
            return None
        start_s, end_s = shot.record_start_s, shot.record_end_s
        if self.record_start_s is not None:
            start_s = max(start_s, self.record_start_s)
        if self.record_end_s is not None:
            end_s = min(end_s, self.record_end_s)
        return (start_s, end_s) if start_s < end_s else None


class CueRuleIndex:
    """Finds the rules that may apply to a shot without comparing thousands of rules with each of thousands of shots."""

    def __init__(self, rules: Sequence[CueRule], shots: ShotIndex) -> None:
        self._rules = rules
        self._everywhere: list[int] = []
        self._by_shot: dict[int, list[int]] = {}
        self._by_name: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            if rule.only_on is not None:
                self._by_shot.setdefault(id(rule.only_on), []).append(number)
            elif rule.record_start_s is not None or rule.record_end_s is not None:
                for shot in shots.iter_overlapping(rule.record_start_s, rule.record_end_s):
                    self._by_shot.setdefault(id(shot), []).append(number)
            elif rule.clip_pattern is not None and not _WILDCARDS.intersection(rule.clip_pattern):
                self._by_name.setdefault(rule.clip_pattern.casefold(), []).append(number)
            else:
                self._everywhere.append(number)

    def find(self, shot: Shot, media_path: Path) -> list[CueRule]:
        """The rules that may apply to a shot, in the order they were given."""
        numbers = {*self._everywhere, *self._by_shot.get(id(shot), ())}
        for name in (shot.clip.name, media_path.name):
            numbers.update(self._by_name.get(name.casefold(), ()))
        return [self._rules[number] for number in sorted(numbers)]


@dataclass(frozen=True, kw_only=True)
class CueMatch:
    """A rule that applies to a shot, and the part of the shot's record range it is for."""

    rule: CueRule
    start_s: Fraction
    end_s: Fraction


def choose_rules(shot: Shot, media_path: Path, rules: Iterable[CueRule]) -> Iterator[CueMatch]:
    """The rules that apply to a shot: for each stem track, those of the source with precedence."""
    by_track: dict[str, list[CueMatch]] = {}
    for rule in rules:
        record_range = rule.record_range_on(shot)
        if record_range is not None and rule.matches_name(shot.clip.name, media_path.name):
            match = CueMatch(rule=rule, start_s=record_range[0], end_s=record_range[1])
            by_track.setdefault(rule.stem_track.name.casefold(), []).append(match)
    for matches in by_track.values():
        best = min(match.rule.precedence for match in matches)
        yield from (match for match in matches if match.rule.precedence == best)

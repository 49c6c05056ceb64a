"""Which medium of a new cut is which of the old one, also after files were moved, renamed or exported anew.

In this order: what the user gives; the same path; the same file name, unless both files are there and differ; the same content;
the same name with another suffix; clips that have the same names and show the same frames. Each answer names how it was found,
and a medium that nothing speaks for is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from selva_otio.conform.cut_shots import CutShot
from selva_otio.picture.media import is_windows_path

SameContent = Callable[[str, str], bool | None]
"""Whether two media files hold the same; None where one of them is not there."""

AS_GIVEN, SAME_PATH, SAME_NAME, SAME_CONTENT, SAME_STEM, SAME_CLIPS = (
    "as given",
    "same path",
    "same file name",
    "same content",
    "same name, another suffix",
    "same clips",
)


@dataclass(frozen=True, kw_only=True)
class MediaMatches:
    """sources: path in the new cut to the path in the old cut, and how it was found. warnings: sentences for the user."""

    sources: Mapping[str, tuple[str, str]]
    warnings: tuple[str, ...] = ()

    def rename(self, shots: Iterable[CutShot]) -> list[CutShot]:
        """The shots of the new cut with the media names of the old one."""
        return [
            replace(shot, media=self.sources[shot.media][0]) if shot.media in self.sources else shot
            for shot in shots
        ]

    def how_relinked(self, media: str) -> str:
        """How a medium of another path was found; empty for one that has its old path, or none."""
        how = self.sources.get(media, ("", ""))[1]
        return "" if how == SAME_PATH else how


def match_media(
    old: Sequence[CutShot],
    new: Sequence[CutShot],
    *,
    relinked: Mapping[str, str] | None = None,
    has_same_content: SameContent = lambda _old, _new: None,
) -> MediaMatches:
    """The media of two cuts. relinked: new path to old path, from the user."""
    finder = _MediaFinder(old, new, has_same_content)
    for new_media, old_media in (relinked or {}).items():
        finder.take_given(new_media, old_media)
    finder.find_same_paths()
    finder.find_same_names()
    finder.find_same_content()
    finder.find_same_stems()
    finder.find_same_clips()
    return MediaMatches(sources=finder.found, warnings=tuple(finder.warnings))


class _MediaFinder:
    """Finds pairs of media in steps; a medium that has its pair takes no part in the next steps.

    Two media of the new cut may be one of the old: the same file under two paths.
    """

    def __init__(self, old: Sequence[CutShot], new: Sequence[CutShot], has_same_content: SameContent) -> None:
        self._old_shots, self._new_shots = _group(old), _group(new)
        self._has_same_content = has_same_content
        self.found: dict[str, tuple[str, str]] = {}
        self.warnings: list[str] = []
        self._refused: set[tuple[str, str]] = set()

    def take(self, new_media: str, old_media: str, how: str) -> None:
        if new_media in self._new_shots and old_media in self._old_shots:
            self.found[new_media] = old_media, how

    def take_given(self, new_media: str, old_media: str) -> None:
        """A pair from the user; one that names media of no shot does nothing, and a warning says so."""
        self.take(new_media, old_media, AS_GIVEN)
        if new_media not in self.found:
            missing = (
                f"OLD shows {old_media}"
                if old_media not in self._old_shots
                else f"the new cut shows {new_media}"
            )
            self.warnings.append(f"--relink '{old_media}={new_media}' was not used: no shot of {missing}")

    def find_same_paths(self) -> None:
        for media in self._left_new():
            self.take(media, media, SAME_PATH)

    def find_same_names(self) -> None:
        by_name: dict[str, list[str]] = defaultdict(list)
        for media in self._left_old():
            by_name[_name_of(media)].append(media)
        for media in self._left_new():
            candidates = []
            for candidate in by_name.get(_name_of(media), ()):
                if self._has_same_content(candidate, media) is False:
                    self._refuse(candidate, media)
                else:
                    candidates.append(candidate)
            best = _nearest_folder(candidates, media)
            if best is not None:
                self.take(media, best, SAME_NAME)

    def find_same_content(self) -> None:
        for media in self._left_new():
            same = (each for each in self._left_old() if self._has_same_content(each, media))
            if (old_media := next(same, None)) is not None:
                self.take(media, old_media, SAME_CONTENT)

    def find_same_stems(self) -> None:
        for media in self._left_new():
            stem = PurePosixPath(_name_of(media)).stem
            same = [
                each
                for each in self._left_old()
                if PurePosixPath(_name_of(each)).stem == stem and (each, media) not in self._refused
            ]
            if len(same) == 1:
                self.take(media, same[0], SAME_STEM)

    def find_same_clips(self) -> None:
        """A pair whose shots agree in name and frames, or in the frames of two and more shots, and agree so with no other."""
        votes: dict[tuple[str, str], int] = {}
        for media in self._left_new():
            for old_media in self._left_old():
                number = self._count_votes(old_media, media)
                if number and (old_media, media) not in self._refused:
                    votes[old_media, media] = number
        for (old_media, media), number in votes.items():
            rivals = [
                other
                for pair, other in votes.items()
                if pair != (old_media, media) and (pair[0] == old_media or pair[1] == media)
            ]
            if number > max(rivals, default=0):
                self.take(media, old_media, SAME_CLIPS)

    def _count_votes(self, old_media: str, media: str) -> int:
        """Shots that agree; a shot that agrees in its clip's name too counts double, and one alone without it does not."""
        frames = {shot.picture[1:] for shot in self._old_shots[old_media]}
        named = {(shot.name.casefold(), *shot.picture[1:]) for shot in self._old_shots[old_media]}
        shots = self._new_shots[media]
        num_frames = sum(shot.picture[1:] in frames for shot in shots)
        num_named = sum((shot.name.casefold(), *shot.picture[1:]) in named for shot in shots)
        return num_frames + num_named if num_named or num_frames > 1 else 0

    def _refuse(self, old_media: str, media: str) -> None:
        self._refused.add((old_media, media))
        self.warnings.append(
            f"{media} has the name of {old_media} and another content, so its shots count as new; "
            f"if it is the same picture, say so: --relink '{old_media}={media}'"
        )

    def _left_old(self) -> list[str]:
        taken = {old_media for old_media, _ in self.found.values()}
        return [media for media in self._old_shots if media not in taken]

    def _left_new(self) -> list[str]:
        return [media for media in self._new_shots if media not in self.found]


def _group(shots: Sequence[CutShot]) -> dict[str, list[CutShot]]:
    grouped: dict[str, list[CutShot]] = defaultdict(list)
    for shot in shots:
        grouped[shot.media].append(shot)
    return dict(grouped)


def _parts_of(media: str) -> tuple[str, ...]:
    path: PurePath = PureWindowsPath(media) if is_windows_path(media) else PurePosixPath(media)
    return tuple(part.casefold() for part in path.parts)


def _name_of(media: str) -> str:
    """The file's name; of an image sequence also its folder, because those of many shots have one name."""
    parts = _parts_of(media)
    return "/".join(parts[-2:]) if "%" in parts[-1] else parts[-1]


def _nearest_folder(candidates: Sequence[str], media: str) -> str | None:
    """The candidate that shares the longest end of its path; None where there is none, or several do."""
    tails = sorted(((_common_tail(each, media), each) for each in candidates), reverse=True)
    if not tails or (len(tails) > 1 and tails[0][0] == tails[1][0]):
        return None
    return tails[0][1]


def _common_tail(one: str, other: str) -> int:
    number = 0
    for left, right in zip(reversed(_parts_of(one)), reversed(_parts_of(other)), strict=False):
        if left != right:
            break
        number += 1
    return number

"""The cue sheet: spans of picture, what to hear in them, and the stem tracks they are for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_otio.clock import TimelineClock
from selva_otio.errors import CueError
from selva_otio.picture import Unseen

MAX_TRACK_NAME_CHARS = 100
MAX_PROMPT_CHARS = 2000


@dataclass(frozen=True, kw_only=True)
class StemTrack:
    """A stem track and the prompt of all its cues. Raises CueError for what cannot be a name or a prompt."""

    name: str
    prompt: str
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise CueError(f"a stem track needs a name, as in Dog={self.prompt or 'small dog barking'}")
        if len(self.name) > MAX_TRACK_NAME_CHARS or not self.name.isprintable():
            raise CueError(
                f"a track name has 1 to {MAX_TRACK_NAME_CHARS} printable characters; got {self.name!r:.120}"
            )
        if not self.prompt.strip():
            raise CueError(f"track {self.name!r} needs a prompt that says what is heard; got an empty text")
        if max(len(self.prompt), len(self.negative_prompt)) > MAX_PROMPT_CHARS:
            raise CueError(
                f"a prompt has at most {MAX_PROMPT_CHARS} characters; got {len(self.prompt)} on {self.name!r}"
            )


@dataclass(frozen=True, kw_only=True)
class SpottedClip:
    """A run of picture that sound is made for.

    record_start_s, duration_s: where it is seen, seconds after the timeline's start. media_start_s: what it
    shows at its first instant, on the file's own clock (zero at the file's first frame); t seconds later it
    shows `media_start_s + speed * t`. source_timecode: label of that instant on the media's embedded clock.
    """

    name: str
    video_track: str
    media_path: Path
    media_start_s: Fraction
    speed: Fraction
    record_start_s: Fraction
    duration_s: Fraction
    source_timecode: str
    warnings: tuple[str, ...] = ()

    @property
    def record_end_s(self) -> Fraction:
        return self.record_start_s + self.duration_s


@dataclass(frozen=True, kw_only=True)
class Cue:
    """One stem to be made: a span of picture, what to hear, and the track it is for.

    `id` is made of what identifies the cue over repeated renders (track, media, source range), not of where
    it lies.
    """

    id: str
    clip: SpottedClip
    track: str
    prompt: str
    negative_prompt: str = ""


@dataclass(frozen=True, kw_only=True)
class CueSheet:
    """All cues of a timeline in record order, and what was left out."""

    clock: TimelineClock
    tracks: tuple[StemTrack, ...]
    clips: tuple[SpottedClip, ...]
    cues: tuple[Cue, ...]
    unseen: tuple[Unseen, ...] = ()
    warnings: tuple[str, ...] = ()

    def iter_jobs(self) -> Iterator[tuple[SpottedClip, list[Cue]]]:
        """Each clip with all its cues: what is rendered together, so that the picture is seen once."""
        by_clip: dict[SpottedClip, list[Cue]] = {}
        for cue in self.cues:
            by_clip.setdefault(cue.clip, []).append(cue)
        yield from by_clip.items()


def parse_stem_track(text: str, *, negative_prompt: str = "") -> StemTrack:
    """A stem track from "NAME=PROMPT". Raises CueError."""
    name, equals, prompt = text.partition("=")
    if not equals:
        guess, colon, rest = text.partition(":")
        example = f"{guess.strip()}={rest.strip()}" if colon and rest.strip() else "Dog=small dog barking"
        raise CueError(f"a track reads NAME=PROMPT; got {text!r}; write for instance {example!r}")
    return StemTrack(name=name.strip(), prompt=prompt.strip(), negative_prompt=negative_prompt)


def check_stem_tracks(tracks: Iterable[StemTrack]) -> tuple[StemTrack, ...]:
    """The tracks as given. Raises CueError when there is none, or two share a name (case does not tell them
    apart)."""
    checked = tuple(tracks)
    if not checked:
        raise CueError("name at least one track: --track 'Dog=small dog barking'")
    names: set[str] = set()
    for track in checked:
        if track.name.casefold() in names:
            raise CueError(f"two tracks are named {track.name!r}; give each prompt its own track name")
        names.add(track.name.casefold())
    return checked


def build_cues(clips: Iterable[SpottedClip], tracks: Iterable[StemTrack]) -> Iterator[Cue]:
    """Every prompt over every clip, clip by clip."""
    seen: dict[str, int] = {}
    tracks = tuple(tracks)
    for clip in clips:
        for track in tracks:
            digest = _cue_digest(clip, track.name)
            seen[digest] = seen.get(digest, 0) + 1
            repeat = f"-{seen[digest]}" if seen[digest] > 1 else ""
            yield Cue(
                id=digest + repeat,
                clip=clip,
                track=track.name,
                prompt=track.prompt,
                negative_prompt=track.negative_prompt,
            )


def _cue_digest(clip: SpottedClip, track: str) -> str:
    facts = (track, clip.media_path.name, clip.media_start_s, clip.duration_s, clip.speed)
    return hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()[:12]

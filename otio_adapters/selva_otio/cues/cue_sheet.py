"""The cue sheet: spans of picture, the prompts for them, and the stem tracks they are for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from selva_core.base.limits import MAX_GAIN_DB, MAX_PROMPT_CHARS, MAX_TAKES, MAX_TRACK_NAME_CHARS
from selva_core.base.media import ImageSequence
from selva_otio.errors import CueError
from selva_otio.picture.shots import SkippedItem
from selva_otio.time.clock import TimelineClock


@dataclass(frozen=True, kw_only=True)
class StemTrack:
    """A stem track and the prompt that is rendered for it. Raises CueError for a name or prompt that is not allowed.

    num_takes: None for as many as the render makes. gain_db: applied by the host when the stem is placed; the file itself
    is not changed.
    """

    name: str
    prompt: str
    negative_prompt: str = ""
    num_takes: int | None = None
    gain_db: float = 0.0

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
        if self.num_takes is not None and not 1 <= self.num_takes <= MAX_TAKES:
            raise CueError(f"takes are 1 to {MAX_TAKES}; got {self.num_takes} on {self.name!r}")
        if not -MAX_GAIN_DB <= self.gain_db <= MAX_GAIN_DB:
            raise CueError(f"a gain lies within {MAX_GAIN_DB:g} dB; got {self.gain_db:g} on {self.name!r}")


@dataclass(frozen=True, kw_only=True)
class SpottedClip:
    """A span of picture that sound is made for.

    record_start_s, duration_s: its record range, seconds after the timeline's start. media_start_s: media time at its
    start, on the file's own clock (zero at the file's first frame); t seconds later it shows `media_start_s + speed * t`.
    source_timecode, source_end_timecode: labels of its range on the media's embedded clock. handle_before_s,
    handle_after_s: seconds of sound made before and after it, for trimming and fading. fade_in_s, fade_out_s: its overlap
    with neighbours in transitions. warnings: sentences for the user. proxy_path: a file that shows, from its first frame
    and at normal speed, what the clip shows from `sound_start_s` on; rendered from in place of the media. images: where the
    media is an image sequence; media_path then has the number as %04d.
    """

    name: str
    video_track: str
    media_path: Path
    media_start_s: Fraction
    speed: Fraction
    record_start_s: Fraction
    duration_s: Fraction
    source_timecode: str
    source_end_timecode: str
    handle_before_s: Fraction = Fraction(0)
    handle_after_s: Fraction = Fraction(0)
    fade_in_s: Fraction = Fraction(0)
    fade_out_s: Fraction = Fraction(0)
    warnings: tuple[str, ...] = ()
    proxy_path: Path | None = None
    images: ImageSequence | None = None

    def __hash__(self) -> int:
        """Of some of the fields: clips are looked up often, and the hash of a Fraction costs more than all else."""
        return hash((self.name, self.record_start_s.numerator, self.media_start_s.numerator))

    @property
    def picture_path(self) -> Path:
        """The file that frames are read from: the proxy where there is one."""
        return self.proxy_path or self.media_path

    @property
    def picture_images(self) -> ImageSequence | None:
        """The images that frames are read from, where they are a sequence."""
        return self.images if self.proxy_path is None else None

    @property
    def picture_start_s(self) -> Fraction:
        """Time at `sound_start_s` on the clock of `picture_path`."""
        return self.sound_media_start_s if self.proxy_path is None else Fraction(0)

    @property
    def picture_speed(self) -> Fraction:
        """Seconds of `picture_path` per record second."""
        return self.speed if self.proxy_path is None else Fraction(1)

    @property
    def record_end_s(self) -> Fraction:
        return self.record_start_s + self.duration_s

    @property
    def sound_start_s(self) -> Fraction:
        """Record time of the stem's first sample: handles included."""
        # Without handles, the usual case, the sum is left out: it takes as long as all else of a stem's span.
        return self.record_start_s - self.handle_before_s if self.handle_before_s else self.record_start_s

    @property
    def sound_media_start_s(self) -> Fraction:
        """Media time at `sound_start_s`, on the file's own clock."""
        if not self.handle_before_s:
            return self.media_start_s
        return self.media_start_s - self.speed * self.handle_before_s

    @property
    def sound_duration_s(self) -> Fraction:
        """How long the stem lasts: handles included."""
        if not self.handle_before_s and not self.handle_after_s:
            return self.duration_s
        return self.handle_before_s + self.duration_s + self.handle_after_s


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A span of picture, a prompt, and the stem track it is for: one stem to be made (in one or more takes).

    id: a digest of track, media and source range, but not of the record range, so that a later render of the same cue finds
    the earlier stem after the cut has moved. source: where the cue comes from, one of `selva_otio.cues.rules.SOURCES`.
    """

    id: str
    clip: SpottedClip
    track: str
    prompt: str
    negative_prompt: str = ""
    num_takes: int | None = None
    gain_db: float = 0.0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class CueSheet:
    """All cues of a timeline in record order, and the items that were skipped.

    clock: the timeline's record clock. tracks: names of the stem tracks in the order they are to lie. warnings: sentences
    for the user.
    """

    clock: TimelineClock
    tracks: tuple[str, ...]
    cues: tuple[Cue, ...]
    skipped: tuple[SkippedItem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def clips(self) -> tuple[SpottedClip, ...]:
        """The clips that have cues, each once, in record order."""
        return tuple(dict.fromkeys(cue.clip for cue in self.cues))

    def iter_jobs(self) -> Iterator[tuple[SpottedClip, list[Cue]]]:
        """Each clip with all its cues. They are one job, so that the picture is decoded and encoded once for all prompts."""
        by_clip: dict[SpottedClip, list[Cue]] = {}
        for cue in self.cues:
            by_clip.setdefault(cue.clip, []).append(cue)
        yield from by_clip.items()


@dataclass(kw_only=True)
class CueBuilder:
    """Builds the cues of one timeline and gives them ids: the same range of the same file on the same track, used a second
    time, gets the id with "-2".
    """

    _num_uses: dict[str, int] = field(default_factory=dict)

    def build_cue(self, clip: SpottedClip, stem_track: StemTrack, source: str) -> Cue:
        # Image sequences of many shots have one name (beauty.%04d.exr); only their folders differ.
        media = clip.media_path.name if clip.images is None else "/".join(clip.media_path.parts[-2:])
        identity = (stem_track.name, media, clip.media_start_s, clip.duration_s, clip.speed)
        text = "\n".join(map(str, identity))
        # Names of files need not be UTF-8.
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        self._num_uses[digest] = self._num_uses.get(digest, 0) + 1
        return Cue(
            id=digest if self._num_uses[digest] == 1 else f"{digest}-{self._num_uses[digest]}",
            clip=clip,
            track=stem_track.name,
            prompt=stem_track.prompt,
            negative_prompt=stem_track.negative_prompt,
            num_takes=stem_track.num_takes,
            gain_db=stem_track.gain_db,
            source=source,
        )


def parse_stem_track(text: str, *, negative_prompt: str = "") -> StemTrack:
    """A stem track from "NAME=PROMPT". Raises CueError."""
    name, equals, prompt = text.partition("=")
    if not equals:
        guess, colon, rest = text.partition(":")
        example = f"{guess.strip()}={rest.strip()}" if colon and rest.strip() else "Dog=small dog barking"
        raise CueError(f"a track reads NAME=PROMPT; got {text!r}; write for instance {example!r}")
    return StemTrack(name=name.strip(), prompt=prompt.strip(), negative_prompt=negative_prompt)


def check_stem_tracks(tracks: Iterable[StemTrack]) -> tuple[StemTrack, ...]:
    """The tracks as given. Raises CueError when two have the same name (case does not count)."""
    checked = tuple(tracks)
    names: set[str] = set()
    for track in checked:
        if track.name.casefold() in names:
            raise CueError(f"two tracks are named {track.name!r}; give each prompt its own track name")
        names.add(track.name.casefold())
    return checked

"""What a project of the double holds: bins, media, timelines, tracks, items, markers.

Plain state; what scripts may do with it is in `project_calls` and `timeline_calls`. Positions on a timeline are absolute
frames, end exclusive.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

TrackKind = Literal["video", "audio", "subtitle"]
MediaKind = Literal["video+audio", "video", "audio", "timeline", "compound"]
ItemKind = Literal["video", "audio", "generator", "transition"]

_serials = itertools.count(1)

ILLEGAL_IN_TIMELINE_NAMES = frozenset('/\\:*?"<>|')


def new_uid(kind: str) -> str:
    return f"{kind}-{next(_serials):06d}"


def nominal_rate(rate: Fraction) -> int:
    """Frames that a second of timecode counts: 24 for 23.976."""
    return math.floor(rate + Fraction(1, 2))


def reported_rate(rate: Fraction) -> float:
    """The rate as scripts read it: 23.976, 29.97, 25.0."""
    return round(float(rate), 3)


def frames_of_timecode(label: str, rate: Fraction) -> int:
    """Frame number of a label, counted at the nominal rate; ';' drops labels as SMPTE ST 12-1 says."""
    nominal = nominal_rate(rate)
    hours, minutes, seconds, frames = (int(part) for part in label.replace(";", ":").split(":"))
    number = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
    if ";" in label:
        whole_minutes = hours * 60 + minutes
        number -= (nominal // 15) * (whole_minutes - whole_minutes // 10)
    return number


def timecode_of_frames(number: int, rate: Fraction, *, drop_frame: bool = False) -> str:
    """Label of a frame number, the other way round."""
    nominal = nominal_rate(rate)
    if drop_frame:
        dropped = nominal // 15
        tens, rest = divmod(number, 600 * nominal - 9 * dropped)
        number += 9 * dropped * tens
        if rest >= 60 * nominal:
            number += dropped * ((rest - 60 * nominal) // (60 * nominal - dropped) + 1)
    seconds, frames = divmod(number, nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    last = ";" if drop_frame else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{last}{frames:02d}"


@dataclass(eq=False)
class Marker:
    color: str
    name: str
    note: str
    duration: int
    custom_data: str = ""

    def as_scripts_see_it(self) -> dict[str, Any]:
        return {
            "color": self.color,
            "duration": self.duration,
            "note": self.note,
            "name": self.name,
            "customData": self.custom_data,
        }


@dataclass(eq=False)
class Media:
    """A media pool item. `fps` of an audio file is the project's rate when it came in, for ever."""

    name: str
    kind: MediaKind
    fps: Fraction
    duration_s: Fraction
    path: str = ""
    start_timecode: str = "00:00:00:00"
    channels: int = 2
    sample_rate_hz: int = 48000
    online: bool = True
    nested: Timeline | None = None
    subclip_start: int = 0
    markers: dict[int, Marker] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    third_party: dict[str, str] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: new_uid("media"))

    @property
    def num_frames(self) -> int:
        return math.floor(self.duration_s * self.fps)

    @property
    def has_audio(self) -> bool:
        return self.kind != "video"

    @property
    def has_video(self) -> bool:
        return self.kind != "audio"


@dataclass(eq=False)
class Item:
    """Something on a track. `source_start` counts the media's own frames from the file's first one."""

    name: str
    kind: ItemKind
    start: int
    duration: int
    media: Media | None = None
    source_start: Fraction = Fraction(0)
    speed: Fraction = Fraction(1)
    enabled: bool = True
    source_unknown: bool = False
    rendered: bool = True
    fragile: bool = False
    linked: list[Item] = field(default_factory=list)
    markers: dict[int, Marker] = field(default_factory=dict)
    fades: dict[str, int] = field(default_factory=lambda: {"FadeIn": 0, "FadeOut": 0})
    properties: dict[str, float] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: new_uid("item"))

    @property
    def end(self) -> int:
        return self.start + self.duration


@dataclass(eq=False)
class Track:
    kind: TrackKind
    name: str
    sub_type: str = ""
    enabled: bool = True
    locked: bool = False
    items: list[Item] = field(default_factory=list)


@dataclass(eq=False)
class Timeline:
    name: str
    rate: Fraction
    start_timecode: str
    drop_frame: bool = False
    tracks: dict[TrackKind, list[Track]] = field(default_factory=dict)
    markers: dict[int, Marker] = field(default_factory=dict)
    marks: dict[str, dict[str, int]] = field(default_factory=dict)
    selected: list[Item] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    playhead: int = 0
    uid: str = field(default_factory=lambda: new_uid("timeline"))

    def __post_init__(self) -> None:
        if not self.tracks:
            self.tracks = {
                "video": [Track("video", "Video 1")],
                "audio": [Track("audio", "Audio 1", sub_type="stereo")],
                "subtitle": [],
            }

    @property
    def start_frame(self) -> int:
        return frames_of_timecode(self.start_timecode, self.rate)

    @property
    def end_frame(self) -> int:
        ends = [item.end for kind in self.tracks for track in self.tracks[kind] for item in track.items]
        return max([self.start_frame, *ends])

    def track_of(self, item: Item) -> tuple[TrackKind, int, Track] | None:
        for kind, tracks in self.tracks.items():
            for index, track in enumerate(tracks, start=1):
                if item in track.items:
                    return kind, index, track
        return None


@dataclass(eq=False)
class Folder:
    name: str
    media: list[Media] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    uid: str = field(default_factory=lambda: new_uid("folder"))

    def walk(self) -> list[Folder]:
        return [self, *(inner for folder in self.folders for inner in folder.walk())]


@dataclass(eq=False)
class Project:
    name: str
    rate: Fraction
    drop_frame: bool = False
    saved_once: bool = True
    root: Folder = field(default_factory=lambda: Folder("Master"))
    timelines: list[Timeline] = field(default_factory=list)
    current_timeline: Timeline | None = None
    current_folder: Folder | None = None
    settings: dict[str, str] = field(default_factory=dict)
    num_saves: int = 0
    uid: str = field(default_factory=lambda: new_uid("project"))

    def __post_init__(self) -> None:
        self.current_folder = self.current_folder or self.root

    def all_media(self) -> list[Media]:
        return [media for folder in self.root.walk() for media in folder.media]

"""What a Resolve project held when the user asked: the snapshot as values, still in Resolve's own units.

Frames of a timeline are absolute (they start at its start timecode) at its own rate; source frames count at the media's rate
from the file's first frame; frames of marks and timeline markers count from the timeline's start. Audio tracks say what is in the
way of stems.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.command_line import selva_command
from selva_core.base.limits import DEFAULT_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from selva_otio.errors import ClockError
from selva_otio.time.clock import exact_rate, parse_timecode
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.audio_items import (
    ResolveAudioTrack,
    ResolveStem,
    iter_stems,
    read_audio_tracks,
)
from selva_plugins.hosts.resolve.json_fields import JsonFields
from selva_plugins.hosts.resolve.scripting.resolve_api import parse_rate_number
from selva_plugins.hosts.resolve.scripting.timeline_reader import SNAPSHOT_SCHEMA


@dataclass(frozen=True, kw_only=True)
class ResolveApplication:
    """Which Resolve took the snapshot. is_sandboxed: whether its scripts cannot write files."""

    product: str
    version: str
    is_sandboxed: bool

    @property
    def label(self) -> str:
        """Product and version: "DaVinci Resolve Studio 21.1.0.17"."""
        return f"{self.product} {self.version}"

    @property
    def label_with_transport(self) -> str:
        """The same, and how its messages pass: "DaVinci Resolve 21.1.0.17, messages through Fusion's preferences"."""
        transport = "Fusion's preferences" if self.is_sandboxed else "files"
        return f"{self.label}, messages through {transport}"


@dataclass(frozen=True, kw_only=True)
class ResolveSettings:
    """Settings of a project or a timeline; None or "" where the version does not tell."""

    frame_rate: Fraction | None
    is_drop_frame: bool
    sample_rate_hz: int | None
    media_folder: Path | None


@dataclass(frozen=True, kw_only=True)
class ResolveMarker:
    """A marker. On a timeline its frame counts from the start, on a clip it is a source frame."""

    frame: Fraction
    duration_frames: Fraction
    name: str
    note: str
    color: str
    custom_data: str


@dataclass(frozen=True, kw_only=True)
class ResolveItem:
    """Something on a video track. kind: "video", "generator", "transition" from 21.1 on, "" before. What a version does not
    tell is None; retimes.py knows what the source values mean.
    """

    id: str
    name: str
    kind: str
    start_frame: int
    duration_frames: int
    left_offset_frames: Fraction
    right_offset_frames: Fraction | None
    source_start_frame: int | None
    source_end_frame: int | None
    source_start_s: Fraction | None
    speed: Fraction | None
    is_enabled: bool
    markers: tuple[ResolveMarker, ...]
    media_id: str

    @property
    def end_frame(self) -> int:
        return self.start_frame + self.duration_frames


@dataclass(frozen=True, kw_only=True)
class ResolveTrack:
    """A video track. index: from 1 at the bottom."""

    index: int
    name: str
    is_enabled: bool
    items: tuple[ResolveItem, ...]


@dataclass(frozen=True, kw_only=True)
class NestedTimeline:
    """A timeline that is used as a clip."""

    name: str
    start_frame: int
    frame_rate: Fraction | None
    video_tracks: tuple[ResolveTrack, ...]


@dataclass(frozen=True, kw_only=True)
class ResolveMedia:
    """A media pool item. file_path: None for compounds, timelines and what is generated. subclip_start_frame: where a subclip
    begins in its file. start_timecode: as written on the media, "" where there is none.
    """

    name: str
    file_path: Path | None
    frame_rate: Fraction | None
    num_frames: int
    start_timecode: str
    subclip_start_frame: int
    timeline: NestedTimeline | None

    def start_timecode_frame(self, rate: Fraction) -> int:
        """The frame that the media's own timecode starts at; a label that cannot be read counts as zero."""
        try:
            return parse_timecode(self.start_timecode, rate)
        except ClockError:
            return 0


@dataclass(frozen=True, kw_only=True)
class FrameMarks:
    """The in and out marks, in frames after the timeline's start; the frame at `out` is still inside."""

    in_frame: int | None
    out_frame: int | None


@dataclass(frozen=True, kw_only=True)
class OpenTimeline:
    """The timeline that was open. selected_ids: of its items, empty where nothing is selected or the version does not tell.
    otio_file: an export that says what compound clips hold.
    """

    id: str
    name: str
    start_frame: int
    end_frame: int
    is_drop_frame: bool
    settings: ResolveSettings
    marks: FrameMarks | None
    markers: tuple[ResolveMarker, ...]
    selected_ids: frozenset[str]
    video_tracks: tuple[ResolveTrack, ...]
    otio_file: Path | None
    stems: tuple[ResolveStem, ...] = ()
    audio_tracks: tuple[ResolveAudioTrack, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ResolveSnapshot:
    """A project with a timeline open. rate: the timeline's frame rate, exactly."""

    application: ResolveApplication
    project_name: str
    project_settings: ResolveSettings
    timeline: OpenTimeline
    media: Mapping[str, ResolveMedia]
    rate: Fraction

    @property
    def wav_rate(self) -> Fraction:
        """The frame rate that a WAV takes when it is imported: the project's, whatever the timeline's is."""
        return self.project_settings.frame_rate or self.rate

    @property
    def stem_rate_hz(self) -> int:
        """The timeline's sample rate, else the project's, else 48000."""
        settings = (self.timeline.settings, self.project_settings)
        return next((s.sample_rate_hz for s in settings if s.sample_rate_hz), DEFAULT_SAMPLE_RATE_HZ)


def parse_snapshot(text: str) -> ResolveSnapshot:
    """The snapshot in a snapshot.json. Raises SnapshotError, also when no timeline was open."""
    return read_snapshot(_load_json(text))


def read_snapshot(values: object) -> ResolveSnapshot:
    """The snapshot in decoded JSON. Raises SnapshotError, also when no timeline was open."""
    fields = _read_fields(values)
    project, timeline = fields.child("project"), fields.child("timeline")
    if not timeline.text("id"):
        raise SnapshotError("no timeline is open in Resolve; open one and try again")
    project_settings = _read_settings(project.child("settings"))
    media = {uid: _read_media(values) for uid, values in fields.children_by_name("media").items()}
    opened = _read_timeline(timeline, media)
    rate = opened.settings.frame_rate or project_settings.frame_rate
    if rate is None:
        raise SnapshotError("Resolve does not tell the timeline's frame rate")
    return ResolveSnapshot(
        application=read_application(fields.raw("application")),
        project_name=project.text("name"),
        project_settings=project_settings,
        timeline=opened,
        media=media,
        rate=rate,
    )


def parse_application(text: str) -> ResolveApplication:
    """Which Resolve took the snapshot in a snapshot.json, whether or not a timeline was open. Raises SnapshotError."""
    return read_application(_read_fields(_load_json(text)).raw("application"))


def read_application(values: object) -> ResolveApplication:
    """Raises SnapshotError."""
    fields = JsonFields({} if values is None else values, "application")
    return ResolveApplication(
        product=fields.text("product"),
        version=".".join(fields.labels("version")[:4]),
        is_sandboxed=fields.flag("sandboxed", default=False),
    )


def _load_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the agent's snapshot is not JSON: {error}") from error


def _read_fields(values: object) -> JsonFields:
    fields = JsonFields(values, "snapshot")
    if fields.raw("schema") != SNAPSHOT_SCHEMA:
        raise SnapshotError(
            f"the agent's snapshot is not a {SNAPSHOT_SCHEMA}; run: {selva_command('host', 'install', 'resolve')}"
        )
    return fields


def _read_settings(fields: JsonFields) -> ResolveSettings:
    """The rate is a number, or text such as "29.97 DF"; everything else is text."""
    rate_text, sample_rate_text = fields.label("frame_rate"), fields.label("sample_rate")
    rate_hz = int(sample_rate_text) if sample_rate_text.isdecimal() else 0
    return ResolveSettings(
        frame_rate=_parse_rate(rate_text),
        is_drop_frame=fields.label("drop_frame") == "1" or "DF" in rate_text,
        sample_rate_hz=rate_hz if MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ else None,
        media_folder=fields.path("media_folder"),
    )


def _read_timeline(fields: JsonFields, media: Mapping[str, ResolveMedia]) -> OpenTimeline:
    settings = _read_settings(fields.child("settings"))
    files = {uid: clip.file_path for uid, clip in media.items() if clip.file_path is not None}
    marks = fields.child("marks").optional_child("video")
    in_frame, out_frame = (marks.integer("in"), marks.integer("out")) if marks else (None, None)
    is_marked = in_frame is not None or out_frame is not None
    return OpenTimeline(
        id=fields.required_text("id"),
        name=fields.text("name"),
        start_frame=fields.required_integer("start_frame"),
        end_frame=fields.required_integer("end_frame"),
        # Any one of the three may be missing or wrong: versions differ in where they tell it.
        is_drop_frame=settings.is_drop_frame or ";" in fields.text("start_timecode"),
        settings=settings,
        marks=FrameMarks(in_frame=in_frame, out_frame=out_frame) if is_marked else None,
        markers=_read_markers(fields),
        selected_ids=frozenset(fields.texts("selected")),
        video_tracks=_read_tracks(fields),
        otio_file=fields.path("otio_file"),
        audio_tracks=read_audio_tracks(fields),
        stems=tuple(iter_stems(fields, files)),
    )


def _read_tracks(fields: JsonFields) -> tuple[ResolveTrack, ...]:
    return tuple(
        ResolveTrack(
            index=track.required_integer("index"),
            name=track.text("name"),
            is_enabled=track.flag("enabled", default=True),
            items=tuple(_read_item(item) for item in track.children("items")),
        )
        for track in fields.children("video_tracks")
    )


def _read_item(fields: JsonFields) -> ResolveItem:
    speed_percent = fields.number("speed_percent")
    return ResolveItem(
        id=fields.text("id"),
        name=fields.text("name"),
        kind=fields.text("type"),
        start_frame=fields.required_integer("start"),
        duration_frames=fields.required_integer("duration"),
        left_offset_frames=fields.number("left_offset") or Fraction(0),
        right_offset_frames=fields.number("right_offset"),
        source_start_frame=fields.integer("source_start_frame"),
        source_end_frame=fields.integer("source_end_frame"),
        source_start_s=fields.number("source_start_s"),
        speed=None if speed_percent is None else speed_percent / 100,
        is_enabled=fields.flag("enabled", default=True),
        markers=_read_markers(fields),
        media_id=fields.text("media"),
    )


def _read_markers(fields: JsonFields) -> tuple[ResolveMarker, ...]:
    return tuple(
        ResolveMarker(
            frame=marker.number("frame") or Fraction(0),
            duration_frames=marker.number("duration") or Fraction(1),
            name=marker.text("name"),
            note=marker.text("note"),
            color=marker.text("color"),
            custom_data=marker.text("custom_data"),
        )
        for marker in fields.children("markers")
    )


def _read_media(fields: JsonFields) -> ResolveMedia:
    properties = fields.child("properties")
    nested = fields.optional_child("timeline")
    return ResolveMedia(
        name=fields.text("name"),
        file_path=properties.path("File Path"),
        frame_rate=_parse_rate(properties.label("FPS")),
        num_frames=_parse_whole(properties.label("Frames")),
        start_timecode=properties.text("Start TC"),
        subclip_start_frame=_parse_whole(properties.label("Start")),
        timeline=None if nested is None else _read_nested(nested),
    )


def _read_nested(fields: JsonFields) -> NestedTimeline:
    return NestedTimeline(
        name=fields.text("name"),
        start_frame=fields.required_integer("start_frame"),
        frame_rate=_parse_rate(fields.label("frame_rate")),
        video_tracks=_read_tracks(fields),
    )


def _parse_rate(text: str) -> Fraction | None:
    number = parse_rate_number(text)
    return exact_rate(number) if number else None


def _parse_whole(text: str) -> int:
    """ "Frames" of a sound is an empty text."""
    return int(text) if text.isdecimal() else 0

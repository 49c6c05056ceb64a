"""What a REAPER project held when the request was written, as values in REAPER's own units (seconds as doubles)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.fields import FieldReader
from selva_plugins.errors import SnapshotError

SCHEMA = "selva.snapshot/1"

MAX_ITEMS = 50_000
MAX_SECONDS = 1e7
MAX_PATH_CHARS = 32_768
MAX_NAME_CHARS = 10_000
MAX_RECIPE_CHARS = 200_000
MAX_NESTED_SOURCES = 8
MAX_ITEM_TAKES = 1000


@dataclass(frozen=True, kw_only=True)
class ReaperSource:
    """A source, or a section (also a reversed take) around the next one of the chain."""

    kind: str
    file: str
    length_s: float
    length_is_quarter_notes: bool
    is_section: bool
    section_offset_s: float
    section_length_s: float
    is_reversed: bool


@dataclass(frozen=True, kw_only=True)
class ReaperTake:
    """The active take. `sources` is a chain, outermost first; `recipe` is how it was made, where it is a stem of ours."""

    guid: str
    name: str
    recipe: str
    start_offset_s: float
    play_rate: float
    num_stretch_markers: int
    sources: tuple[ReaperSource, ...]
    picture_key: str


@dataclass(frozen=True, kw_only=True)
class ReaperTrack:
    """`number` counts from 1 at the top."""

    guid: str
    name: str
    number: int
    is_muted: bool


@dataclass(frozen=True, kw_only=True)
class ReaperItem:
    """`take` is None for an empty item or an empty take lane; `recipes` are those of all its takes that are stems."""

    guid: str
    track: ReaperTrack
    position_s: float
    length_s: float
    loops: bool
    is_muted: bool
    take: ReaperTake | None
    recipes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The item's name in messages and stems: its take's, else its file's, else where it is."""
        if self.take is not None:
            file_name = re.split(r"[/\\]", self.take.sources[-1].file)[-1] if self.take.sources else ""
            if self.take.name or file_name:
                return self.take.name or file_name
        return f"item at {self.position_s:.3f} s on track {self.track.number}"


@dataclass(frozen=True, kw_only=True)
class ReaperMarker:
    """A region, or a marker (then both ends are the same). REAPER lists the two together, and so does the snapshot."""

    name: str
    is_region: bool
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class ReaperSnapshot:
    """A project. `sample_rate_hz` is None when the project follows the audio device."""

    project_name: str
    frame_rate_hz: float
    is_drop_frame: bool
    start_offset_s: float
    sample_rate_hz: float | None
    items: tuple[ReaperItem, ...]
    markers: tuple[ReaperMarker, ...]


def parse_snapshot(text: str) -> ReaperSnapshot:
    """The snapshot in a snapshot.json. Raises SnapshotError that names every faulty field."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the snapshot is not JSON: {error}") from error
    reader = FieldReader(values)
    reader.choice("schema", allowed=(SCHEMA,))
    reader.choice("host", allowed=("reaper",))
    reader.text("host_version", max_chars=200)
    project = reader.child("project")
    project.text("id", max_chars=100)
    project.text("path", max_chars=MAX_PATH_CHARS, default="")
    rate_hz = project.number("sample_rate_hz", minimum=0, maximum=1e6)
    snapshot = ReaperSnapshot(
        project_name=project.text("name", max_chars=MAX_NAME_CHARS),
        frame_rate_hz=project.number("frame_rate_hz", minimum=0.1, maximum=1000),
        is_drop_frame=project.flag("is_drop_frame", default=False),
        start_offset_s=_seconds(project, "start_offset_s"),
        sample_rate_hz=rate_hz or None,
        items=tuple(_parse_item(item) for item in reader.children("items", max_items=MAX_ITEMS, min_items=0)),
        markers=tuple(
            _parse_marker(marker) for marker in reader.children("regions", max_items=MAX_ITEMS, min_items=0)
        ),
    )
    try:
        reader.finish()
    except InvalidRequestError as error:
        raise SnapshotError(f"the snapshot of the REAPER script is not valid: {error.message}") from error
    return snapshot


def _parse_item(reader: FieldReader) -> ReaperItem:
    takes = reader.children("active_take", max_items=1, min_items=0)
    track = reader.child("track")
    reader.integer("num_takes", minimum=0, maximum=MAX_ITEM_TAKES)
    return ReaperItem(
        guid=reader.text("guid", max_chars=100),
        track=ReaperTrack(
            guid=track.text("guid", max_chars=100),
            name=track.text("name", max_chars=MAX_NAME_CHARS, default=""),
            number=track.integer("number", minimum=1, maximum=1_000_000),
            is_muted=track.flag("muted", default=False),
        ),
        position_s=_seconds(reader, "position_s"),
        length_s=_seconds(reader, "length_s"),
        loops=reader.flag("loops", default=False),
        is_muted=reader.flag("muted", default=False),
        take=_parse_take(takes[0]) if takes else None,
        recipes=reader.text_list("recipes", max_items=MAX_ITEM_TAKES, max_chars=MAX_RECIPE_CHARS),
    )


def _parse_take(reader: FieldReader) -> ReaperTake:
    sources = reader.children("sources", max_items=MAX_NESTED_SOURCES, min_items=0)
    return ReaperTake(
        guid=reader.text("guid", max_chars=100),
        name=reader.text("name", max_chars=MAX_NAME_CHARS, default=""),
        recipe=reader.text("recipe", max_chars=MAX_RECIPE_CHARS, default=""),
        start_offset_s=_seconds(reader, "start_offset_s"),
        play_rate=reader.number("play_rate", minimum=1e-3, maximum=1e3),
        num_stretch_markers=reader.integer("stretch_markers", minimum=0, maximum=10_000_000),
        sources=tuple(_parse_source(source) for source in sources),
        picture_key=reader.text("picture_key", max_chars=2 * MAX_PATH_CHARS, default=""),
    )


def _parse_source(reader: FieldReader) -> ReaperSource:
    return ReaperSource(
        kind=reader.text("type", max_chars=100, default=""),
        file=reader.text("file", max_chars=MAX_PATH_CHARS, default=""),
        length_s=_seconds(reader, "length_s"),
        length_is_quarter_notes=reader.flag("length_is_quarter_notes", default=False),
        is_section=reader.flag("is_section", default=False),
        section_offset_s=_seconds(reader, "section_offset_s"),
        section_length_s=_seconds(reader, "section_length_s"),
        is_reversed=reader.flag("is_reversed", default=False),
    )


def _parse_marker(reader: FieldReader) -> ReaperMarker:
    reader.integer("number", minimum=-(2**31), maximum=2**31)
    return ReaperMarker(
        name=reader.text("name", max_chars=MAX_NAME_CHARS, default=""),
        is_region=reader.flag("is_region", default=False),
        start_s=_seconds(reader, "start_s"),
        end_s=_seconds(reader, "end_s"),
    )


def _seconds(reader: FieldReader, name: str) -> float:
    return reader.number(name, minimum=-MAX_SECONDS, maximum=MAX_SECONDS)

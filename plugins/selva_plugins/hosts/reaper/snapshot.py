"""What a REAPER project held when the request was written: snapshot.json as values, in REAPER's own units (seconds as
doubles). The structs are the file's definition, names and limits; lib/snapshot.lua writes it.
"""

from __future__ import annotations

import json
import re
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from selva_core.base.schema import describe_faults, one_of, prose
from selva_core.base.schema_check import check
from selva_plugins.errors import SnapshotError

SCHEMA = "selva.snapshot/1"

MAX_ITEMS = 50_000
MAX_SECONDS = 1e7
MAX_PATH_CHARS = 32_768
MAX_NAME_CHARS = 10_000
MAX_RECIPE_CHARS = 200_000
MAX_NESTED_SOURCES = 8
MAX_ITEM_TAKES = 1000
MAX_LAST_RENDER_CHARS = 32 * 1024 * 1024

# Play rates that a project file rounds to 1.
SAME_RATE = 1e-9

Seconds = Annotated[float, Meta(ge=-MAX_SECONDS, le=MAX_SECONDS)]
Id = Annotated[str, prose(100)]
Name = Annotated[str, prose(MAX_NAME_CHARS, may_be_empty=True)]
FilePath = Annotated[str, prose(MAX_PATH_CHARS, may_be_empty=True)]
Recipe = Annotated[str, prose(MAX_RECIPE_CHARS, may_be_empty=True)]


class ReaperSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source, or a section (also a reversed take) around the next one of the chain."""

    kind: Annotated[str, prose(100, may_be_empty=True)] = field(name="type", default="")
    file: FilePath = ""
    length_s: Seconds
    length_is_quarter_notes: bool = False
    is_section: bool = False
    section_offset_s: Seconds
    section_length_s: Seconds
    is_reversed: bool = False


class ReaperTake(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The active take. `sources` is a chain, outermost first; `recipe` is how it was made, where it is a stem of ours. delay_s:
    by how much the file of a stem begins after the origin that its item notes; takes of an item may be longer than others.
    """

    guid: Id
    name: Name = ""
    recipe: Recipe = ""
    start_offset_s: Seconds
    play_rate: Annotated[float, Meta(ge=1e-3, le=1e3)]
    num_stretch_markers: Annotated[int, Meta(ge=0, le=10_000_000)] = field(name="stretch_markers")
    sources: Annotated[tuple[ReaperSource, ...], Meta(max_length=MAX_NESTED_SOURCES)]
    picture_key: Annotated[str, prose(2 * MAX_PATH_CHARS, may_be_empty=True)] = ""
    delay_s: Seconds = 0.0

    @property
    def plain_file(self) -> str:
        """The file that it plays from its first sample on at its own speed; "" for a section, a reversed or a retimed take."""
        is_plain = len(self.sources) == 1 and not (self.sources[0].is_section or self.sources[0].is_reversed)
        is_plain = is_plain and abs(self.play_rate - 1.0) < SAME_RATE and not self.num_stretch_markers
        return self.sources[0].file if is_plain else ""


class ReaperTrack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`number` counts from 1 at the top."""

    guid: Id
    name: Name = ""
    number: Annotated[int, Meta(ge=1, le=1_000_000)]
    is_muted: bool = field(name="muted", default=False)


class ReaperItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item with its active take, if any; `recipes` are those of all its takes that are stems."""

    guid: Id
    track: ReaperTrack
    position_s: Seconds
    length_s: Seconds
    loops: bool = False
    is_muted: bool = field(name="muted", default=False)
    num_takes: Annotated[int, Meta(ge=0, le=MAX_ITEM_TAKES)]
    active_take: Annotated[tuple[ReaperTake, ...], Meta(max_length=1)]
    recipes: Annotated[tuple[Recipe, ...], Meta(max_length=MAX_ITEM_TAKES)]

    @property
    def take(self) -> ReaperTake | None:
        """None for an empty item or an empty take lane."""
        return self.active_take[0] if self.active_take else None

    @property
    def label(self) -> str:
        """The item's name in messages and stems: its take's, else its file's, else where it is."""
        if self.take is not None:
            file_name = re.split(r"[/\\]", self.take.sources[-1].file)[-1] if self.take.sources else ""
            if self.take.name or file_name:
                return self.take.name or file_name
        return f"item at {self.position_s:.3f} s on track {self.track.number}"


class ReaperAnchoredStem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stem item that is anchored to a picture. anchor: the text that lib/anchor.lua keeps in it. picture_exists: whether the
    item that it was made for, picture_guid, is in the project. num_stretch_markers: of all its takes. volume: the item's, 1 for
    0 dB. takes: all of them; earlier scripts wrote the active one alone.
    """

    guid: Id
    anchor: Annotated[str, prose(2 * MAX_PATH_CHARS)]
    picture_exists: bool
    position_s: Seconds
    length_s: Seconds
    volume: Annotated[float, Meta(ge=0, le=1e6)]
    loops: bool
    is_muted: bool = field(name="muted")
    is_locked: bool = field(name="locked", default=False)
    picture_guid: Annotated[str, prose(100, may_be_empty=True)] = ""
    num_stretch_markers: Annotated[int, Meta(ge=0, le=10_000_000)] = field(name="stretch_markers")
    take: ReaperTake = field(name="active_take")
    takes: Annotated[tuple[ReaperTake, ...], Meta(max_length=MAX_ITEM_TAKES)] = ()
    recipes: Annotated[tuple[Recipe, ...], Meta(max_length=MAX_ITEM_TAKES)]


class ReaperMarker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region, or a marker (then both ends are the same). REAPER lists the two together, and so does the snapshot."""

    name: Name = ""
    is_region: bool = False
    number: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    start_s: Seconds
    end_s: Seconds


class ReaperStemItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stem item that lies on a stem track. track: the name that the track was made for, whatever it is called now."""

    guid: Id
    track: Name
    name: Name = ""
    file: FilePath = ""
    position_s: Seconds
    length_s: Seconds


class ReaperTimeSelection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The span of time that is selected."""

    start_s: Seconds
    end_s: Seconds


class ReaperProject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A project tab. `path` is empty for one that was never saved, `sample_rate_hz` 0 where it follows the audio device."""

    id: Id
    name: Annotated[str, prose(MAX_NAME_CHARS)]
    path: FilePath = ""
    frame_rate_hz: Annotated[float, Meta(ge=0.1, le=1000)]
    is_drop_frame: bool = False
    start_offset_s: Seconds
    sample_rate_hz: Annotated[float, Meta(ge=0, le=1e6)]


class ReaperSnapshot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole snapshot.json; the file calls `markers` regions. anchored_stems, last_render: for a conform only; the latter is the
    text that lib/last_render.lua keeps, empty where there is none.
    """

    schema: Annotated[str, one_of((SCHEMA,))]
    host: Annotated[str, one_of(("reaper",))]
    host_version: Annotated[str, prose(200)]
    project: ReaperProject
    items: Annotated[tuple[ReaperItem, ...], Meta(max_length=MAX_ITEMS)]
    markers: Annotated[tuple[ReaperMarker, ...], Meta(max_length=MAX_ITEMS)] = field(name="regions")
    time_selection: ReaperTimeSelection | UnsetType = UNSET
    stems: Annotated[tuple[ReaperStemItem, ...], Meta(max_length=MAX_ITEMS)] | UnsetType = UNSET
    anchored_stems: Annotated[tuple[ReaperAnchoredStem, ...], Meta(max_length=MAX_ITEMS)] = ()
    last_render: Annotated[str, prose(MAX_LAST_RENDER_CHARS, may_be_empty=True)] = ""


def parse_snapshot(text: str) -> ReaperSnapshot:
    """The snapshot in a snapshot.json. Raises SnapshotError that names the faulty fields."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the snapshot is not JSON: {error}") from error
    snapshot, faults = check(values, ReaperSnapshot)
    if snapshot is None:
        raise SnapshotError(f"the snapshot of the REAPER script is not valid: {describe_faults(faults)}")
    return snapshot

"""Plans and reports as they cross to Resolve and back: JSON whose numbers are whole frames of the host.

The agent reads plans and writes reports in plugins/resolve/agent (placement.lua, removal.lua); the process that talks to Studio
does so in `scripting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from selva_plugins.hosts.resolve.json_fields import JsonFields

REPORT_SCHEMA = "selva.resolve.report/1"
REMOVED_SCHEMA = "selva.resolve.removed/1"
# What the custom data of every marker of ours begins with.
MARKER_DATA_PREFIX = "selva:"
# The same for a marker that says which stems begin there; the id of the first of them follows.
STEMS_DATA_PREFIX = "selva:stems:"

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PlanAnchor:
    """The clip that a stem was made for, as it was when the request was written: by it is seen what was done to it since.

    Values as the snapshot has them. is_linear: it runs at normal speed at the timeline's own rate, so that its offsets tell
    which frames it shows.
    """

    item_id: str
    name: str
    media_id: str
    start_frame: int
    duration_frames: int
    left_offset_frames: float
    right_offset_frames: float | None
    source_start_frame: int | None
    speed_percent: float | None
    is_linear: bool

    def to_json(self) -> Json:
        values = {
            "item_id": self.item_id,
            "name": self.name,
            "media_id": self.media_id,
            "start": self.start_frame,
            "duration": self.duration_frames,
            "left_offset": self.left_offset_frames,
            "right_offset": self.right_offset_frames,
            "source_start_frame": self.source_start_frame,
            "speed_percent": self.speed_percent,
            "is_linear": self.is_linear,
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, fields: JsonFields) -> PlanAnchor:
        right_offset, speed_percent = fields.number("right_offset"), fields.number("speed_percent")
        return cls(
            item_id=fields.text("item_id"),
            name=fields.text("name"),
            media_id=fields.text("media_id"),
            start_frame=fields.required_integer("start"),
            duration_frames=fields.required_integer("duration"),
            left_offset_frames=float(fields.number("left_offset") or 0),
            right_offset_frames=None if right_offset is None else float(right_offset),
            source_start_frame=fields.integer("source_start_frame"),
            speed_percent=None if speed_percent is None else float(speed_percent),
            is_linear=fields.flag("is_linear", default=False),
        )


@dataclass(frozen=True, kw_only=True)
class PlanStem:
    """One file and where it goes. record_frame: absolute, with the timeline's start. source_start_frame: where the item
    begins in its file, at the rate a WAV counts at in this project. max_missing_frames: by how much the item may be shorter
    where that rate is lower than the timeline's. anchor: the clip that it goes with; None in plans of earlier versions.
    replaces_item: the id of the item that it is moved from, or a part of; without it deleted, the stem is held. track_index,
    is_disabled, pan: of that item, which an editor may have disabled or panned; the track counts from 1, 0 for none.
    """

    id: str
    file: str
    track: str
    record_frame: int
    duration_frames: int
    source_start_frame: int = 0
    take: int = 1
    is_muted: bool = False
    max_missing_frames: int = 0
    fade_in_frames: int = 0
    fade_out_frames: int = 0
    gain_db: float = 0.0
    prompt: str = ""
    comment: str = ""
    anchor: PlanAnchor | None = None
    replaces_item: str = ""
    track_index: int = 0
    is_disabled: bool = False
    pan: float = 0.0

    def to_json(self) -> Json:
        anchor = {} if self.anchor is None else {"anchor": self.anchor.to_json()}
        return {
            **anchor,
            "id": self.id,
            "file": self.file,
            "track": self.track,
            "muted": self.is_muted,
            "take": self.take,
            "record_frame": self.record_frame,
            "duration_frames": self.duration_frames,
            "start_frame": self.source_start_frame,
            "may_lack_frames": self.max_missing_frames,
            "fade_in_frames": self.fade_in_frames,
            "fade_out_frames": self.fade_out_frames,
            "gain_db": self.gain_db,
            "prompt": self.prompt,
            "comment": self.comment,
            **({"replaces_item": self.replaces_item} if self.replaces_item else {}),
            **({"track_index": self.track_index} if self.track_index else {}),
            **({"is_disabled": True} if self.is_disabled else {}),
            **({"pan": self.pan} if self.pan else {}),
        }

    @classmethod
    def from_json(cls, fields: JsonFields) -> PlanStem:
        anchor = fields.optional_child("anchor")
        return cls(
            anchor=None if anchor is None else PlanAnchor.from_json(anchor),
            id=fields.required_text("id"),
            file=fields.required_text("file"),
            track=fields.required_text("track"),
            is_muted=fields.flag("muted", default=False),
            take=fields.integer("take") or 1,
            record_frame=fields.required_integer("record_frame"),
            duration_frames=fields.required_integer("duration_frames"),
            source_start_frame=fields.integer("start_frame") or 0,
            max_missing_frames=fields.integer("may_lack_frames") or 0,
            fade_in_frames=fields.integer("fade_in_frames") or 0,
            fade_out_frames=fields.integer("fade_out_frames") or 0,
            gain_db=float(fields.number("gain_db") or 0),
            prompt=fields.text("prompt"),
            comment=fields.text("comment"),
            replaces_item=fields.text("replaces_item"),
            track_index=fields.integer("track_index") or 0,
            is_disabled=fields.flag("is_disabled", default=False),
            pan=float(fields.number("pan") or 0),
        )


@dataclass(frozen=True, kw_only=True)
class PlanMarker:
    """A marker on the timeline. frame: after the timeline's start, as Resolve counts marker frames."""

    frame: int
    color: str
    name: str
    note: str
    duration_frames: int
    custom_data: str

    def to_json(self) -> Json:
        return {
            "frame": self.frame,
            "color": self.color,
            "name": self.name,
            "note": self.note,
            "duration": self.duration_frames,
            "custom_data": self.custom_data,
        }

    @classmethod
    def from_json(cls, fields: JsonFields) -> PlanMarker:
        return cls(
            frame=fields.required_integer("frame"),
            color=fields.required_text("color"),
            name=fields.required_text("name"),
            note=fields.text("note"),
            duration_frames=fields.required_integer("duration"),
            custom_data=fields.text("custom_data"),
        )


@dataclass(frozen=True, kw_only=True)
class PlacementPlan:
    """What to place on one timeline. replaces: earlier stems of ours in the same place are replaced. removals: ids of items,
    stems of ours, that are deleted before anything is placed.
    """

    timeline_id: str
    timeline_name: str
    stems: tuple[PlanStem, ...]
    markers: tuple[PlanMarker, ...] = ()
    replaces: bool = False
    removals: tuple[str, ...] = ()

    def to_json(self) -> Json:
        return {
            "timeline_id": self.timeline_id,
            "timeline_name": self.timeline_name,
            "stems": [stem.to_json() for stem in self.stems],
            "markers": [marker.to_json() for marker in self.markers],
            "replaces": self.replaces,
            **({"removals": list(self.removals)} if self.removals else {}),
        }

    @classmethod
    def from_json(cls, values: object) -> PlacementPlan:
        """Raises SnapshotError."""
        fields = JsonFields(values, "the plan")
        return cls(
            timeline_id=fields.required_text("timeline_id"),
            timeline_name=fields.text("timeline_name"),
            stems=tuple(PlanStem.from_json(stem) for stem in fields.children("stems")),
            markers=tuple(PlanMarker.from_json(marker) for marker in fields.children("markers")),
            replaces=fields.flag("replaces", default=False),
            removals=tuple(fields.texts("removals")),
        )


def parse_plan_stems(placements: Iterable[Mapping[str, Any]]) -> tuple[PlanStem, ...]:
    """The stems in the `placements` of a plan.json. Raises SnapshotError."""
    return tuple(PlanStem.from_json(JsonFields(placement, "the plan")) for placement in placements)


@dataclass(frozen=True, kw_only=True)
class StemResult:
    """What became of one stem. reason: why it is not placed. note: why it lies on another track than planned. change: what
    became of its picture since the request. remark: what else the user should know of its track.
    """

    id: str
    is_placed: bool
    reason: str = ""
    track_index: int = 0
    track_name: str = ""
    record_frame: int = 0
    duration_frames: int = 0
    note: str = ""
    change: str = ""
    remark: str = ""

    def to_json(self) -> Json:
        if not self.is_placed:
            return {"id": self.id, "status": "held", "reason": self.reason}
        placed = {
            "id": self.id,
            "status": "placed",
            "track_index": self.track_index,
            "track_name": self.track_name,
            "record_frame": self.record_frame,
            "duration_frames": self.duration_frames,
        }
        texts = {"note": self.note, "change": self.change, "remark": self.remark}
        return {**placed, **{name: text for name, text in texts.items() if text}}

    @classmethod
    def from_json(cls, fields: JsonFields) -> StemResult:
        is_placed = fields.required_text("status") == "placed"
        return cls(
            id=fields.required_text("id"),
            is_placed=is_placed,
            reason=fields.text("reason"),
            track_index=fields.integer("track_index") or 0,
            track_name=fields.text("track_name"),
            record_frame=fields.required_integer("record_frame") if is_placed else 0,
            duration_frames=fields.required_integer("duration_frames") if is_placed else 0,
            note=fields.text("note"),
            change=fields.text("change"),
            remark=fields.text("remark"),
        )


@dataclass(frozen=True, kw_only=True)
class PlacementReport:
    """What lies on the timeline after placing. is_saved: whether Resolve saved the project. end_frames: "inclusive" or
    "exclusive", how this version counts the end of a clip. num_removed, num_left: items that the plan removes, and those of them
    that Resolve did not delete.
    """

    timeline_id: str
    is_saved: bool
    stems: tuple[StemResult, ...]
    end_frames: str = ""
    num_markers: int = 0
    num_removed: int = 0
    num_left: int = 0

    @property
    def num_placed(self) -> int:
        return sum(stem.is_placed for stem in self.stems)

    def to_json(self) -> Json:
        return {
            "schema": REPORT_SCHEMA,
            "timeline_id": self.timeline_id,
            "saved": self.is_saved,
            "stems": [stem.to_json() for stem in self.stems],
            "end_frames": self.end_frames,
            "num_markers": self.num_markers,
            **(
                {"removed": self.num_removed, "left": self.num_left}
                if self.num_removed or self.num_left
                else {}
            ),
        }

    @classmethod
    def from_json(cls, values: object) -> PlacementReport:
        """Raises SnapshotError."""
        fields = JsonFields(values, "the report")
        return cls(
            timeline_id=fields.text("timeline_id"),
            is_saved=fields.flag("saved", default=True),
            stems=tuple(StemResult.from_json(stem) for stem in fields.children("stems")),
            end_frames=fields.text("end_frames"),
            num_markers=fields.integer("num_markers") or 0,
            num_removed=fields.integer("removed") or 0,
            num_left=fields.integer("left") or 0,
        )


@dataclass(frozen=True, kw_only=True)
class RemovalReport:
    """How much of what Selva had placed was removed. num_kept: stems on locked tracks, which stay."""

    num_stems: int
    num_tracks: int
    num_clips: int
    num_markers: int
    num_kept: int

    def to_json(self) -> Json:
        return {
            "schema": REMOVED_SCHEMA,
            "stems": self.num_stems,
            "tracks": self.num_tracks,
            "clips": self.num_clips,
            "markers": self.num_markers,
            "kept": self.num_kept,
        }

    @classmethod
    def from_json(cls, values: object) -> RemovalReport:
        """Raises SnapshotError."""
        fields = JsonFields(values, "the removal report")
        return cls(
            num_stems=fields.required_integer("stems"),
            num_tracks=fields.required_integer("tracks"),
            num_clips=fields.required_integer("clips"),
            num_markers=fields.required_integer("markers"),
            num_kept=fields.required_integer("kept"),
        )


@dataclass(frozen=True, kw_only=True)
class ListedTimeline:
    """A timeline of the open project."""

    id: str
    name: str
    is_current: bool

    @classmethod
    def from_json(cls, values: object) -> ListedTimeline:
        """Raises SnapshotError."""
        fields = JsonFields(values, "the list of timelines")
        return cls(
            id=fields.text("id"),
            name=fields.text("name"),
            is_current=fields.flag("is_current", default=False),
        )

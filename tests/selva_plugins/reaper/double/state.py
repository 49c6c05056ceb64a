"""The state of a project: plain values that compare equal when nothing differs, so that undo can be asserted."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field
from pathlib import Path


def new_guid() -> str:
    return "{" + str(uuid.uuid4()).upper() + "}"


@dataclass
class Source:
    """A media source. A section (also of a reversed take) wraps the real file and has no file name of its own."""

    kind: str
    length_s: float
    file: str = ""
    parent: Source | None = None
    section_offset_s: float = 0.0
    is_reversed: bool = False

    @classmethod
    def video(cls, path: Path | str, length_s: float) -> Source:
        return cls(kind="VIDEO", file=str(path), length_s=length_s)

    @classmethod
    def wave(cls, path: Path | str, length_s: float) -> Source:
        return cls(kind="WAVE", file=str(path), length_s=length_s)

    @property
    def innermost(self) -> Source:
        return self if self.parent is None else self.parent.innermost

    def section(self, offset_s: float, length_s: float, *, is_reversed: bool = False) -> Source:
        return Source(
            kind="SECTION", length_s=length_s, parent=self, section_offset_s=offset_s, is_reversed=is_reversed
        )


@dataclass
class Envelope:
    """An envelope. points: (time, value, shape, tension, whether it is selected), the time as REAPER counts: for a take, seconds
    after the item's start, times the play rate; for a track, seconds of the project.
    """

    name: str
    points: list[tuple[float, float, int, float, bool]] = field(default_factory=list)
    num_automation_items: int = 0


@dataclass
class Take:
    """One take of an item; `source` is None until one is set."""

    source: Source | None = None
    name: str = ""
    guid: str = field(default_factory=new_guid)
    values: dict[str, float] = field(
        default_factory=lambda: {
            "D_STARTOFFS": 0.0,
            "D_PLAYRATE": 1.0,
            "D_PITCH": 0.0,
            "B_PPITCH": 1.0,
            "D_VOL": 1.0,
        }
    )
    ext: dict[str, str] = field(default_factory=dict)
    num_stretch_markers: int = 0
    markers: list[tuple[float, str]] = field(default_factory=list)
    """Take markers: seconds of the source, and the name."""
    envelopes: list[Envelope] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    """What its effects are set to, as text: only its chunk holds it here."""

    @property
    def pan_points(self) -> list[tuple[float, float]]:
        """Of its pan envelope: the time, and 1 for left."""
        pans = (envelope for envelope in self.envelopes if envelope.name == "Pan")
        return [(time_s, value) for envelope in pans for time_s, value, *_ in envelope.points]

    @pan_points.setter
    def pan_points(self, points: list[tuple[float, float]]) -> None:
        self.envelopes = [envelope for envelope in self.envelopes if envelope.name != "Pan"]
        if points:
            plain = [(time_s, value, 0, 0.0, False) for time_s, value in points]
            self.envelopes.append(Envelope("Pan", plain))


@dataclass
class Item:
    """A media item. `takes` may hold None for an empty take lane. New items loop and fade, as REAPER's defaults do."""

    takes: list[Take | None] = field(default_factory=list)
    guid: str = field(default_factory=new_guid)
    active: int = 0
    is_selected: bool = False
    values: dict[str, float] = field(
        default_factory=lambda: {
            "D_POSITION": 0.0,
            "D_LENGTH": 0.0,
            "D_SNAPOFFSET": 0.0,
            "D_VOL": 1.0,
            "D_FADEINLEN": 0.01,
            "D_FADEOUTLEN": 0.01,
            "B_LOOPSRC": 1.0,
            "B_MUTE": 0.0,
            "C_BEATATTACHMODE": -1.0,
            "C_LANEPLAYS": 0.0,
            "C_LOCK": 0.0,
            "I_GROUPID": 0.0,
            "D_FADEINLEN_AUTO": -1.0,
            "D_FADEOUTLEN_AUTO": -1.0,
        }
    )
    ext: dict[str, str] = field(default_factory=dict)

    @classmethod
    def showing(
        cls,
        source: Source,
        *,
        position_s: float,
        length_s: float,
        start_offset_s: float = 0.0,
        play_rate: float = 1.0,
        loops: bool = False,
        is_selected: bool = True,
        name: str = "",
    ) -> Item:
        take = Take(source=source, name=name or Path(source.innermost.file).name)
        take.values.update(D_STARTOFFS=start_offset_s, D_PLAYRATE=play_rate)
        item = cls(takes=[take], is_selected=is_selected)
        item.values.update(D_POSITION=position_s, D_LENGTH=length_s, B_LOOPSRC=float(loops))
        return item

    @property
    def active_take(self) -> Take:
        take = self.takes[self.active]
        assert take is not None
        return take

    @property
    def position_s(self) -> float:
        return self.values["D_POSITION"]

    @property
    def length_s(self) -> float:
        return self.values["D_LENGTH"]


@dataclass
class Track:
    name: str = ""
    guid: str = field(default_factory=new_guid)
    items: list[Item] = field(default_factory=list)
    values: dict[str, float] = field(
        default_factory=lambda: {
            "I_FOLDERDEPTH": 0.0,
            "I_FREEMODE": 0.0,
            "B_MUTE": 0.0,
            "D_VOL": 1.0,
            "C_BEATATTACHMODE": -1.0,
        }
    )
    ext: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def depth(self) -> int:
        return int(self.values["I_FOLDERDEPTH"])


@dataclass
class Marker:
    """A region, or a marker (then `end_s` is the start)."""

    name: str
    start_s: float
    end_s: float
    is_region: bool = True
    number: int = 1
    is_hidden: bool = False
    guid: str = field(default_factory=new_guid)


@dataclass
class Content:
    """Everything that undo brings back."""

    tracks: list[Track] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    ext_state: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class UndoStep:
    label: str
    before: Content
    covers_tracks: bool
    covers_items: bool
    covers_rest: bool


@dataclass(eq=False)
class Project:
    """One project tab. `path` is "" until it is saved; `media_folder` is what GetProjectPathEx answers."""

    media_folder: str
    path: str = ""
    content: Content = field(default_factory=Content)
    frame_rate_hz: float = 25.0
    is_drop_frame: bool = False
    start_offset_s: float = 0.0
    sample_rate_hz: float | None = None
    play_state: int = 0
    time_selection_s: tuple[float, float] = (0.0, 0.0)
    undo_steps: list[UndoStep] = field(default_factory=list)
    redo_contents: list[Content] = field(default_factory=list)
    block_before: Content | None = None

    @property
    def tracks(self) -> list[Track]:
        return self.content.tracks

    @property
    def items(self) -> list[Item]:
        return [item for track in self.tracks for item in track.items]

    def copy_content(self) -> Content:
        return copy.deepcopy(self.content)

    def track_named(self, name: str) -> Track:
        return next(track for track in self.tracks if track.name == name)

    def track_of(self, item: Item) -> Track:
        return next(track for track in self.tracks if any(other is item for other in track.items))

    def undo(self) -> None:
        """What Edit > Undo does: the last step's state before it, as far as the step's flags cover it."""
        step = self.undo_steps.pop()
        self.redo_contents.append(self.content)
        restored = copy.deepcopy(step.before)
        if not step.covers_tracks:
            restored.tracks = self.content.tracks
        elif not step.covers_items:
            items_now = {track.guid: track.items for track in self.content.tracks}
            for track in restored.tracks:
                track.items = items_now.get(track.guid, track.items)
        if not step.covers_rest:
            restored.markers, restored.ext_state = self.content.markers, self.content.ext_state
        self.content = restored

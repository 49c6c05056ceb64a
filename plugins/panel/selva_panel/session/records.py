"""What a session keeps in its file: rows, stems and choices, jobs that the daemon has, evidence and notes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from selva_panel.timeline.rows import Row

VERSION = 1
NOTES_SCHEMA = "selva.panel.notes/1"
CHOICES = ("keep", "reject", "none")


class StemRecord(Struct, kw_only=True, omit_defaults=True):
    """A take that was rendered. start_frames: on the timeline, after its start. file: an absolute path.

    offset_samples: of the handle, between the file's first sample and `start_frames`. length_samples: what is heard. pan: points
    of the curve that the take is heard at, seconds of its file and -1 left to 1 right. measures: name, value and unit. hints:
    kind, text and, where it was measured here, value and unit.
    """

    id: str
    row_id: str
    clip_id: str
    cue: str
    take: int
    seed: int
    file: str
    prompt: str
    negative: str
    model: str
    start_frames: int
    start_sample: int
    offset_samples: int
    length_samples: int
    sample_rate_hz: int
    num_samples: int
    num_steps: int
    guidance: float
    channels: int = 1
    pan: list[tuple[float, float]] = field(default_factory=list)
    pan_mode: str = "off"
    presence: float | None = None
    evidence: str | None = None
    silenced: bool = False
    warnings: tuple[str, ...] = ()
    hints: list[dict[str, Any]] = field(default_factory=list)
    measures: list[dict[str, Any]] = field(default_factory=list)
    choice: str = "none"
    active: bool = False
    redone_from: str | None = None


class CueInJob(Struct, frozen=True, kw_only=True):
    """A cue that a job makes: its row and clip, what it was asked for, and where its stems will lie."""

    row_id: str
    clip_id: str
    prompt: str
    negative: str
    start_frames: int
    start_sample: int
    offset_samples: int
    length_samples: int


class JobRecord(Struct, kw_only=True, omit_defaults=True):
    """A job that the daemon has of this session. kind: "render", "look" or "redo". cues: by their ids. code: of the message."""

    id: str
    kind: str
    cues: dict[str, CueInJob]
    model: str
    num_steps: int
    guidance: float
    pan_mode: str = "off"
    state: str = "queued"
    message: str = ""
    code: str = ""
    redone_from: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.state not in ("queued", "running")


class EvidenceRecord(Struct, kw_only=True, omit_defaults=True):
    """What a model saw of a row's prompt in a clip. acts: it is calibrated, and so a stem of what is not seen is silent."""

    row_id: str
    clip_id: str
    prompt: str
    presence: float
    acts: bool
    seen: bool
    rate_hz: float = 0.0
    presence_curve: list[float] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)


class Note(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a director wrote on the page that was sent: on a stem, at a frame, or on the whole."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]
    stem_id: str | None = None
    frame: int | None = None
    by: Annotated[str, Meta(max_length=200)] = ""


class SessionRecord(Struct, kw_only=True):
    """The content of a session's file."""

    version: int = VERSION
    cut: str = ""
    revision: int = 0
    rows: tuple[Row, ...] = ()
    stems: list[StemRecord] = field(default_factory=list)
    jobs: list[JobRecord] = field(default_factory=list)
    evidence: list[EvidenceRecord] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    placed: dict[str, Any] | None = None
    model: str | None = None

"""What `--json` of render, stems, spot, conform and watch prints, as types; docs/reference/json has the JSON Schemas of them.

Rationals are pairs of whole numbers: numerator, denominator. Later versions may add fields; they take none away and change the
meaning of none.
"""

from __future__ import annotations

from typing import Any, TypedDict


class SkippedOutput(TypedDict):
    """An item of the timeline that no sound is made for."""

    clip: str
    video_track: str
    record_start: list[int]
    record_timecode: str
    reason: str


class LeftOutOutput(SkippedOutput):
    """The same in a cue sheet. is_fault: it should have had sound."""

    is_fault: bool


class FailedOutput(TypedDict):
    """A clip that got no stems, and why."""

    clip: str
    video_track: str
    record_start: list[int]
    record_timecode: str
    code: str
    message: str


class KeptOutput(TypedDict):
    """A cue whose stem an editor has changed; that one stays on the timeline."""

    track: str
    cue: str
    clip: str
    record_start: list[int]
    record_timecode: str


class StemOutput(TypedDict):
    """A stem that was made. Record times count from the timeline's start, source times from the file's first frame."""

    track: str
    take: int
    cue: str
    clip: str
    prompt: str
    negative_prompt: str
    gain_db: float
    file: str
    record_start: list[int]
    record_timecode: str
    duration: list[int]
    source_start: list[int]
    source_timecode: str
    sample_rate_hz: int
    num_samples: int
    start_sample: int
    offset_samples: int
    seed: int
    cached: bool
    presence: float | None
    evidence: str | None
    silenced: bool
    num_channels: int
    pan: list[list[float]]
    hints: list[HintOutput] | None
    warnings: list[str]


class HintOutput(TypedDict):
    """One thing that was measured of a stem, and what it means."""

    name: str
    value: float | bool | None
    unit: str
    meaning: str


class RenderOutput(TypedDict):
    """`selva render --json` and `selva stems --json`."""

    model: str
    timeline: str | None
    parts: list[str]
    sidecar: str | None
    losses: list[str]
    stems_folder: str
    frame_rate: list[int]
    start_timecode: str
    stems: list[StemOutput]
    skipped: list[SkippedOutput]
    failed: list[FailedOutput]
    kept: list[KeptOutput]
    warnings: list[str]


class _CueOutput(TypedDict):
    cue: str
    track: str
    prompt: str
    negative_prompt: str
    takes: int
    gain_db: float
    asked_by: str
    clip: str
    video_track: str
    media: str
    record_start: list[int]
    record_end: list[int]
    record_timecode: str
    record_end_timecode: str
    source_start: list[int]
    speed: list[int]
    source_timecode: str
    source_end_timecode: str
    sound_duration: list[int]
    estimate_s: float | None
    warnings: list[str]


class CueOutput(_CueOutput, total=False):
    """A cue. presence: with --look only."""

    presence: float | None


class SpotOutput(TypedDict):
    """`selva spot --json`."""

    frame_rate: list[int]
    start_timecode: str
    cues: list[CueOutput]
    left_out: list[LeftOutOutput]
    warnings: list[str]


class ShotRangeOutput(TypedDict):
    """Where a shot lies in one of the cuts."""

    record_start: list[int]
    record_end: list[int]
    record_timecode: str
    record_end_timecode: str
    source_start: list[int]
    source_timecode: str
    speed: list[int]


class ShotChangeOutput(TypedDict):
    """What became of a shot. old, new: null where a cut does not have it. relinked: how a medium of another path was found."""

    changes: list[str]
    clip: str
    video_track: str
    media: str | None
    relinked: str | None
    old: ShotRangeOutput | None
    new: ShotRangeOutput | None
    stems: list[str]


class StemChangeOutput(TypedDict):
    """What was done with a stem, or for a cue that had none."""

    actions: list[str]
    track: str
    prompt: str
    clip: str
    file: str | None
    old_start: list[int] | None
    old_end: list[int] | None
    old_timecode: str | None
    new_start: list[int] | None
    new_end: list[int] | None
    new_timecode: str | None
    reason: str | None


class ConformOutput(TypedDict):
    """`selva conform --json`."""

    dry_run: bool
    timeline: str | None
    parts: list[str]
    sidecar: str | None
    losses: list[str]
    frame_rate: list[int]
    start_timecode: str
    shots: list[ShotChangeOutput]
    stems: list[StemChangeOutput]
    rendered: list[StemOutput]
    failed: list[FailedOutput]
    notes: list[str]


class ErrorBody(TypedDict):
    """Why a command was refused. facts: more of it, by name."""

    code: str
    message: str
    facts: dict[str, Any]


class ErrorOutput(TypedDict):
    """What every command prints with --json where it is refused; its exit status is not 0."""

    error: ErrorBody


class _WatchedFolderOutput(TypedDict):
    path: str
    paused: bool
    available: bool
    noticed_by: str
    note: str
    scanned_s: float | None
    items: dict[str, int]


class WatchedFolderOptions(TypedDict, total=False):
    """What of its options differs from the defaults."""

    results: str
    subfolders: bool
    changes: str
    settle_s: float
    rescan_s: float
    model: str
    takes: int
    handles_s: float
    move_sources: bool
    hook: list[str]
    webhook: str
    hours: str
    notify: bool
    pages: bool


class WatchedFolderOutput(_WatchedFolderOutput, WatchedFolderOptions):
    """A watch folder. items: how many there are in each state. scanned_s: when it was last looked through, since 1970."""


class WatchAddOutput(WatchedFolderOptions):
    """`selva watch add --json`."""

    path: str


class WatchListOutput(TypedDict):
    """`selva watch list --json`."""

    folders: list[WatchedFolderOutput]


class WatchedItemOutput(TypedDict):
    """An item of a watch folder. Times are seconds since 1970."""

    name: str
    state: str
    reason: str
    results: str | None
    same_as: str | None
    note: str | None
    moved_to: str | None
    jobs: list[str]
    changed_s: float
    not_before_s: float | None


class WatchItemsOutput(TypedDict):
    """`selva watch list FOLDER --json`."""

    folder: str
    items: list[WatchedItemOutput]


class WatchChangeOutput(TypedDict, total=False):
    """`selva watch remove|pause|resume|again|forget --json`: what was removed or paused; which items are rendered again; how many
    were forgotten.
    """

    removed: str
    folder: str
    paused: bool
    again: list[str]
    forgotten: int

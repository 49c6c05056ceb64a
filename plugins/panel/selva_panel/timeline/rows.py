"""The rows of the page: one prompt per stem track, with what differs on single clips. The structs are what the page sends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from selva_core.base.limits import MAX_GAIN_DB, MAX_PROMPT_CHARS, MAX_SEED, MAX_TAKES, MAX_TRACK_NAME_CHARS
from selva_core.base.render_options import PANS
from selva_otio import Cue, CueSheet
from selva_panel.timeline.cut import Cut, PanelClip

MAX_ROWS = 100
MAX_OVERRIDES = 10_000

Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Prompt = Annotated[str, Meta(max_length=MAX_PROMPT_CHARS)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]


class Override(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What differs from the row on one clip. include: whether it is rendered; left out, the evidence decides.

    start_frames, duration_frames: the part of the clip that a marker is for, on the timeline's clock; set by the server.
    """

    prompt: Prompt | UnsetType = UNSET
    negative: Prompt | UnsetType = UNSET
    seed: Seed | UnsetType = UNSET
    include: bool | UnsetType = UNSET
    start_frames: int | UnsetType = UNSET
    duration_frames: int | UnsetType = UNSET


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stem track. A row without a name or a prompt is being typed; it is kept, and not rendered."""

    id: Id
    name: Annotated[str, Meta(max_length=MAX_TRACK_NAME_CHARS)] = ""
    prompt: Prompt = ""
    negative: Prompt = ""
    takes: Annotated[int, Meta(ge=1, le=MAX_TAKES)] = 1
    gain_db: Annotated[float, Meta(ge=-MAX_GAIN_DB, le=MAX_GAIN_DB)] = 0.0
    pan: Annotated[str, Meta(pattern=f"^({'|'.join(PANS)})$")] = "off"
    solo: bool = False
    mute: bool = False
    overrides: Annotated[dict[Id, Override], Meta(max_length=MAX_OVERRIDES)] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return bool(self.name.strip() and self.prompt.strip())

    def prompt_on(self, clip_id: str) -> str:
        override = self.overrides.get(clip_id)
        return self.prompt if override is None or override.prompt is UNSET else override.prompt

    def negative_on(self, clip_id: str) -> str:
        override = self.overrides.get(clip_id)
        return self.negative if override is None or override.negative is UNSET else override.negative

    def seed_on(self, clip_id: str) -> int | None:
        override = self.overrides.get(clip_id)
        return None if override is None or override.seed is UNSET else override.seed

    def include_on(self, clip_id: str) -> bool | None:
        """Whether the user wants the clip; None where they have not said so."""
        override = self.overrides.get(clip_id)
        return None if override is None or override.include is UNSET else override.include


Rows = Annotated[tuple[Row, ...], Meta(max_length=MAX_ROWS)]


class RowsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page sends after an edit, with the revision that it has edited."""

    revision: int
    rows: Rows


def new_row_id() -> str:
    return secrets.token_hex(6)


def rows_of_marked_cut(cut: Cut) -> tuple[Row, ...]:
    """The rows that a cut's own markers and metadata ask for; clips that they do not name are left out of them."""
    if cut.marked is None:
        return ()
    by_track: dict[str, list[tuple[Cue, PanelClip]]] = {name: [] for name in cut.marked.tracks}
    for cue, clip in iter_marked_cues(cut):
        by_track[cue.track].append((cue, clip))
    return tuple(_row_of(name, cues, cut) for name, cues in by_track.items() if cues)


def iter_marked_cues(cut: Cut) -> Iterator[tuple[Cue, PanelClip]]:
    """The cues of the cut's own markers and metadata, each with the clip in which it lies."""
    rate_hz = cut.clock.frame_rate_hz
    by_track: dict[str, list[PanelClip]] = {}
    for clip in cut.clips:
        if clip.spotted is not None:
            by_track.setdefault(clip.track, []).append(clip)
    for cue in _cues(cut.marked):
        middle = (cue.clip.record_start_s + cue.clip.duration_s / 2) * rate_hz
        for clip in by_track.get(cue.clip.video_track, ()):
            spotted = clip.spotted
            if (
                spotted is not None
                and spotted.media_path == cue.clip.media_path
                and clip.start_frames <= middle < clip.start_frames + clip.duration_frames
            ):
                yield cue, clip
                break


def _cues(sheet: CueSheet | None) -> Sequence[Cue]:
    return () if sheet is None else sheet.cues


def _row_of(name: str, cues: Sequence[tuple[Cue, PanelClip]], cut: Cut) -> Row:
    first = cues[0][0]
    overrides: dict[str, Override] = {
        clip.id: Override(include=False) for clip in cut.clips if clip.spotted is not None
    }
    for cue, clip in cues:
        overrides[clip.id] = _override_of(cue, clip, first, cut)
    return Row(
        id=new_row_id(),
        name=name,
        prompt=first.prompt,
        negative=first.negative_prompt,
        takes=first.num_takes or 1,
        gain_db=first.gain_db,
        overrides=overrides,
    )


def _override_of(cue: Cue, clip: PanelClip, first: Cue, cut: Cut) -> Override:
    start = round(cue.clip.record_start_s * cut.clock.frame_rate_hz)
    duration = round(cue.clip.duration_s * cut.clock.frame_rate_hz)
    is_part = (start, duration) != (clip.start_frames, clip.duration_frames)
    return Override(
        prompt=cue.prompt if cue.prompt != first.prompt else UNSET,
        negative=cue.negative_prompt if cue.negative_prompt != first.negative_prompt else UNSET,
        include=True,
        start_frames=cut.clock.start_frame + start if is_part else UNSET,
        duration_frames=duration if is_part else UNSET,
    )


def rows_to_json(rows: Sequence[Row]) -> list[Mapping[str, object]]:
    """JSON-able rows, as the page gets them."""
    return [msgspec.to_builtins(row) for row in rows]

"""The cut at the last render: what each stem notes of the picture that it was made for, and which other shots were there.

Stems are found where they lie now and are brought to where they lay in that cut, so that a stem that was moved along with its
picture, by a ripple edit or together with it, counts as one that was not moved.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

from msgspec import Meta, Struct

from selva_core.base.schema import describe_faults, one_of
from selva_core.base.schema_check import check
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.displaced_stems import find_place
from selva_otio.conform.media_matching import match_media
from selva_otio.errors import CueError
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.reaper.conform.new_cut import NewCut, read_rate
from selva_plugins.hosts.reaper.conform.same_picture import name_medium
from selva_plugins.hosts.reaper.item_spans import SAME_S
from selva_plugins.hosts.reaper.recipes import Recipe, parse_recipe
from selva_plugins.hosts.reaper.snapshot import (
    MAX_ITEMS,
    Id,
    Name,
    ReaperAnchoredStem,
    ReaperSnapshot,
    Seconds,
)
from selva_plugins.hosts.reaper.timeline import ReaperTimeline

LAST_RENDER_SCHEMA = "selva.last_render/1"
_LastItem = tuple[str, int, float, float, float, float]


class _Shown(Struct, frozen=True, kw_only=True):
    """What the picture item showed, in seconds of its source, and how long."""

    start_offset_s: Seconds
    length_s: Seconds


class _Picture(Struct, frozen=True, kw_only=True):
    """`source_s` is seen where the first sample of the stem's file is heard."""

    item_guid: Id
    picture_key: Name
    play_rate: Annotated[float, Meta(ge=1e-3, le=1e3)]
    source_s: Seconds
    shot: _Shown | None = None


class _Anchor(Struct, frozen=True, kw_only=True):
    """What lib/anchor.lua keeps in a stem item; earlier versions wrote no `shot`."""

    label: Name = ""
    stem_track: Name
    picture: _Picture
    origin_s: Seconds


class _LastRender(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lib/last_render.lua keeps: of each item its GUID, the number of its picture's key, position, length, start offset
    and play rate.
    """

    schema: Annotated[str, one_of((LAST_RENDER_SCHEMA,))]
    picture_keys: Annotated[tuple[str, ...], Meta(max_length=MAX_ITEMS)]
    items: Annotated[tuple[_LastItem, ...], Meta(max_length=MAX_ITEMS)]


@dataclass(frozen=True, kw_only=True)
class AnchoredStem:
    """A stem item with what it was made for, all on the record clock of the timeline that was built.

    shot: that it was made for, in the old cut. origin_s: where the first sample of its file lay there. slip_s: how much later an
    editor put it against its picture. displaced_s: how much later than in the old cut its picture is taken to lie where the stem
    lies now: 0 for a stem that was not moved. edges_s: of the shot as it was when the stem was made, where `shot` is a later
    version of it.
    """

    item: ReaperAnchoredStem
    label: str
    stem_track: str
    item_guid: str
    recipe: Recipe
    shot: CutShot
    origin_s: Fraction
    slip_s: Fraction = Fraction(0)
    displaced_s: Fraction = Fraction(0)
    edges_s: tuple[Fraction, Fraction] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it can only be moved: a loop, or stretch markers, have no linear clock."""
        return self.item.loops or self.item.num_stretch_markers > 0


@dataclass(frozen=True, kw_only=True)
class HeldStem:
    """A stem that a conform leaves as it is, and why."""

    item: ReaperAnchoredStem
    label: str
    reason: str


@dataclass(kw_only=True)
class OldCut:
    """The stems of the last render, those that stay as they are, and every shot of that cut that is known, by its item."""

    stems: list[AnchoredStem]
    held: list[HeldStem]
    known: list[tuple[str, CutShot]]


def read_old_cut(snapshot: ReaperSnapshot, new: NewCut) -> OldCut:
    """Raises SnapshotError for a last render that is not valid."""
    old = OldCut(stems=[], held=[], known=list(_iter_last_render(snapshot.last_render, new.built)))
    readable = new.item_guids
    for item in snapshot.anchored_stems:
        label = item.take.name or item.guid
        try:
            stem = _read_stem(item, new.built)
        except (SnapshotError, CueError) as error:
            old.held.append(HeldStem(item=item, label=label, reason=error.message))
            continue
        if item.is_locked:
            old.held.append(HeldStem(item=item, label=stem.label or label, reason="its item is locked"))
        elif item.picture_exists and stem.item_guid not in readable:
            reason = "its picture item shows nothing that can be read (is its media offline?)"
            old.held.append(HeldStem(item=item, label=stem.label or label, reason=reason))
        else:
            old.stems.append(stem)
    _find_slips(old, new)
    return old


def _read_stem(item: ReaperAnchoredStem, built: ReaperTimeline) -> AnchoredStem:
    """Raises SnapshotError, CueError."""
    anchor = _parse(item.anchor, _Anchor, "the anchor in the stem")
    recipe = parse_recipe(item.take.recipe or next(iter(item.recipes), ""))
    picture, rate = anchor.picture, read_rate(anchor.picture.play_rate)
    shown = picture.shot or _Shown(
        start_offset_s=picture.source_s + float(recipe.clip.handle_before_s * rate),
        length_s=float(recipe.clip.duration_s),
    )
    start_s = anchor.origin_s + (shown.start_offset_s - picture.source_s) / picture.play_rate
    return AnchoredStem(
        item=item,
        label=anchor.label,
        stem_track=anchor.stem_track,
        item_guid=picture.item_guid,
        recipe=recipe,
        shot=_build_shot(picture.picture_key, start_s, shown, rate, built, name=recipe.clip.name),
        origin_s=built.snap(anchor.origin_s),
    )


def _build_shot(
    picture_key: str, start_s: float, shown: _Shown, rate: Fraction, built: ReaperTimeline, *, name: str = ""
) -> CutShot:
    return CutShot(
        number=0,
        name=name,
        media=name_medium(picture_key),
        media_start_s=built.snap(shown.start_offset_s) - built.lead_s,
        speed=rate,
        record_start_s=built.snap(start_s),
        record_end_s=built.snap(start_s + shown.length_s),
    )


def _iter_last_render(text: str, built: ReaperTimeline) -> Iterator[tuple[str, CutShot]]:
    if not text:
        return
    last = _parse(text, _LastRender, "the last render that the project notes")
    for guid, key_number, position_s, length_s, start_offset_s, play_rate in last.items:
        if 0 <= key_number < len(last.picture_keys) and play_rate > 0:
            shown = _Shown(start_offset_s=start_offset_s, length_s=length_s)
            key = last.picture_keys[key_number]
            yield guid, _build_shot(key, position_s, shown, read_rate(play_rate), built)


def _parse(text: str, kind: type[Any], what: str) -> Any:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"{what} is not JSON: {error}") from error
    parsed, faults = check(values, kind)
    if parsed is None:
        raise SnapshotError(f"{what} is not valid: {describe_faults(faults)}")
    return parsed


# Slips ----------------------------------------------------------------------------------------------------------------


def _find_slips(old: OldCut, new: NewCut) -> None:
    """Decide of each stem whether it lies where it lay, or where its picture is now, and what an editor has slipped it by."""
    shots = [stem.shot for stem in old.stems]
    media = match_media(shots, new.cut.cut_shots, has_same_content=new.pictures.compare)
    renamed = media.rename(new.cut.cut_shots)
    by_media: dict[str, list[CutShot]] = defaultdict(list)
    for shot in renamed:
        by_media[shot.media].append(shot)
    stems, old.stems = old.stems, []
    for stem in stems:
        displaced_s = measure_origin_s(stem.item, new.built) - stem.origin_s
        found = find_place(displaced_s, stem.shot, by_media[stem.shot.media])
        if found is None:
            reason = "it was moved by hand, away from every place of its picture"
            old.held.append(HeldStem(item=stem.item, label=stem.label, reason=reason))
        else:
            place_s, slip_s = found
            slip_s = Fraction(0) if abs(slip_s) < SAME_S else slip_s
            old.stems.append(replace(stem, displaced_s=place_s, slip_s=slip_s))


def measure_origin_s(item: ReaperAnchoredStem, built: ReaperTimeline) -> Fraction:
    """Where the origin of the stem lies now: the first sample of the active take's file, less what that begins after it."""
    rate = read_rate(item.take.play_rate)
    offset_s = (built.snap(item.take.start_offset_s) - built.lead_s) / rate
    return built.snap(item.position_s) - offset_s - measure_delay_s(item, built)


def measure_delay_s(item: ReaperAnchoredStem, built: ReaperTimeline) -> Fraction:
    """By how much the active take's file begins after the origin, on the record clock."""
    return (built.snap(item.take.delay_s) - built.lead_s) / read_rate(item.take.play_rate)

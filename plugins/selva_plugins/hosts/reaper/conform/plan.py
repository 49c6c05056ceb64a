"""What a conform does in a project: which stem items are moved, trimmed, copied or removed, and what has to be rendered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from selva_otio import Cue
from selva_otio.conform.changes import KEPT, NEW, ChangeList, list_changes, merge_changes
from selva_otio.conform.displaced_stems import settle_copies
from selva_otio.conform.plan import ConformPlan, StemMove, plan_conform
from selva_otio.cues.rules import TRACK_PROMPT
from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.conform.layers import build_layers
from selva_plugins.hosts.reaper.conform.new_cut import NewCut, read_new_cut
from selva_plugins.hosts.reaper.conform.old_cut import (
    AnchoredStem,
    OldCut,
    measure_origin_s,
    read_old_cut,
)
from selva_plugins.hosts.reaper.cues import SpottedItems, merge_sheets
from selva_plugins.hosts.reaper.item_spans import SAME_S
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot
from selva_render.conform_report import ConformReport

COPY_IN_PLACE = "a copy of it lies on its picture"


@dataclass(frozen=True, kw_only=True)
class StemPart:
    """Where an item lies in the new cut. head_s: how much of its sound, as it lies now, is trimmed off its start; negative where
    it begins earlier. anchor: what lib/anchor.lua keeps in it then.
    """

    position_s: float
    length_s: float
    head_s: float
    keeps_fade_in: bool
    keeps_fade_out: bool
    anchor: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ItemMove:
    """A stem item and its parts in the new cut: the item itself becomes the first, the others are copies of it."""

    item_guid: str
    label: str
    parts: tuple[StemPart, ...]


@dataclass(frozen=True, kw_only=True)
class ItemNote:
    """An item that is removed, or left as it is, and why."""

    item_guid: str
    label: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ProjectMarker:
    """A marker at a shot that changed."""

    name: str
    position_s: float


@dataclass(frozen=True, kw_only=True)
class ProjectConform:
    """A conform of one project. moves: only of items that change. spotted: what no stem reaches. recipes: the
    stem that says how a cue is made, by the cue's id. actions: how many stems are moved, trimmed and so on.
    """

    new: NewCut
    moves: tuple[ItemMove, ...]
    removals: tuple[ItemNote, ...]
    held: tuple[ItemNote, ...]
    spotted: SpottedItems
    recipes: Mapping[str, AnchoredStem]
    changes: ChangeList
    table: str
    actions: Counter[str]

    def to_json(self) -> dict[str, Any]:
        """What the script reads as `conform` in plan.json."""
        return {
            "has_changes": bool(self.moves or self.removals or self.spotted.sheet.cues),
            "summary": self.summarise(),
            "table": self.table,
            "num_cues": len(self.spotted.sheet.cues),
            "moves": [asdict(move) for move in self.moves],
            "removals": [asdict(removal) for removal in self.removals],
            "held": [asdict(held) for held in self.held],
            "markers": [asdict(marker) for marker in self._iter_markers()],
        }

    def summarise(self) -> str:
        """Counts, and what is left alone, a line each."""
        counted = [f"{number} {action}" for action, number in self.actions.items()]
        cues = self.spotted.sheet.cues
        if cues:
            seconds = float(sum(cue.clip.duration_s for cue in cues))
            counted.append(f"{len(cues)} stretch{'es' if len(cues) > 1 else ''} to render ({seconds:.1f} s)")
        lines = [f"Stems: {', '.join(counted)}." if counted else "There are no stems to conform."]
        if not (self.moves or self.removals or cues):
            lines.append("Every stem lies where its picture is; there is nothing to do.")
        if self.held:
            lines.append(f"{len(self.held)} left as they are:")
            lines += [f"{held.label}: {held.reason}" for held in self.held[:6]]
            lines += ["..."] if len(self.held) > 6 else []
        return "\n".join(lines)

    def _iter_markers(self) -> Iterator[ProjectMarker]:
        """The names hold no colon, so that no later render takes one for a cue."""
        for row in self.changes.shots:
            if row.new is not None and row.changes != (KEPT,):
                position_s = float(row.new.record_start_s - self.new.built.lead_s)
                yield ProjectMarker(name=f"Conform - {', '.join(row.changes)}", position_s=position_s)


def plan_project(snapshot: ReaperSnapshot) -> ProjectConform:
    """Compare a project with its last render; nothing is changed. Raises NothingToRenderError, SnapshotError, TimelineError."""
    new = read_new_cut(snapshot)
    old = read_old_cut(snapshot, new)
    if not old.stems and not old.held:
        raise NothingToRenderError(
            'there is no render of Selva in this project to conform; run "Selva: Generate stems for selected items" first'
        )
    handles_s = _find_handles_s(old.stems)
    plans = [
        plan_conform(layer.cut, new.cut, spotter=new.spotter(handles_s), stems=layer.stems)
        for layer in build_layers(old, new)
    ]
    return _ProjectPlanner(new, old, plans).build()


def _find_handles_s(stems: Sequence[AnchoredStem]) -> Fraction:
    """New stems get the handles that the old ones have."""
    clips = [stem.recipe.clip for stem in stems]
    return max((max(clip.handle_before_s, clip.handle_after_s) for clip in clips), default=Fraction(0))


class _ProjectPlanner:
    """Turns the plans of the layers into what is done with items."""

    def __init__(self, new: NewCut, old: OldCut, plans: Sequence[ConformPlan]) -> None:
        self._new, self._old, self._plans = new, old, plans
        self._stems = {stem.item.guid: stem for stem in old.stems}
        self._actions: Counter[str] = Counter()
        self._by_place: dict[tuple[str, str, str], AnchoredStem] = {}

    def build(self) -> ProjectConform:
        moves = [move for plan in self._plans for move in plan.moves]
        self._by_place = {
            (
                stem.stem_track.casefold(),
                stem.recipe.sound.prompt,
                self._new.spans[move.new.cut.number].item.guid,
            ): stem
            for move in moves
            for stem in (self._stem_of(move),)
        }
        own_moves, displaced = self._settle_copies(moves)
        removals = [
            self._note(_guid_of(dropped.stem.placed.stem), dropped.reason)
            for plan in self._plans
            for dropped in plan.dropped
        ]
        held = [
            ItemNote(item_guid=each.item.guid, label=each.label, reason=each.reason)
            for each in self._old.held
        ]
        for guid in displaced:
            note = self._note(guid, COPY_IN_PLACE)
            (held if self._stems[guid].displaced_s else removals).append(note)
        item_moves = [self._build_move(guid, parts) for guid, parts in own_moves.items()]
        self._actions.update({"removed": len(removals)} if removals else {})
        changes = self._merge_changes()
        spotted, recipes = self._spot()
        return ProjectConform(
            new=self._new,
            moves=tuple(move for move in item_moves if move is not None),
            removals=tuple(removals),
            held=tuple(held),
            spotted=spotted,
            recipes=recipes,
            changes=changes,
            table=self._build_table(changes),
            actions=self._actions,
        )

    def _identify(self, move: StemMove) -> tuple[str, str]:
        stem = self._stem_of(move)
        sources = stem.item.take.sources
        return stem.stem_track.casefold(), sources[-1].file if sources else stem.item.guid

    def _stem_of(self, move: StemMove) -> AnchoredStem:
        return self._stems[_guid_of(move.stem.placed.stem)]

    def _note(self, guid: str, reason: str) -> ItemNote:
        return ItemNote(item_guid=guid, label=self._stems[guid].label, reason=reason)

    def _settle_copies(self, moves: Sequence[StemMove]) -> tuple[dict[str, list[StemMove]], list[str]]:
        """The moves of each item, and the items that have none left because an editor copied them with their picture."""
        own_moves: dict[str, list[StemMove]] = {}
        for move in settle_copies(
            moves, identify=self._identify, place_of=lambda move: self._stem_of(move).displaced_s
        ):
            own_moves.setdefault(self._stem_of(move).item.guid, []).append(move)
        left = dict.fromkeys(self._stem_of(move).item.guid for move in moves)
        return own_moves, [guid for guid in left if guid not in own_moves]

    def _build_move(self, guid: str, moves: Sequence[StemMove]) -> ItemMove | None:
        """None for an item that stays as it is."""
        stem = self._stems[guid]
        parts = sorted(
            (self._build_part(stem, move, moves) for move in moves), key=lambda part: part.position_s
        )
        here_s = stem.item.position_s
        first = min(parts, key=lambda part: (abs(part.position_s - here_s), abs(part.head_s)))
        parts.remove(first)
        if len(parts) > 0:
            self._actions["copied"] += len(parts)
        is_kept = not parts and _is_same(first, stem)
        for action in (
            ("kept",) if is_kept else dict.fromkeys(each for move in moves for each in move.actions)
        ):
            if action != "kept" or is_kept:
                self._actions[action] += 1
        if is_kept and self._is_anchored(first, stem):
            return None
        return ItemMove(item_guid=guid, label=stem.label, parts=(first, *parts))

    def _build_part(self, stem: AnchoredStem, move: StemMove, moves: Sequence[StemMove]) -> StemPart:
        new, item = self._new, stem.item
        lead_s = new.built.lead_s
        start_s, end_s = move.heard_s
        head_now_s = new.built.snap(item.position_s) - measure_origin_s(item, new.built)
        head_s = (start_s - move.file_start_s) - head_now_s
        into_file = [
            (each.heard_s[0] - each.file_start_s, each.heard_s[1] - each.file_start_s) for each in moves
        ]
        span = new.spans[move.new.cut.number]
        return StemPart(
            position_s=float(start_s - lead_s),
            length_s=float(end_s - start_s),
            head_s=float(head_s),
            keeps_fade_in=start_s - move.file_start_s <= min(first_s for first_s, _ in into_file),
            keeps_fade_out=end_s - move.file_start_s >= max(last_s for _, last_s in into_file),
            anchor={
                "item_guid": span.item.guid,
                "picture_key": span.take.picture_key,
                "origin_s": float(move.file_start_s - stem.slip_s - lead_s),
                "shot": {"start_offset_s": span.take.start_offset_s, "length_s": span.item.length_s},
            },
        )

    def _is_anchored(self, part: StemPart, stem: AnchoredStem) -> bool:
        """Whether a stem that does not move is for the same shot, too, as before."""
        span = next(span for span in self._new.spans if span.item.guid == part.anchor["item_guid"])
        return stem.item_guid == span.item.guid and stem.shot.duration_s == self._new.built.snap(
            span.item.position_s + span.item.length_s
        ) - self._new.built.snap(span.item.position_s)

    def _merge_changes(self) -> ChangeList:
        clock = self._new.built.timeline_clock
        merged = merge_changes([list_changes(plan) for plan in self._plans], old_clock=clock, new_clock=clock)
        if self._old.known:
            return merged
        # Nothing says which shots without a stem were there before.
        return replace(merged, shots=tuple(row for row in merged.shots if row.changes != (NEW,)))

    def _build_table(self, changes: ChangeList) -> str:
        if not self._plans:
            return format_table((), ())
        return format_table(*ConformReport(plan=self._plans[0], changes=changes).to_table())

    def _spot(self) -> tuple[SpottedItems, dict[str, AnchoredStem]]:
        """The cues that are rendered, each on its item, and the stem that says how each is made."""
        sheets = [
            replace(
                plan.sheet,
                clock=self._new.built.timeline_clock,
                cues=tuple(cue for cue in plan.sheet.cues if self._is_wanted(cue)),
            )
            for plan in self._plans
        ]
        spotted = merge_sheets(self._new.built, sheets, [])
        recipes = {
            cue.id: self._find_recipe(cue, spotted.spans[cue.id].item.guid) for cue in spotted.sheet.cues
        }
        cues = tuple(
            replace(cue, num_takes=None, gain_db=_gain_db(recipes[cue.id], cue)) for cue in spotted.sheet.cues
        )
        return replace(spotted, sheet=replace(spotted.sheet, cues=cues)), recipes

    def _find_recipe(self, cue: Cue, item_guid: str) -> AnchoredStem:
        """The stem that a cue is made like: of the same track and prompt, on the same item where there is one."""
        wanted = cue.track.casefold(), cue.prompt
        near = self._by_place.get((*wanted, item_guid))
        return near or next(
            stem
            for stem in self._stems.values()
            if (stem.stem_track.casefold(), stem.recipe.sound.prompt) == wanted
        )

    def _is_wanted(self, cue: Cue) -> bool:
        """Not slivers of a frame; and no new shots that are hidden, or that nothing says to be new."""
        if cue.clip.duration_s * self._new.built.clock.frame_rate_hz < Fraction(1, 2):
            return False
        if cue.source != TRACK_PROMPT:
            return True
        return bool(self._old.known) and not self._is_hidden(cue)

    def _is_hidden(self, cue: Cue) -> bool:
        return any(
            shot.cut.number in self._new.hidden
            and shot.cut.video_track == cue.clip.video_track
            and shot.cut.record_start_s <= cue.clip.record_start_s < shot.cut.record_end_s
            for shot in self._new.cut.shots
        )


def _guid_of(noted: Mapping[str, Any]) -> str:
    return str(noted["item_guid"])


def _is_same(part: StemPart, stem: AnchoredStem) -> bool:
    item = stem.item
    return (
        abs(part.position_s - item.position_s) < SAME_S
        and abs(part.length_s - item.length_s) < SAME_S
        and abs(part.head_s) < SAME_S
    )


def _gain_db(stem: AnchoredStem, cue: Cue) -> float:
    """What is rendered beside a stem is as loud as that is set; the stem of a new shot is not."""
    is_beside = cue.source != TRACK_PROMPT and stem.item.volume > 0
    return 20 * math.log10(stem.item.volume) if is_beside else 0.0


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of plain text, for a console."""
    if not rows:
        return "Every shot is where and as it was."
    widths = [max(len(row[index]) for row in (headings, *rows)) for index in range(len(headings))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    )
    return "\n".join(lines)

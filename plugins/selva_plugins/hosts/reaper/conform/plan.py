"""What a conform does in a project: which stem items are moved, trimmed, copied or removed, and what has to be rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_otio.conform.changes import KEPT, NEW, ChangeList, list_changes, merge_changes
from selva_otio.conform.displaced_stems import settle_copies
from selva_otio.conform.plan import ConformPlan, StemMove, plan_conform
from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.conform.layers import build_layers
from selva_plugins.hosts.reaper.conform.missing import ItemPart, MissingSound
from selva_plugins.hosts.reaper.conform.new_cut import NewCut, read_new_cut
from selva_plugins.hosts.reaper.conform.old_cut import (
    AnchoredStem,
    OldCut,
    measure_delay_s,
    measure_origin_s,
    read_old_cut,
)
from selva_plugins.hosts.reaper.item_spans import SAME_S
from selva_plugins.hosts.reaper.snapshot import ReaperSnapshot
from selva_render.conform_report import ConformReport, describe_damaged_files

COPY_IN_PLACE = "a copy of it lies on its picture"
_MAX_LINES = 6


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
    """A conform of one project. moves: only of items that change. missing: what no stem reaches. num_cues, missing_s: how many
    stretches that are, and how long; num_extended of them are the rest of a stem that goes on. actions: how many stems are
    moved, trimmed and so on. damaged: a sentence for each file of a stem that is cut off.
    """

    new: NewCut
    moves: tuple[ItemMove, ...]
    removals: tuple[ItemNote, ...]
    held: tuple[ItemNote, ...]
    missing: MissingSound
    num_cues: int
    num_extended: int
    missing_s: Fraction
    changes: ChangeList
    table: str
    actions: Counter[str]
    damaged: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the script reads as `conform` in plan.json."""
        return {
            "has_changes": bool(self.moves or self.removals or self.num_cues),
            "summary": self.summarise(),
            "table": self.table,
            "num_cues": self.num_cues,
            "moves": [asdict(move) for move in self.moves],
            "removals": [asdict(removal) for removal in self.removals],
            "held": [asdict(held) for held in self.held],
            "markers": [asdict(marker) for marker in self._iter_markers()],
        }

    def summarise(self) -> str:
        """Counts, and what is left alone, a line each."""
        counted = [f"{number} {action}" for action, number in self.actions.items()]
        if self.num_cues:
            goes_on = f", {self.num_extended} of them as the rest of a stem" if self.num_extended else ""
            stretches = f"{self.num_cues} stretch{'es' if self.num_cues > 1 else ''}"
            counted.append(f"{stretches} to render{goes_on} ({float(self.missing_s):.1f} s)")
        lines = [f"Stems: {', '.join(counted)}." if counted else "There are no stems to conform."]
        if not (self.moves or self.removals or self.num_cues):
            lines.append("Every stem lies where its picture is; there is nothing to do.")
        if self.held:
            lines.append(f"{len(self.held)} left as they are:")
            lines += _first_lines([f"{held.label}: {held.reason}" for held in self.held])
        lines += _first_lines(self.damaged)
        return "\n".join(lines)

    def _iter_markers(self) -> Iterator[ProjectMarker]:
        """The names hold no colon, so that no later render takes one for a cue."""
        for row in self.changes.shots:
            if row.new is not None and row.changes != (KEPT,):
                position_s = float(row.new.record_start_s - self.new.built.lead_s)
                yield ProjectMarker(name=f"Conform - {', '.join(row.changes)}", position_s=position_s)


def plan_project(snapshot: ReaperSnapshot, *, stems_folder: Path = Path()) -> ProjectConform:
    """Compare a project with its last render; nothing is changed. stems_folder: where stems that go on are written later.

    Raises NothingToRenderError, SnapshotError, TimelineError.
    """
    new = read_new_cut(snapshot)
    old = read_old_cut(snapshot, new)
    if not old.stems and not old.held:
        raise NothingToRenderError(
            'there is no render of Selva in this project to conform; run "Selva: Generate stems for selected items" first'
        )
    handles_s = _find_handles_s(old.stems)
    plans = [
        plan_conform(
            layer.cut,
            new.cut,
            spotter=new.spotter(handles_s),
            stems=layer.stems,
            has_same_content=new.pictures.compare,
        )
        for layer in build_layers(old, new)
    ]
    return _ProjectPlanner(new, old, plans).build(stems_folder)


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
        self._parts: dict[int, ItemPart] = {}

    def build(self, stems_folder: Path) -> ProjectConform:
        moves = [move for plan in self._plans for move in plan.moves]
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
        missing = MissingSound(self._new, self._old, self._plans, self._parts, stems_folder)
        changes = self._merge_changes(missing)
        cues = missing.spot()[0].sheet.cues
        return ProjectConform(
            new=self._new,
            moves=tuple(move for move in item_moves if move is not None),
            removals=tuple(removals),
            held=tuple(held),
            missing=missing,
            num_cues=len(cues),
            num_extended=len(missing.taken),
            missing_s=sum((cue.clip.duration_s for cue in cues), Fraction(0)),
            changes=changes,
            table=self._build_table(changes),
            actions=self._actions,
            damaged=self._list_damaged(moves),
        )

    def _list_damaged(self, moves: Sequence[StemMove]) -> tuple[str, ...]:
        """Of stems that stay in the project, whichever of their takes is heard."""
        items = [self._stem_of(move).item for move in moves] + [each.item for each in self._old.held]
        takes = (take for item in items for take in (item.take, *item.takes))
        files = (Path(source.file) for take in takes for source in take.sources if source.file)
        return tuple(describe_damaged_files(files))

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
        pairs = sorted(
            ((self._build_part(stem, move, moves), move) for move in moves),
            key=lambda pair: pair[0].position_s,
        )
        here_s = stem.item.position_s
        own = min(pairs, key=lambda pair: (abs(pair[0].position_s - here_s), abs(pair[0].head_s)))
        pairs.remove(own)
        self._parts |= {
            id(move): ItemPart(stem=stem, number=number) for number, (_, move) in enumerate((own, *pairs))
        }
        first, parts = own[0], [part for part, _ in pairs]
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
        delay_s = measure_delay_s(item, new.built)
        head_now_s = new.built.snap(item.position_s) - measure_origin_s(item, new.built) - delay_s
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
                "origin_s": float(move.file_start_s - delay_s - stem.slip_s - lead_s),
                "shot": {"start_offset_s": span.take.start_offset_s, "length_s": span.item.length_s},
            },
        )

    def _is_anchored(self, part: StemPart, stem: AnchoredStem) -> bool:
        """Whether a stem that does not move is for the same shot, too, as before."""
        span = next(span for span in self._new.spans if span.item.guid == part.anchor["item_guid"])
        return stem.item_guid == span.item.guid and stem.shot.duration_s == self._new.built.snap(
            span.item.position_s + span.item.length_s
        ) - self._new.built.snap(span.item.position_s)

    def _merge_changes(self, missing: MissingSound) -> ChangeList:
        clock = self._new.built.timeline_clock
        lists = [
            list_changes(plan, extended=missing.taken_of(number)) for number, plan in enumerate(self._plans)
        ]
        merged = merge_changes(lists, old_clock=clock, new_clock=clock)
        if self._old.known:
            return merged
        # Nothing says which shots without a stem were there before.
        return replace(merged, shots=tuple(row for row in merged.shots if row.changes != (NEW,)))

    def _build_table(self, changes: ChangeList) -> str:
        if not self._plans:
            return format_table((), ())
        return format_table(*ConformReport(plan=self._plans[0], changes=changes).to_table())


def _first_lines(lines: Sequence[str]) -> list[str]:
    """As many as a message box has room for."""
    return [*lines[:_MAX_LINES], *(["..."] if len(lines) > _MAX_LINES else [])]


def _guid_of(noted: Mapping[str, Any]) -> str:
    return str(noted["item_guid"])


def _is_same(part: StemPart, stem: AnchoredStem) -> bool:
    item = stem.item
    return (
        abs(part.position_s - item.position_s) < SAME_S
        and abs(part.length_s - item.length_s) < SAME_S
        and abs(part.head_s) < SAME_S
    )


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

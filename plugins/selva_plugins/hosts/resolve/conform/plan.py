"""What a conform does on a timeline: which stems are deleted and placed anew, and what has to be rendered.

Resolve has no call that moves an item, so that a stem that must move is deleted and placed again, on its own track.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.rational import round_half_up
from selva_core.base.render_options import RenderOptions
from selva_otio import Cue, CueSheet
from selva_otio.conform.changes import NEW, list_changes
from selva_otio.conform.displaced_stems import settle_copies
from selva_otio.conform.media_content import ContentComparison
from selva_otio.conform.plan import ConformPlan, StemMove, plan_conform
from selva_otio.cues.rules import TRACK_PROMPT
from selva_otio.formats.profiles import find_profile
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.hosts.resolve.conform.old_cut import (
    FoundStem,
    HeldStem,
    OldCut,
    read_old_cut,
    read_snapshot_cut,
)
from selva_plugins.hosts.resolve.plan import PlanTarget, build_target, describe_stem, find_anchor
from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot
from selva_render.conform_report import ConformReport
from selva_render.options import OutputOptions
from selva_render.report import RenderReport
from selva_render.takes.continuing import (
    Continuation,
    find_continuations,
    list_extended,
    settle_continuations,
)

COPY_IN_PLACE = "a copy of it lies on its picture"
OFF_FRAME = "it would begin between two frames of its file, where Resolve cannot cut"


@dataclass(frozen=True, kw_only=True)
class TimelineConform:
    """A conform of one timeline. stems: parts that are placed anew. removals: ids of the items that are deleted first, also those
    of stems that are not in the new cut. sheet: what is rendered; continuations: stems that go on in place of some of it. lines:
    for the user. has_changes: whether anything is done.
    """

    planner: TimelinePlanner
    continuations: tuple[Continuation, ...]
    stems: tuple[PlanStem, ...]
    removals: tuple[str, ...]
    sheet: CueSheet
    held: tuple[HeldStem, ...]
    summary: str
    lines: tuple[str, ...]
    model: str | None = None

    @property
    def plan(self) -> ConformPlan:
        return self.planner.plan

    @property
    def comments(self) -> list[str]:
        """Of each of the stems, as its clip in the media pool has it."""
        return [self.planner.describe(stem.replaces_item) for stem in self.stems]

    def settle(self, rendered: RenderReport, options: RenderOptions) -> TimelineConform:
        """The same once the daemon has made stems longer: their longer files are placed, and `sheet` is what it refused."""
        continued = settle_continuations(self.plan, self.continuations, rendered, options)
        refused = list_extended(self.continuations) - continued.taken
        return self.planner.build(self.continuations, continued.plan.moves, refused.__contains__)

    @property
    def has_changes(self) -> bool:
        return bool(self.stems or self.removals or self.sheet.cues)


def plan_timeline(
    snapshot: ResolveSnapshot,
    last: ResolveSnapshot | None,
    *,
    handles_s: Fraction = Fraction(0),
    model: str | None = None,
    stems_folder: Path = Path(),
) -> TimelineConform:
    """Compare a timeline with its last placement; nothing is changed. model, stems_folder: of stems that go on, by default their
    own model. Raises HostError, TimelineError.
    """
    if snapshot.wav_rate != snapshot.rate:
        raise HostError(
            f"the project has {float(snapshot.wav_rate):g} frames per second and this timeline {float(snapshot.rate):g}, so that "
            "stems cannot be cut at its frames; export both cuts as OTIO and use `selva conform OLD.otio NEW.otio -o OUT.otio`"
        )
    if not snapshot.timeline.stems:
        raise NothingToRenderError(
            "there is no stem of Selva on this timeline to conform; choose 'Generate stems' first"
        )
    new = read_snapshot_cut(snapshot)
    content = ContentComparison()
    old = read_old_cut(snapshot, last, new, content.compare)
    if not old.stems:
        reasons = "; ".join(f"{held.item.name}: {held.reason}" for held in old.held[:5])
        raise NothingToRenderError(f"no stem of this timeline can be conformed: {reasons}")
    plan = plan_conform(
        old.cut,
        new,
        spotter=replace(new.spotter, handles_s=handles_s),
        stems=old.stems,
        has_same_content=content.compare,
    )
    output = OutputOptions(stems_folder=stems_folder.absolute(), profile=find_profile("resolve"))
    planner = TimelinePlanner(snapshot, old, plan)
    found = find_continuations(planner.plan, RenderOptions(model=model), output)
    return planner.build(found, planner.plan.moves)


class TimelinePlanner:
    """Turns a plan into what is done with items. plan: without moves of copies that lie on their picture already, and without
    cues of shots that nothing says to be new.
    """

    def __init__(self, snapshot: ResolveSnapshot, old: OldCut, plan: ConformPlan) -> None:
        self._snapshot, self._old = snapshot, old
        self._target: PlanTarget = build_target(snapshot)
        settled = settle_copies(plan.moves, identify=self._identify, place_of=self._place_of)
        self._copied = dict.fromkeys(map(_id_of, plan.moves)).keys() - set(map(_id_of, settled))
        self.plan = replace(plan, moves=tuple(settled), sheet=self._choose_cues(plan))
        self._actions: Counter[str] = Counter()
        self._held: list[HeldStem] = []

    def build(
        self,
        continuations: Sequence[Continuation],
        settled: Sequence[StemMove],
        is_rendered: Callable[[str], bool] = lambda cue_id: True,
    ) -> TimelineConform:
        """settled: the moves of the plan, or longer ones in their place. is_rendered: of cues, by their ids."""
        self._actions, self._held = Counter(), list(self._old.held)
        moves: dict[str, list[StemMove]] = {}
        for move in settled:
            moves.setdefault(_id_of(move), []).append(move)
        dropped = [str(each.stem.placed.stem["item_id"]) for each in self.plan.dropped]
        for item_id in sorted(self._copied):
            self._leave_or_drop(item_id, dropped)
        stems = [stem for item_id, own in moves.items() for stem in self._build_parts(item_id, own)]
        removals = [*dict.fromkeys(stem.replaces_item for stem in stems), *dropped]
        self._actions.update({"removed": len(dropped)} if dropped else {})
        cues = tuple(cue for cue in self.plan.sheet.cues if is_rendered(cue.id))
        sheet = replace(self.plan.sheet, cues=cues)
        return TimelineConform(
            planner=self,
            continuations=tuple(continuations),
            stems=tuple(stems),
            removals=tuple(removals),
            sheet=sheet,
            held=tuple(self._held),
            summary=self._summarise(sheet, list_extended(continuations)),
            lines=tuple(self._list_lines(stems, list_extended(continuations))),
            model=self._find_model(),
        )

    def describe(self, item_id: str) -> str:
        made = self._old.found[item_id].made
        return describe_stem(made.prompt, made.take, made.seed)

    def _found(self, move: StemMove) -> FoundStem:
        return self._old.found[_id_of(move)]

    def _identify(self, move: StemMove) -> tuple[str, str]:
        made = self._found(move).made
        return made.item.track_name, made.item.file.name

    def _place_of(self, move: StemMove) -> Fraction:
        return self._found(move).place_s

    def _leave_or_drop(self, item_id: str, dropped: list[str]) -> None:
        found = self._old.found[item_id]
        if found.place_s:
            self._held.append(HeldStem(item=found.made.item, reason=COPY_IN_PLACE))
        else:
            dropped.append(item_id)

    def _build_parts(self, item_id: str, moves: Sequence[StemMove]) -> list[PlanStem]:
        """None of a stem that stays as it is, or that cannot be cut where it should be."""
        item = self._old.found[item_id].made.item
        parts = [self._build_part(number, move, moves) for number, move in enumerate(moves, start=1)]
        if len(parts) == 1 and self._is_there(parts[0], item_id):
            self._actions["kept"] += 1
            return []
        if any(part is None for part in parts):
            self._held.append(HeldStem(item=item, reason=OFF_FRAME))
            return []
        for action in dict.fromkeys(action for move in moves for action in move.actions if action != "kept"):
            self._actions[action] += 1
        if len(parts) > 1:
            self._actions["copied"] += len(parts) - 1
        return [part for part in parts if part is not None]

    def _build_part(self, number: int, move: StemMove, moves: Sequence[StemMove]) -> PlanStem | None:
        found, target = self._found(move), self._target
        made, item = found.made, found.made.item
        start, end = (each * target.rate for each in move.heard_s)
        offset = (move.heard_s[0] - move.file_start_s) * target.wav_rate
        # A longer file begins on a sample, which need not be one on which frames begin.
        offset_s = abs(offset - round_half_up(offset)) / target.wav_rate
        is_on_frame = _is_whole(offset) if move.longer is None else offset_s * made.sample_rate_hz < 1
        if not (_is_whole(start) and _is_whole(end) and is_on_frame):
            return None
        into_file, own = [_span_in_old_file(each) for each in moves], _span_in_old_file(move)
        return PlanStem(
            id=f"{item.id}-{number}",
            file=str(item.file) if move.longer is None else str(move.longer.takes[0].file),
            track=item.track_name,
            is_muted=made.take > 1,
            take=made.take,
            record_frame=target.start_frame + round_half_up(start),
            duration_frames=round_half_up(end) - round_half_up(start),
            source_start_frame=round_half_up(offset),
            fade_in_frames=item.fade_in_frames or 0 if own[0] <= min(first for first, _ in into_file) else 0,
            fade_out_frames=item.fade_out_frames or 0 if own[1] >= max(last for _, last in into_file) else 0,
            gain_db=float(item.volume_db or 0),
            prompt=made.prompt,
            anchor=find_anchor(move.new.clip, target),
            replaces_item=item.id,
            track_index=item.track_index,
            is_disabled=not item.is_enabled,
            pan=float(item.pan or 0),
            comment=""
            if move.longer is None
            else describe_stem(made.prompt, made.take, move.longer.takes[0].seed),
        )

    def _is_there(self, part: PlanStem | None, item_id: str) -> bool:
        item = self._old.found[item_id].made.item
        if part is None or part.file != str(item.file):
            return False
        return (part.record_frame, part.duration_frames, part.source_start_frame) == (
            item.start_frame,
            item.duration_frames,
            round_half_up(item.left_offset_frames),
        )

    def _choose_cues(self, plan: ConformPlan) -> CueSheet:
        """Without shots that nothing says to be new."""

        def is_wanted(cue: Cue) -> bool:
            return self._old.is_known or cue.source != TRACK_PROMPT

        return replace(plan.sheet, cues=tuple(cue for cue in plan.sheet.cues if is_wanted(cue)))

    def _find_model(self) -> str | None:
        """The model that all stems were made with; None where there are several."""
        models = {found.made.model for found in self._old.found.values()}
        return models.pop() if len(models) == 1 else None

    def _summarise(self, sheet: CueSheet, extended: frozenset[str]) -> str:
        counted = [f"{number} {action}" for action, number in self._actions.items()]
        if sheet.cues:
            seconds = float(sum(cue.clip.duration_s for cue in sheet.cues))
            num_extended = sum(cue.id in extended for cue in sheet.cues)
            goes_on = f", {num_extended} of them as the rest of a stem" if num_extended else ""
            stretches = f"{len(sheet.cues)} stretch{'es' if len(sheet.cues) > 1 else ''}"
            counted.append(f"{stretches} to render{goes_on} ({seconds:.1f} s)")
        return f"stems: {', '.join(counted) or 'none'}"

    def _list_lines(self, stems: Sequence[PlanStem], extended: frozenset[str]) -> list[str]:
        changes = list_changes(self.plan, extended=extended)
        if not self._old.is_known:
            changes = replace(changes, shots=tuple(row for row in changes.shots if row.changes != (NEW,)))
        _, rows = ConformReport(plan=self.plan, changes=changes).to_table()
        lines = [f"{clip} {old} > {new}: {change}; {made}" for change, clip, old, new, _, made, _ in rows]
        lines += [
            f"left as it is: {held.item.name} on {held.item.track_name}: {held.reason}" for held in self._held
        ]
        if not self._old.is_known:
            lines.append("the cut of the last placement is not known here; new shots get no stems")
        if any(self._old.found[stem.replaces_item].made.item.fade_in_frames is None for stem in stems):
            lines.append(
                "this version of Resolve does not tell fades and levels of sound: stems that move lose them"
            )
        return lines


def _id_of(move: StemMove) -> str:
    return str(move.stem.placed.stem["item_id"])


def _span_in_old_file(move: StemMove) -> tuple[Fraction, Fraction]:
    """What is heard of it, counted in the file that it had."""
    file_start_s = move.file_start_s + (Fraction(0) if move.longer is None else move.longer.head_s)
    return move.heard_s[0] - file_start_s, move.heard_s[1] - file_start_s


def _is_whole(frames: Fraction) -> bool:
    return frames.denominator == 1

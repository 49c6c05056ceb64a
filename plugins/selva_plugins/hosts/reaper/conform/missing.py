"""What no stem of a project reaches in the new cut: stems that go on there, and the cues that are rendered for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from selva_core.base.render_options import RenderOptions
from selva_otio import Cue
from selva_otio.conform.plan import ConformPlan, StemMove
from selva_otio.cues.rules import TRACK_PROMPT
from selva_plugins.hosts.reaper.conform.new_cut import NewCut
from selva_plugins.hosts.reaper.conform.old_cut import AnchoredStem, OldCut
from selva_plugins.hosts.reaper.cues import SpottedItems, merge_sheets
from selva_plugins.hosts.reaper.item_spans import ItemSpan
from selva_render.options import OutputOptions
from selva_render.takes.continuing import Continuation, find_continuations

CueKey = tuple[int, str]
"""The number of the plan that a cue is in, and the cue's id there."""


@dataclass(frozen=True, kw_only=True)
class ItemPart:
    """A part of a stem item in the new cut; number 0 is the item itself, the others are its copies."""

    stem: AnchoredStem
    number: int


@dataclass(frozen=True, kw_only=True)
class ItemContinuation:
    """A stem item that goes on where its shot was extended. span: of its picture. taken: the cues that are rendered no more."""

    part: ItemPart
    span: ItemSpan
    found: Continuation
    taken: frozenset[CueKey]


class MissingSound:
    """The cues of the plans, and which of them a stem goes on for.

    parts: of each move, by its identity; moves of copies that an editor has made have none. stems_folder: where longer files go.
    """

    def __init__(
        self,
        new: NewCut,
        old: OldCut,
        plans: Sequence[ConformPlan],
        parts: Mapping[int, ItemPart],
        stems_folder: Path,
    ) -> None:
        self._new, self._old = new, old
        self._stems = {part.stem.item.guid: part.stem for part in parts.values()}
        self._stems |= {stem.item.guid: stem for stem in old.stems}
        # Only what is wanted is looked at, and no move of a copy, whose place another item has.
        self._plans = [
            replace(
                plan,
                moves=tuple(move for move in plan.moves if id(move) in parts),
                sheet=replace(plan.sheet, cues=tuple(filter(self._is_wanted, plan.sheet.cues))),
            )
            for plan in plans
        ]
        self._by_place = {
            (
                part.stem.stem_track.casefold(),
                part.stem.recipe.sound.prompt,
                self._span(move).item.guid,
            ): part.stem
            for plan in self._plans
            for move in plan.moves
            for part in (parts[id(move)],)
        }
        self.continuations = tuple(self._find_continuations(parts, stems_folder))

    @property
    def taken(self) -> frozenset[CueKey]:
        """The cues that stems go on for."""
        return frozenset(key for each in self.continuations for key in each.taken)

    def taken_of(self, plan_number: int) -> frozenset[str]:
        """The ids of those cues in one plan."""
        return frozenset(cue_id for number, cue_id in self.taken if number == plan_number)

    def spot(
        self, is_meant: Callable[[CueKey], bool] = lambda key: True
    ) -> tuple[SpottedItems, dict[str, AnchoredStem]]:
        """The cues that are rendered, each on its item, and the stem that says how each is made. is_meant: of which cues."""
        sheets = [
            replace(
                plan.sheet,
                clock=self._new.built.timeline_clock,
                cues=tuple(cue for cue in plan.sheet.cues if is_meant((number, cue.id))),
            )
            for number, plan in enumerate(self._plans)
        ]
        spotted = merge_sheets(self._new.built, sheets, [])
        recipes = {
            cue.id: self._find_recipe(cue, spotted.spans[cue.id].item.guid) for cue in spotted.sheet.cues
        }
        cues = tuple(
            replace(cue, num_takes=None, gain_db=_gain_db(recipes[cue.id], cue)) for cue in spotted.sheet.cues
        )
        return replace(spotted, sheet=replace(spotted.sheet, cues=cues)), recipes

    def _span(self, move: StemMove) -> ItemSpan:
        return self._new.spans[move.new.cut.number]

    def _find_continuations(
        self, parts: Mapping[int, ItemPart], stems_folder: Path
    ) -> Iterator[ItemContinuation]:
        output = OutputOptions(stems_folder=stems_folder)
        for number, plan in enumerate(self._plans):
            # Without a model, so that each stem goes on with its own.
            for found in find_continuations(plan, RenderOptions(), output):
                yield ItemContinuation(
                    part=parts[id(found.move)],
                    span=self._span(found.move),
                    found=found,
                    taken=frozenset((number, cue.id) for cue in found.missing),
                )

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


def _gain_db(stem: AnchoredStem, cue: Cue) -> float:
    """What is rendered beside a stem is as loud as that is set; the stem of a new shot is not."""
    is_beside = cue.source != TRACK_PROMPT and stem.item.volume > 0
    return 20 * math.log10(stem.item.volume) if is_beside else 0.0

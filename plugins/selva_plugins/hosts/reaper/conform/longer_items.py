"""Stem items that go on in the new cut: what is rendered for them, and the entries of the plan that make them longer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from selva_core.base.render_options import RenderOptions
from selva_otio import CueSheet
from selva_plugins.hosts.reaper.conform.layers import list_alike
from selva_plugins.hosts.reaper.conform.missing import CueKey, ItemContinuation
from selva_plugins.hosts.reaper.conform.new_cut import NewCut
from selva_plugins.hosts.reaper.conform.old_cut import AnchoredStem
from selva_plugins.hosts.reaper.cues import limit_denominators
from selva_plugins.hosts.reaper.item_spans import SAME_S
from selva_plugins.hosts.reaper.plan import PlanLonger, PlanStem, PlanTake, build_anchor
from selva_plugins.hosts.reaper.recipes import build_recipe
from selva_plugins.rendering import RenderTask
from selva_render.options import OutputOptions
from selva_render.report import RenderedStem, RenderReport

PartGuids = Mapping[str, Sequence[str]]
"""The GUIDs of the parts of stem items that a conform has moved, by that of the item: its own first, then those of the copies."""


class LongerItems:
    """The continuations of a conform, rendered in one task per kind of stem.

    part_guids: which items the script has made of each stem. A copy that is not among them is not known, so that what it lacks
    is rendered anew.
    """

    def __init__(
        self,
        continuations: Sequence[ItemContinuation],
        new: NewCut,
        part_guids: PartGuids,
        stems_folder: Path,
    ) -> None:
        self._new = new
        self._guids = {
            id(each): guid
            for each in continuations
            for guid in (_find_guid(each, part_guids),)
            if guid is not None
        }
        self.known = tuple(each for each in continuations if id(each) in self._guids)
        self._by_options: dict[RenderOptions, list[ItemContinuation]] = defaultdict(list)
        for each in self.known:
            self._by_options[_build_options(each.part.stem)].append(each)
        self.tasks = [
            RenderTask(
                sheet=CueSheet(
                    clock=new.built.timeline_clock,
                    tracks=tuple(dict.fromkeys(each.found.cue.track for each in group)),
                    cues=tuple(each.found.cue for each in group),
                ),
                options=options,
                output=OutputOptions(stems_folder=stems_folder),
                jobs=tuple(job for each in group for job in each.found.jobs),
            )
            for options, group in self._by_options.items()
        ]

    @property
    def taken(self) -> frozenset[CueKey]:
        return frozenset(key for each in self.known for key in each.taken)

    def settle(self, reports: Sequence[RenderReport], notices: list[str]) -> frozenset[CueKey]:
        """The cues of stems that the daemon refused to make longer. The notices say why; the request does not fail for it."""
        refused: set[CueKey] = set()
        for group, report in zip(self._by_options.values(), reports, strict=True):
            for each in group:
                if len(self._stems_of(each, report)) < len(each.found.jobs):
                    refused |= each.taken
                    report.stems = [stem for stem in report.stems if stem.cue is not each.found.cue]
            notices += [
                f"{failed.name}: the stem does not go on, a new one lies beside it: {failed.message}"
                for failed in report.failed
            ]
            report.failed = []
        return frozenset(refused)

    def build_placements(self, reports: Sequence[RenderReport]) -> Iterator[PlanStem]:
        """One entry per item that is made longer."""
        for (options, group), report in zip(self._by_options.items(), reports, strict=True):
            for each in group:
                stems = self._stems_of(each, report)
                if stems:
                    yield self._build_stem(each, stems, options)

    @staticmethod
    def _stems_of(each: ItemContinuation, report: RenderReport) -> list[RenderedStem]:
        return [stem for stem in report.stems if stem.cue is each.found.cue]

    def _build_stem(
        self, each: ItemContinuation, stems: Sequence[RenderedStem], options: RenderOptions
    ) -> PlanStem:
        lead_s, move, clip = self._new.built.lead_s, each.found.move, each.found.cue.clip
        guid = self._guids[id(each)]
        position_s, length_s = self._find_span(each)
        cue = replace(
            each.found.cue,
            clip=limit_denominators(replace(clip, record_start_s=clip.record_start_s - lead_s)),
        )
        files = dict(zip(_numbers_of(each), _files_of(each), strict=True))
        return PlanStem(
            cue=f"longer {guid}",
            label=each.part.stem.label,
            stem_track=each.part.stem.stem_track,
            start_s=position_s,
            length_s=length_s,
            source_offset_s=float(clip.record_start_s - move.file_start_s + each.found.head_s),
            anchor=build_anchor(each.span.item, each.span.take),
            into_item=guid,
            takes=tuple(
                PlanTake(
                    file=stem.result.file,
                    name="",
                    recipe=build_recipe(cue, options, seed=stem.result.seed, take=stem.result.take),
                    pan=stem.result.pan,
                    replaces_file=files[stem.result.take],
                )
                for stem in stems
            ),
            longer=PlanLonger(
                head_s=float(each.found.head_s),
                position_s=float(move.heard_s[0] - lead_s),
                length_s=float(move.heard_s[1] - move.heard_s[0]),
                source_offset_s=float(move.heard_s[0] - move.file_start_s),
            ),
        )

    def _find_span(self, each: ItemContinuation) -> tuple[float, float]:
        """Position and length in REAPER's seconds: the doubles of the picture where the edges meet, as of `build_new_item`."""
        picture, clip, built = each.span.item, each.found.cue.clip, self._new.built
        picture_end_s = picture.position_s + picture.length_s
        position_s, end_s = float(clip.record_start_s - built.lead_s), float(clip.record_end_s - built.lead_s)
        if abs(clip.record_start_s - built.snap(picture.position_s)) < SAME_S:
            position_s = picture.position_s
        if abs(clip.record_end_s - built.snap(picture_end_s)) < SAME_S:
            end_s = picture_end_s
        return position_s, end_s - position_s


def _find_guid(each: ItemContinuation, part_guids: PartGuids) -> str | None:
    own = each.part.stem.item.guid
    guids = part_guids.get(own, (own,))
    return guids[each.part.number] if each.part.number < len(guids) else None


def _numbers_of(each: ItemContinuation) -> list[int]:
    return [job.request.cues[0].takes[0].take for job in each.found.jobs]


def _files_of(each: ItemContinuation) -> list[str]:
    """As REAPER spells them."""
    return [take.plain_file for take in list_alike(each.part.stem)]


def _build_options(stem: AnchoredStem) -> RenderOptions:
    """What the recipe in each take says of how it is made."""
    recipe = stem.recipe
    return RenderOptions(
        model=recipe.model,
        num_takes=1,
        seed=recipe.seed,
        sample_rate_hz=recipe.sample_rate_hz,
        sampling=recipe.sampling,
        precision=recipe.precision,
        pan=recipe.pan,
    )

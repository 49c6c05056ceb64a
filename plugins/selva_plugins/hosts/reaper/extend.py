"""Stem items drawn out to the time selection, or to their picture: from the handles of the active take, and beyond these by a
longer take, which is the active one where that was heard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from msgspec import UNSET

from selva_core.base.errors import SelvaError
from selva_core.base.media import PictureRange
from selva_core.base.render_options import ENVELOPE, RenderOptions
from selva_daemon.protocol.recipe import StemRecipe
from selva_otio import CueSheet
from selva_otio.cues.cue_sheet import CueBuilder
from selva_otio.time.clock import TimelineClock, sample_index
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm
from selva_plugins.hosts.reaper.plan import PlanLonger, PlanStem, build_anchor, build_take, group_by_cue
from selva_plugins.hosts.reaper.recipes import Recipe, parse_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperAnchoredStem, ReaperItem, ReaperSnapshot
from selva_plugins.hosts.reaper.timeline import build_clock
from selva_plugins.rendering import RenderTask
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions
from selva_render.redo import Redo, build_redo_job, open_stem
from selva_render.report import RenderReport

_SAME_SAMPLE = Fraction(1, 100)
"""Seconds of a project are doubles: what is this part of a sample more than a whole number of samples is that number."""
_SAME_S = 1e-7


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where an item is to begin and end, in REAPER's seconds, and how many samples its take must go on for that."""

    start_s: float
    end_s: float
    head: int
    tail: int


@dataclass(frozen=True, kw_only=True)
class _ExtendedItem:
    """A stem item and how it is made longer. task: None where its handles reach far enough."""

    item: ReaperAnchoredStem
    picture: ReaperItem | None
    recipe: Recipe
    target: _Target
    sample_rate_hz: int
    task: RenderTask | None

    def build_plan_stem(self, report: RenderReport | None) -> PlanStem | None:
        """None where its take was not made."""
        stems = (
            [] if report is None else [stem for group in group_by_cue([report]).values() for stem in group]
        )
        if report is not None and not stems:
            return None
        item, take, target = self.item, self.item.take, self.target
        head_s = target.head / self.sample_rate_hz
        picture = None if self.picture is None else self.picture.take
        return PlanStem(
            cue=f"longer {item.guid}",
            label=f"{self.recipe.sound.name}: {self.recipe.clip.name}",
            stem_track=self.recipe.sound.name,
            start_s=target.start_s,
            length_s=target.end_s - target.start_s,
            source_offset_s=take.start_offset_s - (item.position_s - target.start_s) + head_s,
            anchor=None if self.picture is None or picture is None else build_anchor(self.picture, picture),
            into_item=item.guid,
            takes=tuple(
                build_take(stem, self.task.options, number=stem.result.take, is_only=False)
                for stem in stems
                if self.task is not None
            ),
            longer=PlanLonger(
                head_s=head_s,
                position_s=item.position_s,
                length_s=item.length_s,
                source_offset_s=take.start_offset_s,
            ),
        )


def prepare_extend(snapshot: ReaperSnapshot, form: HostForm, stems_folder: Path) -> PreparedRequest[PlanStem]:
    """Raises NothingToRenderError."""
    reader = _StemReader(snapshot, stems_folder)
    extended: list[_ExtendedItem] = []
    for item in snapshot.anchored_stems:
        try:
            extended.append(reader.read(item))
        except SelvaError as error:
            reader.notices.append(f"{item.take.name or item.guid}: {error.message}")
    if not extended:
        raise NothingToRenderError("; ".join(["no selected stem was extended", *reader.notices[:5]]))

    def build_placements(reports: Sequence[RenderReport]) -> list[PlanStem]:
        left = iter(reports)
        made = (each.build_plan_stem(None if each.task is None else next(left)) for each in extended)
        return [stem for stem in made if stem is not None]

    return PreparedRequest(
        tasks=[each.task for each in extended if each.task is not None],
        timeline_name=snapshot.project.name,
        notices=reader.notices,
        build_placements=build_placements,
    )


class _StemReader:
    """Reads how each stem is made longer. notices: sentences for the user."""

    def __init__(self, snapshot: ReaperSnapshot, stems_folder: Path) -> None:
        self._clock: TimelineClock = build_clock(snapshot)
        self._selection = None if snapshot.time_selection is UNSET else snapshot.time_selection
        self._pictures: Mapping[str, ReaperItem] = {item.guid: item for item in snapshot.items}
        self._stems_folder = stems_folder
        self.notices: list[str] = []

    def read(self, item: ReaperAnchoredStem) -> _ExtendedItem:
        """Raises SnapshotError, CueError, RequestError and MediaError for items that cannot be made longer."""
        take = item.take
        if item.is_locked:
            raise SnapshotError("its item is locked")
        if not take.recipe:
            raise SnapshotError("Selva did not make its active take")
        if item.loops or not take.plain_file:
            raise SnapshotError(
                "it is looped, retimed, reversed or a section; a take goes on at the speed of its file"
            )
        recipe = parse_recipe(take.recipe)
        recipes = [recipe, *(parse_recipe(text) for text in item.recipes)]
        stem = open_stem(Path(take.plain_file))
        shown = StemRecipe.parse(stem.provenance, name=stem.path.name).picture
        picture = self._pictures.get(item.picture_guid)
        target = self._find_target(item, picture, stem.num_samples, stem.sample_rate_hz)
        target = self._keep_in_media(item, target, shown, picture, stem.sample_rate_hz)
        task = None
        if target.head or target.tail:
            redo = Redo(
                stem=stem,
                extend_head_samples=target.head,
                extend_tail_samples=target.tail,
                take=max(other.take for other in recipes) + 1,
                folder=self._stems_folder,
                pan_envelope=recipe.pan.width if recipe.pan.mode == ENVELOPE else None,
            )
            task = self._build_task(redo, recipe)
        return _ExtendedItem(
            item=item,
            picture=picture,
            recipe=recipe,
            target=target,
            sample_rate_hz=stem.sample_rate_hz,
            task=task,
        )

    def _find_target(
        self, item: ReaperAnchoredStem, picture: ReaperItem | None, num_samples: int, rate_hz: int
    ) -> _Target:
        """Raises SnapshotError where nothing reaches beyond the item."""
        end_s = item.position_s + item.length_s
        if self._selection is not None:
            what, wanted = "the time selection", (self._selection.start_s, self._selection.end_s)
        elif picture is not None:
            what, wanted = "its picture", (picture.position_s, picture.position_s + picture.length_s)
        else:
            raise SnapshotError("its picture is not in the project; select the time that it is to reach over")
        if wanted[0] > end_s + _SAME_S or wanted[1] < item.position_s - _SAME_S:
            raise SnapshotError(f"{what} does not touch it")
        start_s, until_s = min(item.position_s, wanted[0]), max(end_s, wanted[1])
        if item.position_s - start_s < _SAME_S and until_s - end_s < _SAME_S:
            raise SnapshotError(f"{what} does not reach beyond it")
        origin_s = Fraction(item.position_s) - Fraction(item.take.start_offset_s)
        return _Target(
            start_s=start_s,
            end_s=until_s,
            head=_count_samples(origin_s - Fraction(start_s), rate_hz) if start_s < item.position_s else 0,
            tail=_count_samples(Fraction(until_s) - origin_s, rate_hz, num_samples) if until_s > end_s else 0,
        )

    def _keep_in_media(
        self,
        item: ReaperAnchoredStem,
        target: _Target,
        shown: PictureRange | None,
        picture: ReaperItem | None,
        rate_hz: int,
    ) -> _Target:
        """As far as the media has picture. Raises SnapshotError where it has no more."""
        if shown is None or not shown.speed:
            return target
        last_s = shown.start_s + shown.speed * shown.duration_s
        media_s = None
        if picture is not None and picture.take is not None and picture.take.sources:
            media_s = Fraction(picture.take.sources[-1].length_s)
        to_start_s = min(shown.start_s, last_s) / abs(shown.speed)
        to_end_s = None if media_s is None else (media_s - max(shown.start_s, last_s)) / abs(shown.speed)
        before_s, after_s = (to_start_s, to_end_s) if shown.speed > 0 else (to_end_s, to_start_s)
        head, tail = _limit(target.head, before_s, rate_hz), _limit(target.tail, after_s, rate_hz)
        if (head, tail) == (target.head, target.tail):
            return target
        start_s = max(target.start_s, target.start_s + (target.head - head) / rate_hz)
        end_s = min(target.end_s, target.end_s - (target.tail - tail) / rate_hz)
        limited = replace(target, head=head, tail=tail, start_s=min(start_s, item.position_s))
        limited = replace(limited, end_s=max(end_s, item.position_s + item.length_s))
        if limited.start_s == item.position_s and limited.end_s == item.position_s + item.length_s:
            raise SnapshotError("its media has no picture before or after it")
        self.notices.append(
            f"{item.take.name or item.guid}: it goes on as far as its media has picture, from {limited.start_s:.3f} s to "
            f"{limited.end_s:.3f} s"
        )
        return limited

    def _build_task(self, redo: Redo, recipe: Recipe) -> RenderTask:
        """The recipe that is noted speaks of the longer clip."""
        head_s, tail_s = redo.extended_s
        clip = replace(
            recipe.clip,
            handle_before_s=recipe.clip.handle_before_s + head_s,
            handle_after_s=recipe.clip.handle_after_s + tail_s,
        )
        request = build_redo_job(redo, media=recipe.clip.picture_path)
        cue = replace(CueBuilder().build_cue(clip, recipe.sound, ""), id=request.cues[0].cue)
        options = RenderOptions(
            model=recipe.model,
            seed=request.cues[0].takes[0].seed,
            sample_rate_hz=recipe.sample_rate_hz,
            sampling=recipe.sampling,
            precision=recipe.precision,
            pan=recipe.pan,
        )
        return RenderTask(
            sheet=CueSheet(clock=self._clock, tracks=(recipe.sound.name,), cues=(cue,)),
            options=options,
            output=OutputOptions(stems_folder=self._stems_folder),
            jobs=(ClipJob(clip=cue.clip, cues=(cue,), request=request),),
        )


def _count_samples(reach_s: Fraction, rate_hz: int, num_samples: int = 0) -> int:
    """How many samples more than `num_samples` it takes to reach so far."""
    return max(math.ceil(reach_s * rate_hz - _SAME_SAMPLE) - num_samples, 0)


def _limit(samples: int, room_s: Fraction | None, rate_hz: int) -> int:
    return samples if room_s is None else min(samples, max(sample_index(room_s, rate_hz) - 1, 0))

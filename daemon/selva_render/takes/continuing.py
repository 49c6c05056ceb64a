"""Stems of an earlier cut that go on where a shot was extended beyond what their files hold.

A cue that is missing beside a moved stem is not rendered by itself, but as the rest of that stem: each of its takes becomes a
longer file, in which the samples that were heard stay (`selva_render.redo`). Where that cannot be, because a take says not how
it was made, its picture is another one, or the daemon refuses it, the cue is rendered anew as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import msgspec

from selva_core.audio.stem_file import StemFile, read_stem_file
from selva_core.base.errors import SelvaError
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.job import SignerFiles
from selva_daemon.protocol.recipe import StemRecipe
from selva_otio import Cue, SpottedClip
from selva_otio.conform.plan import CONFORMED, ConformPlan, LongerTakes, StemMove, read_stem_track
from selva_otio.cues.cue_sheet import CueBuilder
from selva_otio.formats.stem_metadata import read_pan_width
from selva_otio.picture.media import resolve_media_path
from selva_render.jobs import ClipJob
from selva_render.options import OutputOptions, settle_sampling
from selva_render.redo import Redo, build_redo_job
from selva_render.render import StatusListener, render_sheet, to_stem
from selva_render.report import RenderReport


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """A move whose stem goes on. cue: of the stem as it then lies. missing: the cues that are rendered no more. head_s: by how
    much its files begin earlier. jobs: one a take, in the order in which the stem notes them.
    """

    move: StemMove
    cue: Cue
    missing: tuple[Cue, ...]
    head_s: Fraction
    jobs: tuple[ClipJob, ...]

    @property
    def model(self) -> str:
        return self.jobs[0].request.model


@dataclass(frozen=True, kw_only=True)
class Continued:
    """A plan in which stems go on. rendered: what was rendered for that; None where nothing was. taken: the ids of cues that
    are rendered no more.
    """

    plan: ConformPlan
    rendered: RenderReport | None = None
    taken: frozenset[str] = field(default_factory=frozenset)


def find_continuations(
    plan: ConformPlan, options: RenderOptions, output: OutputOptions
) -> list[Continuation]:
    """The stems of a plan that can go on where cues are missing beside them; only files of stems are read.

    A model in the options must be that of the stem; None lets each stem go on with its own.
    """
    return list(_Continuations(plan, options, output))


def list_extended(found: Sequence[Continuation]) -> frozenset[str]:
    """The ids of the cues that are rendered as the rest of a stem, if all goes well."""
    return frozenset(cue.id for each in found for cue in each.missing)


def continue_stems(
    plan: ConformPlan,
    options: RenderOptions,
    output: OutputOptions,
    *,
    client: Client,
    on_status: StatusListener,
) -> Continued:
    """Have the daemon make the stems of a plan longer where cues are missing beside them.

    The plan that is returned has the longer stems in its moves, and only the other cues in its sheet. Raises UnknownModelError,
    DaemonError.
    """
    found = find_continuations(plan, options, output)
    if not found:
        return Continued(plan=plan)
    rendered = render_sheet(
        replace(plan.sheet, cues=tuple(each.cue for each in found), skipped=()),
        options,
        output,
        client=client,
        timeline_name=plan.new.timeline.name,
        on_status=on_status,
        jobs=[job for each in found for job in each.jobs],
    )
    return settle_continuations(plan, found, rendered, options)


def settle_continuations(
    plan: ConformPlan, found: Sequence[Continuation], rendered: RenderReport, options: RenderOptions
) -> Continued:
    """The plan once the daemon has made what it could of the stems that go on. The cues of those it refused stay in the sheet,
    and what was made of them is taken out of the report.
    """
    sampling = settle_sampling(options)
    moves = {id(move): move for move in plan.moves}
    taken: set[str] = set()
    for each in found:
        stems = [stem for stem in rendered.stems if stem.cue is each.cue]
        if len(stems) == len(each.jobs):
            takes = tuple(to_stem(stem, each.model, sampling, options.pan) for stem in stems)
            moves[id(each.move)] = _lengthen(each, LongerTakes(head_s=each.head_s, takes=takes))
            taken |= {cue.id for cue in each.missing}
        else:
            rendered.stems = [stem for stem in rendered.stems if stem.cue is not each.cue]
    rendered.failed = []
    cues = tuple(cue for cue in plan.sheet.cues if cue.id not in taken)
    return Continued(
        plan=replace(plan, moves=tuple(moves.values()), sheet=replace(plan.sheet, cues=cues)),
        rendered=rendered,
        taken=frozenset(taken),
    )


@dataclass(frozen=True, kw_only=True)
class _Take:
    """One of the takes of a stem. pan_width: of its pan envelope; None without one."""

    number: int
    stem: StemFile
    recipe: StemRecipe
    pan_width: float | None


class _Continuations:
    """Finds the moves of a plan whose stems can go on."""

    def __init__(self, plan: ConformPlan, options: RenderOptions, output: OutputOptions) -> None:
        self._plan, self._options, self._output = plan, options, output
        self._model = options.model
        self._frame_s = 1 / plan.new.clock.frame_rate_hz
        self._builder = CueBuilder()

    def __iter__(self) -> Iterator[Continuation]:
        taken: set[str] = set()
        for move in self._plan.moves:
            missing = tuple(cue for cue in _find_missing(move, self._plan) if cue.id not in taken)
            continuation = self._build(move, missing) if missing else None
            if continuation is not None:
                taken |= {cue.id for cue in missing}
                yield continuation

    def _build(self, move: StemMove, missing: tuple[Cue, ...]) -> Continuation | None:
        """None where the stem cannot go on."""
        clip = _spot_whole(move, missing, self._plan)
        takes = self._read_takes(move, clip) if clip is not None else None
        if clip is None or takes is None:
            return None
        num_samples, rate_hz = takes[0].stem.num_samples, takes[0].stem.sample_rate_hz
        file_end_s = move.file_start_s + Fraction(num_samples, rate_hz)
        head = tail = 0
        if clip.record_start_s < move.heard_s[0]:
            head = self._count_samples(move.file_start_s - clip.record_start_s, clip.handle_before_s, rate_hz)
        if clip.record_end_s > move.heard_s[1]:
            tail = self._count_samples(clip.record_end_s - file_end_s, clip.handle_after_s, rate_hz)
        head_s, tail_s = Fraction(head, rate_hz), Fraction(tail, rate_hz)
        clip = replace(
            clip,
            handle_before_s=clip.record_start_s - move.file_start_s + head_s,
            handle_after_s=max(file_end_s + tail_s - clip.record_end_s, Fraction(0)),
        )
        cue = self._builder.build_cue(clip, read_stem_track(move.stem), CONFORMED)
        try:
            jobs = tuple(_build_job(take, (head, tail), cue, self._options, self._output) for take in takes)
        except SelvaError:
            return None
        return Continuation(move=move, cue=cue, missing=missing, head_s=head_s, jobs=jobs)

    def _count_samples(self, missing_s: Fraction, handle_s: Fraction, rate_hz: int) -> int:
        """By how much a file goes on: with the handle by whole frames, because hosts cut sound at frames of its file. No sample
        less: a host that counts whole frames of a file would not have the last one.
        """
        frames_s = math.floor((missing_s + handle_s) / self._frame_s) * self._frame_s
        return max(math.ceil(max(frames_s, missing_s) * rate_hz), 0)

    def _read_takes(self, move: StemMove, clip: SpottedClip) -> list[_Take] | None:
        """The takes of a stem, all as long; None where one of them cannot go on."""
        try:
            takes = list(_iter_takes(move, self._plan.old.spotter.media.base_folder))
        except (SelvaError, KeyError, TypeError, ValueError):
            return None
        wanted = takes[0].recipe.model if takes and self._model is None else self._model
        is_alike = all(
            take.recipe.model == wanted and _shows_the_same(take.recipe, move, clip, self._frame_s)
            for take in takes
        )
        lengths = {(take.stem.num_samples, take.stem.sample_rate_hz) for take in takes}
        # Results are told apart by the number of their take.
        is_numbered = len({take.number for take in takes}) == len(takes)
        return takes if is_alike and is_numbered and len(lengths) == 1 else None


def _find_missing(move: StemMove, plan: ConformPlan) -> Iterator[Cue]:
    """The cues of a moved stem's own sound that begin where it ends, or end where it begins, on its shot."""
    shot = move.new.shot
    if move.cue is None or move.stem.rate != 1:
        return
    own = (move.stem.track.casefold(), move.cue.prompt, move.cue.negative_prompt)
    for cue in plan.sheet.cues:
        clip = cue.clip
        is_beside = clip.record_start_s == move.heard_s[1] or clip.record_end_s == move.heard_s[0]
        is_inside = shot.record_start_s <= clip.record_start_s and clip.record_end_s <= shot.record_end_s
        is_own = (cue.track.casefold(), cue.prompt, cue.negative_prompt) == own
        is_of_shot = is_inside and clip.video_track == move.new.clip.video_track
        if cue.source == CONFORMED and is_beside and is_of_shot and is_own:
            yield cue


def _spot_whole(move: StemMove, missing: Sequence[Cue], plan: ConformPlan) -> SpottedClip | None:
    """What the longer stem is heard on, with handles; None where that is a file of small pictures or unusable."""
    shot = move.new.shot
    start_s = min(move.heard_s[0], *(cue.clip.record_start_s for cue in missing))
    end_s = max(move.heard_s[1], *(cue.clip.record_end_s for cue in missing))
    is_whole = (start_s, end_s) == (shot.record_start_s, shot.record_end_s)
    # What an editor has drawn out beyond the shot is no picture of it.
    if start_s < shot.record_start_s or end_s > shot.record_end_s:
        return None
    clip = plan.spotter.spot(shot if is_whole else shot.trim(start_s, end_s))
    return clip if isinstance(clip, SpottedClip) and clip.proxy_path is None else None


def _iter_takes(move: StemMove, base_folder: Path) -> Iterator[_Take]:
    """The takes that are noted of a stem. Raises KeyError, TypeError, ValueError, RequestError, MediaError."""
    for noted in move.stem.placed.stem["takes"]:
        file = resolve_media_path(str(noted["url"]), base_folder)
        stem = read_stem_file(file)
        recipe = StemRecipe.parse(stem.provenance, name=file.name)
        # A host keeps the curve itself, and notes how wide it is.
        pan_width = noted.get("pan_envelope_width", read_pan_width(noted))
        yield _Take(number=int(noted["take"]), stem=stem, recipe=recipe, pan_width=pan_width)


def _shows_the_same(recipe: StemRecipe, move: StemMove, clip: SpottedClip, frame_s: Fraction) -> bool:
    """Whether the stem's own picture is that of the new shot, on the same frames: an editor may have slipped the stem."""
    picture = recipe.picture
    if picture is None or picture.speed != clip.picture_speed:
        return False
    at_clip_s = picture.start_s + picture.speed * (clip.sound_start_s - move.file_start_s)
    return abs(at_clip_s - clip.picture_start_s) < frame_s / 2


def _build_job(
    take: _Take, added: tuple[int, int], cue: Cue, options: RenderOptions, output: OutputOptions
) -> ClipJob:
    """Raises RequestError."""
    signer = output.signer
    redo = Redo(
        stem=take.stem,
        extend_head_samples=added[0],
        extend_tail_samples=added[1],
        take=take.number,
        folder=output.stems_folder,
        absent=options.absent,
        pan_envelope=take.pan_width,
        signer=None if signer is None else SignerFiles(certificate=signer.certificate, key=signer.key),
    )
    request = build_redo_job(redo, media=cue.clip.picture_path)
    # Its own cue, so that the results of the job are found again, and named in the file as those of any render.
    [requested] = request.cues
    request = msgspec.structs.replace(
        request, priority=options.priority, cues=(msgspec.structs.replace(requested, cue=cue.id),)
    )
    return ClipJob(clip=cue.clip, cues=(cue,), request=request)


def _lengthen(each: Continuation, takes: LongerTakes) -> StemMove:
    """The move with the longer takes, heard in all of the range."""
    move, clip = each.move, each.cue.clip
    heard_s = (clip.record_start_s, clip.record_end_s)
    as_placed_s = None
    if move.as_placed_s is not None:
        # An edge that an editor has moved is none at which a stem goes on.
        start_s, end_s = (
            longer if placed == heard else placed
            for longer, placed, heard in zip(heard_s, move.as_placed_s, move.heard_s, strict=True)
        )
        as_placed_s = (start_s, end_s)
    return replace(
        move,
        heard_s=heard_s,
        file_start_s=move.file_start_s - each.head_s,
        as_placed_s=as_placed_s,
        cue=each.cue,
        longer=takes,
    )

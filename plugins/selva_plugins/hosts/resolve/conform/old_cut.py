"""The cut at the last placement, and the stems of the timeline with the shot of that cut that each was made for.

Each stem's file says which frames it was made for. The cut is the snapshot that the bridge kept when stems were last placed;
without one, the shots are those that the files speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_core.base.errors import SelvaError
from selva_otio.conform.cut_reading import OldStem, ReadCut, ReadShot, build_read_shot, read_cut
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.displaced_stems import find_place
from selva_otio.conform.media_matching import SameContent, match_media
from selva_otio.conform.stem_fitting import StemSpot
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA
from selva_otio.picture.media import build_media_url
from selva_otio.picture.media_search import MediaLookup
from selva_otio.placement.stem_tracks import PlacedItem
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.audio_items import ResolveStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot
from selva_plugins.hosts.resolve.timeline import build_timeline
from selva_render.redo import open_stem

_SAME_S = Fraction(1, 1000)
_NOT_READ = "its file does not say what it was made for"


@dataclass(frozen=True, kw_only=True)
class MadeStem:
    """A stem item, and what its file says: how long it is, the times of the medium that its first sample and the start of its
    shot were made for, and the speed.
    """

    item: ResolveStem
    file_s: Fraction
    sample_rate_hz: int
    sound: str
    prompt: str
    negative_prompt: str
    model: str
    seed: int
    take: int
    source_file: str
    source_start_s: Fraction
    source_at_file_start_s: Fraction
    speed: Fraction


@dataclass(frozen=True, kw_only=True)
class FoundStem:
    """A stem in the old cut. place_s: how much later its picture is taken to lie where the stem lies now."""

    made: MadeStem
    place_s: Fraction


@dataclass(frozen=True, kw_only=True)
class HeldStem:
    """A stem that stays as it is, and why."""

    item: ResolveStem
    reason: str


@dataclass(kw_only=True)
class OldCut:
    """stems: in the order of `found`, whose keys are the ids of the items. is_known: whether a snapshot of it was kept."""

    cut: ReadCut
    stems: list[OldStem]
    found: dict[str, FoundStem]
    held: list[HeldStem]
    is_known: bool


def read_snapshot_cut(snapshot: ResolveSnapshot) -> ReadCut:
    """Raises TimelineError."""
    built = build_timeline(snapshot)
    return read_cut(built.timeline, MediaLookup(base_folder=Path()), built.clock)


def read_old_cut(
    snapshot: ResolveSnapshot,
    last: ResolveSnapshot | None,
    new: ReadCut,
    has_same_content: SameContent = lambda _old, _new: None,
) -> OldCut:
    """last: what the timeline was when stems were last placed; None where that is not known."""
    held: list[HeldStem] = []
    made: list[MadeStem] = []
    for item in snapshot.timeline.stems:
        try:
            made.append(_read_stem(item))
        except SelvaError as error:
            held.append(HeldStem(item=item, reason=error.message))
    cut = None if last is None else read_snapshot_cut(last)
    if cut is None or not cut.shots:
        cut = _noted_cut(made, snapshot, new)
    old = OldCut(cut=cut, stems=[], found={}, held=held, is_known=last is not None)
    media = match_media(cut.cut_shots, new.cut_shots, has_same_content=has_same_content)
    renamed = media.rename(new.cut_shots)
    for stem in made:
        _add_stem(stem, old, renamed, snapshot)
    return old


def _read_stem(item: ResolveStem) -> MadeStem:
    """Raises MediaError for a file that is not there; SnapshotError for one that does not say what it was made for."""
    if item.is_track_locked:
        raise SnapshotError(f"its track '{item.track_name}' is locked")
    file = open_stem(item.file)
    noted = file.provenance
    try:
        speed = Fraction(noted["source_speed"])
        offset_s = Fraction(int(noted["offset_samples"]), file.sample_rate_hz)
        return MadeStem(
            item=item,
            file_s=Fraction(file.num_samples, file.sample_rate_hz),
            sample_rate_hz=file.sample_rate_hz,
            sound=noted["track"],
            prompt=noted["prompt"],
            negative_prompt=noted.get("negative_prompt", ""),
            model=noted.get("model", ""),
            seed=int(noted["seed"]),
            take=int(noted.get("take", 1)),
            source_file=noted["source_file"],
            source_start_s=Fraction(noted["source_start_s"]),
            source_at_file_start_s=Fraction(noted["source_start_s"]) - speed * offset_s,
            speed=speed,
        )
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise SnapshotError(_NOT_READ) from error


def _origin_s(item: ResolveStem, snapshot: ResolveSnapshot) -> Fraction:
    """Where the first sample of the file lies now, in seconds after the timeline's start."""
    frames = item.start_frame - snapshot.timeline.start_frame - item.left_offset_frames
    return frames / snapshot.rate


def _heard_s(item: ResolveStem, snapshot: ResolveSnapshot) -> tuple[Fraction, Fraction]:
    start_s = Fraction(item.start_frame - snapshot.timeline.start_frame) / snapshot.rate
    return start_s, start_s + item.duration_frames / snapshot.rate


def _add_stem(stem: MadeStem, old: OldCut, new: Sequence[CutShot], snapshot: ResolveSnapshot) -> None:
    origin_s = _origin_s(stem.item, snapshot)
    start_s, end_s = _heard_s(stem.item, snapshot)
    best = _find_shot(stem, old.cut.shots, origin_s, start_s - origin_s, end_s - origin_s)
    if best is None:
        old.held.append(
            HeldStem(item=stem.item, reason="the last cut that is known has no shot that it was made for")
        )
        return
    shot, old_origin_s = best
    place = find_place(
        origin_s - old_origin_s, shot.cut, (each for each in new if each.media == shot.cut.media)
    )
    if place is None:
        reason = "it was moved by hand, away from every place of its picture"
        old.held.append(HeldStem(item=stem.item, reason=reason))
        return
    place_s, slip_s = place
    old.found[stem.item.id] = FoundStem(made=stem, place_s=place_s)
    file_start_s = old_origin_s + slip_s
    spot = StemSpot(
        start_s=start_s - place_s,
        end_s=end_s - place_s,
        file_start_s=file_start_s,
        file_end_s=max(file_start_s + stem.file_s, end_s - place_s),
    )
    old.stems.append(_build_old_stem(stem, spot, shot))


def _find_shot(
    stem: MadeStem, shots: Iterable[ReadShot], origin_s: Fraction, from_s: Fraction, until_s: Fraction
) -> tuple[ReadShot, Fraction] | None:
    """The shot of the old cut that shows most of what a stem was made for, of those one that begins as that did, of those the
    nearest to where it lies, and where the file began there. from_s, until_s: what of the file is heard.
    """
    candidates = []
    for each in shots:
        cut = each.cut
        if each.clip.media_path.name.casefold() != stem.source_file.casefold() or cut.speed != stem.speed:
            continue
        if cut.speed == 0:
            expected_s = cut.record_start_s
        else:
            expected_s = cut.record_start_s + (stem.source_at_file_start_s - cut.media_start_s) / cut.speed
        common_s = min(expected_s + until_s, cut.record_end_s) - max(expected_s + from_s, cut.record_start_s)
        if common_s > 0:
            is_other_start = abs(cut.media_start_s - stem.source_start_s) > _SAME_S
            candidates.append(
                (common_s, is_other_start, abs(expected_s - origin_s), cut.number, each, expected_s)
            )
    if not candidates:
        return None
    # Not the nearest of all: another shot may show some of these frames, and lie nearer to where an editor has moved the stem
    # along with its own. Files begin on samples and shots on frames: ranges that are the same differ by less than a sample.
    most_s = max(candidate[0] for candidate in candidates) - _SAME_S
    *_, shot, expected_s = min(
        (candidate for candidate in candidates if candidate[0] >= most_s),
        key=lambda candidate: candidate[1:4],
    )
    return shot, expected_s


def _build_old_stem(stem: MadeStem, spot: StemSpot, shot: ReadShot) -> OldStem:
    clip = otio.schema.Clip(name=stem.item.name)
    clip.enabled = stem.item.is_heard and stem.take == 1
    clip.metadata[SELVA_NAMESPACE] = _describe(stem)
    return OldStem(
        placed=PlacedItem(item=clip, start_s=spot.start_s, end_s=spot.end_s),
        track=stem.sound,
        subtrack_number=0,
        spot=spot,
        rate=Fraction(1),
        shot=shot,
    )


def _describe(stem: MadeStem) -> Mapping[str, object]:
    """As `selva_otio.placement` notes a stem, as far as a conform reads it. `item_id` finds the stem again."""
    return {
        "schema": STEM_SCHEMA,
        "prompt": stem.prompt,
        "negative_prompt": stem.negative_prompt,
        "takes": [
            {"model": stem.model, "take": stem.take, "url": build_media_url(stem.item.file)},
        ],
        "item_id": stem.item.id,
    }


def _noted_cut(made: Sequence[MadeStem], snapshot: ResolveSnapshot, new: ReadCut) -> ReadCut:
    """The shots that the stems were made for: where they lie now, as long as they are heard. Media are those of the new cut that
    have their names.
    """
    media = {each.clip.media_path.name.casefold(): each.cut.media for each in new.shots}
    track = otio.schema.Track(name="", kind=otio.schema.TrackKind.Video)
    shots: dict[tuple[str, Fraction, Fraction, Fraction], CutShot] = {}
    for stem in made:
        origin_s = _origin_s(stem.item, snapshot)
        start_s, end_s = _heard_s(stem.item, snapshot)
        shot = CutShot(
            number=0,
            name=stem.source_file,
            media=media.get(stem.source_file.casefold(), stem.source_file),
            media_start_s=stem.source_at_file_start_s + stem.speed * (start_s - origin_s),
            speed=stem.speed,
            record_start_s=start_s,
            record_end_s=end_s,
        )
        shots[shot.media, shot.media_start_s, start_s, end_s] = shot
    ordered = sorted(shots.values(), key=lambda shot: shot.record_start_s)
    numbered = [replace(shot, number=number) for number, shot in enumerate(ordered)]
    return ReadCut(
        timeline=otio.schema.Timeline(name="last render"),
        clock=new.clock,
        spotter=new.spotter,
        shots=[build_read_shot(shot, track) for shot in numbered],
        skipped=[],
    )

"""Old cuts as stem tracks see them: a track that was rendered after a shot was trimmed knows the shot as trimmed, and one that
was rendered before knows all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.errors import SelvaError
from selva_core.base.render_options import ENVELOPE
from selva_otio.conform.cut_reading import OldStem, ReadCut, ReadShot, build_read_shot
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.stem_fitting import StemSpot
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA
from selva_otio.picture.media import build_media_url
from selva_otio.placement.stem_tracks import PlacedItem
from selva_plugins.hosts.reaper.conform.new_cut import NewCut, read_rate
from selva_plugins.hosts.reaper.conform.old_cut import AnchoredStem, OldCut, measure_delay_s, measure_origin_s
from selva_plugins.hosts.reaper.item_spans import SAME_S
from selva_plugins.hosts.reaper.recipes import parse_recipe
from selva_plugins.hosts.reaper.snapshot import ReaperTake
from selva_plugins.hosts.reaper.timeline import ReaperTimeline


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Stem tracks whose stems are for the same shots of the old cut, which they see as one cut."""

    cut: ReadCut
    stems: list[OldStem]


def build_layers(old: OldCut, new: NewCut) -> list[Layer]:
    """Each stem track sees its own old cut: a track that was rendered after a shot was trimmed knows the shot as trimmed, and one
    that was rendered before knows all of it. Tracks that see the same are one layer.
    """
    by_track: dict[str, list[AnchoredStem]] = defaultdict(list)
    for stem in old.stems:
        by_track[stem.stem_track.casefold()].append(stem)
    groups: dict[tuple[CutShot, ...], list[AnchoredStem]] = {}
    for stems in by_track.values():
        settled = _settle_versions(stems, dict(old.known))
        seen = dict.fromkeys(stem.shot for stem in settled)
        others = _find_shots_without_stems(settled, old.known)
        key = tuple(
            sorted({**seen, **dict.fromkeys(others)}, key=lambda shot: (shot.record_start_s, shot.media))
        )
        groups.setdefault(key, []).extend(settled)
    return [_build_layer(shots, stems, new) for shots, stems in groups.items()]


def _settle_versions(stems: Sequence[AnchoredStem], last: Mapping[str, CutShot]) -> list[AnchoredStem]:
    """One version of each shot: stems of one item that was trimmed between two renders are all taken to be for the shot that the
    last render saw.
    """
    versions: dict[str, CutShot] = {}
    for stem in stems:
        known, seen = versions.get(stem.item_guid), last.get(stem.item_guid)
        if known is None or (seen is not None and stem.shot.picture == seen.picture):
            versions[stem.item_guid] = stem.shot
    settled = []
    for stem in stems:
        shot = versions[stem.item_guid]
        shift_s = None if shot == stem.shot else stem.shot.shift_to(shot)
        if shift_s is None or not _is_among(shot, [stem.shot.media_range]):
            settled.append(stem)
            continue
        settled.append(
            replace(
                stem,
                shot=shot,
                origin_s=stem.origin_s + shift_s,
                displaced_s=stem.displaced_s - shift_s,
                edges_s=(stem.shot.record_start_s + shift_s, stem.shot.record_end_s + shift_s),
            )
        )
    return settled


def _find_shots_without_stems(
    stems: Sequence[AnchoredStem], known: Sequence[tuple[str, CutShot]]
) -> list[CutShot]:
    """Shots of the last render that no stem of these speaks for: not the item of one, nor what was split off such an item."""
    shots = {stem.item_guid: stem.shot for stem in stems}
    last = dict(known)
    lost: dict[tuple[str, Fraction], list[tuple[Fraction, Fraction]]] = defaultdict(list)
    for guid, shot in shots.items():
        low_s, high_s = shot.media_range
        now = last.get(guid)
        if now is None or (now.media, now.speed) != (shot.media, shot.speed):
            lost[shot.media, shot.speed].append((low_s, high_s))
            continue
        now_low_s, now_high_s = now.media_range
        lost[shot.media, shot.speed] += [
            part
            for part in ((low_s, min(high_s, now_low_s)), (max(low_s, now_high_s), high_s))
            if part[0] < part[1]
        ]
    return [
        shot
        for guid, shot in known
        if guid not in shots and not _is_among(shot, lost.get((shot.media, shot.speed), ()))
    ]


def _is_among(shot: CutShot, ranges: Iterable[tuple[Fraction, Fraction]]) -> bool:
    low_s, high_s = shot.media_range
    return any(low_s < end_s - SAME_S and start_s + SAME_S < high_s for start_s, end_s in ranges)


def _build_layer(shots: Sequence[CutShot], stems: Sequence[AnchoredStem], new: NewCut) -> Layer:
    timeline = otio.schema.Timeline(name="last render")
    track = otio.schema.Track(name="", kind=otio.schema.TrackKind.Video)
    numbered = [build_read_shot(replace(shot, number=number), track) for number, shot in enumerate(shots)]
    by_shot = dict(zip(shots, numbered, strict=True))
    cut = ReadCut(
        timeline=timeline,
        clock=new.cut.clock,
        spotter=new.cut.spotter,
        shots=numbered,
        skipped=[],
    )
    return Layer(cut=cut, stems=[_to_old_stem(stem, by_shot[stem.shot], new.built) for stem in stems])


def _to_old_stem(stem: AnchoredStem, shot: ReadShot, built: ReaperTimeline) -> OldStem:
    """The stem where it would lie in the old cut, as an item that carries what a render notes."""
    item, take = stem.item, stem.item.take
    rate = read_rate(take.play_rate)
    moved_s = measure_origin_s(item, built) - stem.origin_s - stem.slip_s
    start_s = built.snap(item.position_s) - moved_s
    end_s = built.snap(item.position_s + item.length_s) - moved_s
    if stem.edges_s is not None:
        start_s = stem.shot.record_start_s if abs(start_s - stem.edges_s[0]) < SAME_S else start_s
        end_s = stem.shot.record_end_s if abs(end_s - stem.edges_s[1]) < SAME_S else end_s
    file_start_s = stem.origin_s + stem.slip_s + measure_delay_s(item, built)
    file_s = (built.snap(take.sources[0].length_s) - built.lead_s) / rate if take.sources else Fraction(0)
    clip = otio.schema.Clip(name=stem.label)
    clip.enabled = not item.is_muted
    clip.metadata[SELVA_NAMESPACE] = _describe(stem)
    return OldStem(
        placed=PlacedItem(item=clip, start_s=start_s, end_s=end_s),
        track=stem.stem_track,
        subtrack_number=0,
        rate=None if stem.is_whole else rate,
        shot=shot,
        spot=StemSpot(
            start_s=start_s,
            end_s=end_s,
            file_start_s=file_start_s,
            file_end_s=max(file_start_s + file_s, end_s),
        ),
    )


def list_alike(stem: AnchoredStem) -> list[ReaperTake]:
    """The takes that lie on the picture as the active one does, and that a render has made: those that can go on together."""
    active = stem.item.take
    if not active.plain_file:
        return []
    return [
        take
        for take in stem.item.takes
        if take.plain_file
        and take.recipe
        and abs(take.start_offset_s - active.start_offset_s) < SAME_S
        and abs(take.sources[0].length_s - active.sources[0].length_s) < SAME_S
    ]


def _describe_take(stem: AnchoredStem, take: ReaperTake) -> dict[str, Any]:
    recipe = stem.recipe
    with suppress(SelvaError):
        recipe = parse_recipe(take.recipe)
    return {
        "model": recipe.model,
        "take": recipe.take,
        "url": build_media_url(Path(take.plain_file)),
        "pan_envelope_width": recipe.pan.width if recipe.pan.mode == ENVELOPE else None,
    }


def _describe(stem: AnchoredStem) -> Mapping[str, Any]:
    """As `selva_otio.placement` notes a stem, as far as a conform reads it. `item_guid` finds the stem again."""
    sound = stem.recipe.sound
    return {
        "schema": STEM_SCHEMA,
        "prompt": sound.prompt,
        "negative_prompt": sound.negative_prompt,
        "takes": [_describe_take(stem, take) for take in list_alike(stem)]
        or [{"model": stem.recipe.model} for _ in stem.item.recipes],
        "item_guid": stem.item.guid,
    }

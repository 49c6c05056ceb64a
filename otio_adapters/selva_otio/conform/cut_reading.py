"""The two cuts as conform sees them: shots with their media, and the stems of the old one, each with the shot it goes with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.rational import from_pair
from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.stem_fitting import StemSpot
from selva_otio.cues.cue_sheet import SpottedClip
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.errors import ClockError
from selva_otio.formats.stem_metadata import iter_stems
from selva_otio.metadata import TRACK_SCHEMA, read_selva_metadata
from selva_otio.picture.media import file_name_in_url, resolve_media_path
from selva_otio.picture.media_search import MediaLookup
from selva_otio.picture.shots import Shot, ShotIndex, SkippedItem
from selva_otio.picture.visible_shots import iter_picture_tracks, resolve_picture
from selva_otio.placement.stem_tracks import PlacedItem, StemSubtrack, read_subtracks
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import find_record_clock, trimmed_start_s, warp_speed


@dataclass(frozen=True, kw_only=True)
class ReadShot:
    """A shot in the three forms in which it is known."""

    shot: Shot
    clip: SpottedClip
    cut: CutShot


@dataclass(kw_only=True)
class ReadCut:
    """A timeline with its shots in record order, and the items without picture or media."""

    timeline: otio.schema.Timeline
    clock: TimelineClock
    spotter: ShotSpotter
    shots: list[ReadShot]
    skipped: list[SkippedItem]

    @property
    def cut_shots(self) -> list[CutShot]:
        return [each.cut for each in self.shots]


@dataclass(frozen=True, kw_only=True)
class OldStem:
    """An item on a stem track of the old cut: a stem, or what an editor has put there.

    track: name of the stem track. subtrack_number: counted from 0. shot: the shot it goes with; None where the cut has none.
    spot: where it lies and what its file has. rate: how fast it plays; None for an item that cannot be trimmed.
    """

    placed: PlacedItem
    track: str
    subtrack_number: int
    spot: StemSpot
    rate: Fraction | None
    shot: ReadShot | None

    @property
    def is_stem(self) -> bool:
        return bool(self.placed.stem)


def read_cut(
    timeline: otio.schema.Timeline, media: MediaLookup, clock: TimelineClock | None = None
) -> ReadCut:
    """The shots of a timeline; clock: where it is known already. Raises TimelineReadError, ClockError."""
    clock = clock or find_record_clock(timeline)
    spotter = ShotSpotter(clock=clock, media=media)
    picture = resolve_picture(iter_picture_tracks(timeline))
    shots: list[ReadShot] = []
    skipped = list(picture.skipped)
    for shot in picture.shots:
        clip = spotter.spot(shot)
        if isinstance(clip, SkippedItem):
            skipped.append(clip)
        else:
            shots.append(ReadShot(shot=shot, clip=clip, cut=_to_cut_shot(len(shots), clip)))
    return ReadCut(timeline=timeline, clock=clock, spotter=spotter, shots=shots, skipped=skipped)


def read_old_cut(timeline: otio.schema.Timeline, media: MediaLookup) -> ReadCut:
    """The shots of a timeline with stems; where it holds sound only (an EDL, an AAF for Pro Tools), those that its stems say they
    were made for. Raises TimelineReadError, ClockError.
    """
    cut = read_cut(timeline, media)
    if cut.shots:
        return cut
    track = otio.schema.Track(name="", kind=otio.schema.TrackKind.Video)
    noted = {}
    for _, stem in iter_stems(timeline):
        clip = _noted_clip(stem, media.base_folder)
        if clip is not None:
            noted[clip.media_path, clip.record_start_s, clip.duration_s, clip.media_start_s] = clip
    for clip in sorted(noted.values(), key=lambda clip: clip.record_start_s):
        cut.shots.append(
            ReadShot(shot=_noted_shot(clip, track), clip=clip, cut=_to_cut_shot(len(cut.shots), clip))
        )
    return cut


def _noted_clip(stem: Mapping[str, Any], base_folder: Path) -> SpottedClip | None:
    """The shot that a stem was made for; None where it does not say it."""
    source: Any = stem.get("source")
    try:
        return SpottedClip(
            name=str(source["name"]),
            video_track="",
            media_path=resolve_media_path(str(source["url"]), base_folder),
            media_start_s=from_pair(source["start_s"]),
            speed=from_pair(source["speed"]),
            record_start_s=from_pair(stem["record_start_s"]),
            duration_s=from_pair(stem["duration_s"]),
            source_timecode=str(source.get("timecode", "")),
            source_end_timecode="",
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def build_read_shot(shot: CutShot, track: otio.schema.Track) -> ReadShot:
    """A shot that is known by its numbers alone, as of a cut that a host noted. track: any, for shots have one."""
    clip = SpottedClip(
        name=shot.name,
        video_track=shot.video_track,
        media_path=Path(shot.media),
        media_start_s=shot.media_start_s,
        speed=shot.speed,
        record_start_s=shot.record_start_s,
        duration_s=shot.duration_s,
        source_timecode=shot.source_label,
        source_end_timecode="",
    )
    return ReadShot(shot=_noted_shot(clip, track), clip=clip, cut=shot)


def _noted_shot(clip: SpottedClip, track: otio.schema.Track) -> Shot:
    return Shot(
        clip=otio.schema.Clip(name=clip.name),
        track=track,
        record_start_s=clip.record_start_s,
        record_end_s=clip.record_end_s,
        cut_start_s=clip.record_start_s,
        cut_end_s=clip.record_end_s,
        media_start_s=clip.media_start_s,
        speed=clip.speed,
    )


def _to_cut_shot(number: int, clip: SpottedClip) -> CutShot:
    return CutShot(
        number=number,
        name=clip.name,
        media=str(clip.media_path),
        media_start_s=clip.media_start_s,
        speed=clip.speed,
        record_start_s=clip.record_start_s,
        record_end_s=clip.record_end_s,
        video_track=clip.video_track,
        source_label=clip.source_timecode,
    )


def list_stem_tracks(timeline: otio.schema.Timeline) -> list[str]:
    """The names of the stem tracks, in their order; case does not count."""
    names: dict[str, str] = {}
    for track in timeline.tracks:
        noted = read_selva_metadata(track, TRACK_SCHEMA)
        if noted:
            name = str(noted.get("track", ""))
            names.setdefault(name.casefold(), name)
    return list(names.values())


def read_stems(cut: ReadCut) -> list[OldStem]:
    """What lies on the stem tracks of a cut, in the order of the tracks."""
    index = ShotIndex([each.shot for each in cut.shots])
    by_shot = {id(each.shot): each for each in cut.shots}
    paths = _MediaPaths(cut.spotter.media.base_folder)
    stems = []
    for name in list_stem_tracks(cut.timeline):
        for subtrack_number, subtrack in enumerate(read_subtracks(cut.timeline, name)):
            for placed in subtrack.items:
                shot = _find_shot(placed, index, by_shot, cut, paths)
                stems.append(_to_old_stem(placed, name, subtrack_number, shot))
    return stems


def iter_cross_fades(
    subtrack: StemSubtrack,
) -> Iterator[tuple[otio.core.Item, otio.schema.Transition, otio.core.Item]]:
    """The transitions between two items of a subtrack, each with the items before and after it."""
    children = list(subtrack.track)
    for before, transition, after in zip(children, children[1:], children[2:], strict=False):
        if (
            isinstance(transition, otio.schema.Transition)
            and isinstance(before, otio.core.Item)
            and isinstance(after, otio.core.Item)
        ):
            yield before, transition, after


def _to_old_stem(placed: PlacedItem, track: str, subtrack_number: int, shot: ReadShot | None) -> OldStem:
    rate = _play_rate(placed.item)
    trim_s, file_s = _file_extent(placed)
    step = rate or Fraction(1)
    file_start_s = placed.start_s - trim_s / step
    return OldStem(
        placed=placed,
        track=track,
        subtrack_number=subtrack_number,
        rate=rate,
        shot=shot,
        spot=StemSpot(
            start_s=placed.start_s,
            end_s=placed.end_s,
            file_start_s=file_start_s if rate else placed.start_s,
            file_end_s=file_start_s + file_s / step if rate else placed.end_s,
        ),
    )


def _play_rate(item: otio.core.Item) -> Fraction | None:
    """The speed an editor plays it at; None for a nest, a ramp, or in reverse, which are moved and never trimmed."""
    if not isinstance(item, otio.schema.Clip):
        return None
    try:
        speed = warp_speed(item)
    except ClockError:
        return None
    return speed if speed > 0 else None


def _file_extent(placed: PlacedItem) -> tuple[Fraction, Fraction]:
    """How far into its file an item starts, and how long the file is, in seconds of the file.

    The number of samples counts where it is noted: formats write available ranges in frames. A file that nothing is known of
    is as long as what is heard.
    """
    item = placed.item
    start_s = trimmed_start_s(item)
    heard_s = placed.end_s - placed.start_s
    reference = getattr(item, "media_reference", None)
    available = None if reference is None else reference.available_range
    origin_s = Fraction(0) if available is None else exact_seconds(available.start_time)
    trim_s = start_s - origin_s
    samples_s = _noted_duration_s(placed.stem, getattr(reference, "target_url", None) or "")
    if samples_s is not None:
        return trim_s, max(samples_s, trim_s + heard_s)
    if available is not None:
        return trim_s, max(exact_seconds(available.duration), trim_s + heard_s)
    return trim_s, trim_s + heard_s


def _noted_duration_s(stem: Mapping[str, Any], url: str) -> Fraction | None:
    for take in stem.get("takes") or ():
        if not isinstance(take, Mapping) or file_name_in_url(str(take.get("url"))) != file_name_in_url(url):
            continue
        num_samples, rate_hz = take.get("num_samples"), take.get("sample_rate_hz")
        if isinstance(num_samples, int) and isinstance(rate_hz, int) and num_samples > 0 and rate_hz > 0:
            return Fraction(num_samples, rate_hz)
    return None


class _MediaPaths(dict[str, str]):
    """The path of each URL, resolved once: a cut has far fewer media than stems."""

    def __init__(self, base_folder: Path) -> None:
        super().__init__()
        self._base_folder = base_folder

    def __missing__(self, url: str) -> str:
        path = str(resolve_media_path(url, self._base_folder)) if url.startswith("file:") else ""
        self[url] = path
        return path


def _find_shot(
    placed: PlacedItem,
    index: ShotIndex,
    by_shot: Mapping[int, ReadShot],
    cut: ReadCut,
    paths: Mapping[str, str],
) -> ReadShot | None:
    """The shot under an item: of those that it was made for the one that it overlaps most, else of all, else the nearest."""
    under = [by_shot[id(shot)] for shot in index.iter_overlapping(placed.start_s, placed.end_s)]
    if len(under) == 1:
        return under[0]
    if not under:
        return min(cut.shots, key=lambda each: _distance_s(each, placed), default=None)
    source = placed.stem.get("source")
    url = str(source.get("url", "")) if isinstance(source, Mapping) else ""
    name = file_name_in_url(url) if url else ""
    path = paths[url]

    def rank(each: ReadShot) -> tuple[bool, bool, Fraction]:
        overlap_s = min(each.cut.record_end_s, placed.end_s) - max(each.cut.record_start_s, placed.start_s)
        is_of_name = bool(name) and each.clip.media_path.name.casefold() == name
        return each.cut.media == path, is_of_name, overlap_s

    return max(under, key=rank)


def _distance_s(each: ReadShot, placed: PlacedItem) -> Fraction:
    return max(each.cut.record_start_s - placed.end_s, placed.start_s - each.cut.record_end_s)


class ShotsOfTracks:
    """Finds the shot of a video track that begins last before a record time."""

    def __init__(self, shots: Sequence[ReadShot]) -> None:
        self._by_track: dict[str, list[ReadShot]] = {}
        for each in shots:
            self._by_track.setdefault(each.cut.video_track, []).append(each)

    def find(self, record_s: Fraction, video_track: str) -> ReadShot | None:
        shots = self._by_track.get(video_track, [])
        index = bisect_right(shots, record_s, key=lambda each: each.cut.record_start_s) - 1
        return shots[index] if index >= 0 and record_s < shots[index].cut.record_end_s else None

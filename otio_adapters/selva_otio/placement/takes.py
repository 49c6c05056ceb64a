"""One stem of a timeline: which file it plays and where, and another take for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_core.base.rational import from_pair, to_pair
from selva_otio.errors import CueError
from selva_otio.metadata import SELVA_NAMESPACE, STEM_SCHEMA, TAKE_SCHEMA, read_selva_metadata
from selva_otio.picture.media import build_media_url, file_name_in_url, resolve_media_path
from selva_otio.placement.place_stems import Stem, describe_take
from selva_otio.time.clock import exact_rate, sample_index
from selva_otio.time.item_times import item_duration_s, trimmed_start_s


@dataclass(frozen=True, kw_only=True)
class PlacedStem:
    """A stem on a timeline. number: among all stems of the timeline. start_s, end_s: where it lies, on the record clock.
    offset_s: where in its file it begins. file: that of the take that plays. media: the picture that it was made for; None
    where the timeline does not say it. next_take: one above its takes. note: what is noted of the take that plays.
    """

    number: int
    cue: str
    track: str
    start_s: Fraction
    end_s: Fraction
    offset_s: Fraction
    file: Path
    media: Path | None
    next_take: int
    note: Mapping[str, Any] = field(default_factory=dict)

    def sample_at(self, record_s: Fraction, sample_rate_hz: int) -> int:
        """The sample of the file that is heard at a record time; indices are rounded before they are subtracted, as stems are
        placed.
        """
        first = sample_index(self.start_s, sample_rate_hz) - sample_index(self.offset_s, sample_rate_hz)
        return sample_index(record_s, sample_rate_hz) - first


def find_placed_stem(timeline: otio.schema.Timeline, wanted: str, *, base_folder: Path) -> PlacedStem:
    """The stem of a cue, by the cue's id, or the one that plays a file, by the file's name. Raises CueError."""
    stems = list(_iter_placed(timeline, base_folder))
    found = [stem for stem in stems if wanted == stem.cue or Path(wanted).name == stem.file.name]
    if len(found) == 1:
        return found[0]
    if found:
        raise CueError(f"{len(found)} stems of the timeline are {wanted!r}; name the file of one of them")
    known = ", ".join(dict.fromkeys(stem.cue for stem in stems[:10])) or "none"
    raise CueError(f"no stem of the timeline is of a cue or file {wanted!r}; its cues are: {known}")


def add_take(
    timeline: otio.schema.Timeline,
    placed: PlacedStem,
    stem: Stem,
    *,
    head_s: Fraction = Fraction(0),
    tail_s: Fraction = Fraction(0),
) -> otio.schema.Timeline:
    """A clone of the timeline in which a stem has one more take, which plays. Gain, fades and what else was set stay.

    head_s, tail_s: by how much its file begins before those of the earlier takes and ends after them. The stem is heard where
    it was, and has so much more to be drawn out.
    """
    result = timeline.clone()
    clip = _stem_clips(result)[placed.number][0]
    noted: Any = clip.metadata[SELVA_NAMESPACE]
    references = dict(clip.media_references())
    earlier = references[clip.active_media_reference_key].clone()
    if head_s:
        _move_later(clip, references.values(), head_s)
        noted["offset_s"] = to_pair(from_pair(noted["offset_s"]) + head_s)
        noted["offset_samples"] = noted["offset_samples"] + sample_index(head_s, stem.sample_rate_hz)
    only = references.pop(otio.schema.Clip.DEFAULT_MEDIA_KEY, None)
    if only is not None:  # a single take has the default key
        references[f"take_{noted.get('active_take', 1)}"] = only
    added = earlier
    if (head_s or tail_s) and added.available_range is not None:
        added.available_range = _lengthened(added.available_range, head_s + tail_s)
    added.target_url, added.name = build_media_url(stem.file), stem.file.stem
    added.metadata[SELVA_NAMESPACE] = {"schema": TAKE_SCHEMA, **describe_take(stem)}
    references[f"take_{stem.take}"] = added
    clip.set_media_references(references, f"take_{stem.take}")
    noted["takes"] = [*noted.get("takes", []), describe_take(stem)]
    noted["active_take"] = stem.take
    return result


def _move_later(
    clip: otio.schema.Clip, references: Iterable[otio.core.MediaReference], by_s: Fraction
) -> None:
    """Begin the clock of a clip's files earlier: its place in them and where the present ones begin move by `by_s`."""
    source_range = clip.trimmed_range()
    by = otio.opentime.RationalTime(float(by_s * _rate(source_range)), source_range.duration.rate)
    clip.source_range = otio.opentime.TimeRange(source_range.start_time + by, source_range.duration)
    for reference in references:
        available = reference.available_range
        if available is not None:
            by = otio.opentime.RationalTime(float(by_s * _rate(available)), available.duration.rate)
            reference.available_range = otio.opentime.TimeRange(available.start_time + by, available.duration)


def _lengthened(available: otio.opentime.TimeRange, by_s: Fraction) -> otio.opentime.TimeRange:
    by = otio.opentime.RationalTime(float(by_s * _rate(available)), available.duration.rate)
    return otio.opentime.TimeRange(available.start_time, available.duration + by)


def _rate(span: otio.opentime.TimeRange) -> Fraction:
    return exact_rate(span.duration.rate)


def _iter_placed(timeline: otio.schema.Timeline, base_folder: Path) -> Iterator[PlacedStem]:
    for number, (clip, start_s) in enumerate(_stem_clips(timeline)):
        noted = read_selva_metadata(clip, STEM_SCHEMA)
        url = getattr(clip.media_reference, "target_url", "") or ""
        if not url:
            continue
        media_url = noted.get("source", {}).get("url", "")
        takes = [take.get("take") for take in noted.get("takes", [])]
        yield PlacedStem(
            number=number,
            cue=str(noted.get("cue", "")),
            track=str(noted.get("track", "")),
            start_s=start_s,
            end_s=start_s + item_duration_s(clip),
            offset_s=trimmed_start_s(clip),
            file=resolve_media_path(url, base_folder),
            media=resolve_media_path(media_url, base_folder) if media_url else None,
            next_take=max([take for take in takes if isinstance(take, int)], default=1) + 1,
            note=_find_note(noted, url),
        )


def _find_note(noted: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    """What is noted of the take with a file of that name; empty where nothing is."""
    name = file_name_in_url(url)
    takes = (take for take in noted.get("takes", []) if isinstance(take, Mapping))
    return next((take for take in takes if file_name_in_url(str(take.get("url", ""))) == name), {})


def _stem_clips(timeline: otio.schema.Timeline) -> list[tuple[otio.schema.Clip, Fraction]]:
    """The stems on the audio tracks, and the record time at which each starts."""
    found: list[tuple[otio.schema.Clip, Fraction]] = []
    for track in timeline.audio_tracks():
        cursor_s = Fraction(0)
        for item in track:
            if not isinstance(item, otio.core.Item):
                continue
            if isinstance(item, otio.schema.Clip) and read_selva_metadata(item, STEM_SCHEMA):
                found.append((item, cursor_s))
            cursor_s += item_duration_s(item)
    return found

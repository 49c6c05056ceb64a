"""FCPXML files as timelines and back.

A timeline read from such a file carries its document along in metadata. When only its stem tracks have changed since, they are
merged into that document, so that captions, titles, filters, volumes, keywords and everything else OpenTimelineIO has no place
for stay as they were.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import ClockError, TimelineReadError
from selva_otio.formats.fcpxml.merge import ProjectDocument, has_connected_clips, read_version
from selva_otio.formats.fcpxml.reader import (
    DOCUMENT_KEY,
    build_project_timeline,
    find_project,
    read_resources,
)
from selva_otio.formats.fcpxml.resources import FCPXML_NAMESPACE
from selva_otio.formats.fcpxml.storyline import ELEMENT_KEY
from selva_otio.formats.fcpxml.writer import build_document
from selva_otio.formats.flat_layout import FlatClip, FlatTrack, flatten_timeline
from selva_otio.formats.options import Destination
from selva_otio.formats.xml import write_xml
from selva_otio.metadata import is_selva_track, read_plain_stem
from selva_otio.picture.media import build_media_url, file_name_in_url, is_relative_url, resolve_media_path
from selva_otio.time.clock import TimelineClock, exact_seconds
from selva_otio.time.item_times import find_record_clock

_NumberedTrack = tuple[otio.schema.Track, list[int | None]]
"""A track of a document, and the number of the element of each of its clips; None of one that shows picture too."""
_OLDEST_MERGED = (1, 6)
"""Before FCPXML 1.6 there were no asset clips, as which stems are connected."""


@dataclass(frozen=True, kw_only=True)
class MergePlan:
    """A document into which the stems of a timeline can be merged.

    removed: elements of stems that the timeline no longer has. new: the clips that the document does not have, by track.
    """

    document: ProjectDocument
    removed: list[ET.Element]
    new: list[tuple[FlatTrack, list[FlatClip]]]


def write_fcpxml(timeline: otio.schema.Timeline, destination: Destination) -> Sequence[Path]:
    """Write a timeline, whole or not at all; into its source document where only stem tracks have changed.

    Raises TimelineWriteError, TimelineReadError.
    """
    given = destination.merge_plan
    plan = given if isinstance(given, MergePlan) else plan_merge(timeline)
    if plan is None:
        root = build_document(timeline, destination.base_folder)
    else:
        plan.document.remove(plan.removed)
        plan.document.connect(plan.new, destination.base_folder)
        root = plan.document.root
        if destination.target.absolute().parent != destination.base_folder:
            _make_media_absolute(root, destination.base_folder)
    write_xml(root, destination.target, doctype="fcpxml", keeps_layout=plan is not None)
    return [destination.target]


def plan_merge(timeline: otio.schema.Timeline) -> MergePlan | None:
    """How the stems of a timeline go into the document it was read from; None when anything but its stem tracks has changed.

    The document is read again and compared, because an editing program sets no flag.
    """
    noted = timeline.metadata.get(FCPXML_NAMESPACE)
    text = noted.get(DOCUMENT_KEY) if isinstance(noted, Mapping) else None
    if not text:
        return None
    root = ET.fromstring(str(text))  # noqa: S314 - read within bounds before
    path = Path(timeline.name or "timeline")
    if read_version(root) < _OLDEST_MERGED:
        return None
    try:
        source = build_project_timeline(root, path, numbered=True)
    except TimelineReadError:
        return None
    project, sequence = find_project(root, path)
    spine = sequence.find("spine")
    tracks = [(track, _take_numbers(track)) for track in source.tracks]
    gone = _find_gone_tracks(timeline, tracks)
    is_renamed = project.get("name") not in (None, "", timeline.name)
    if gone is None or is_renamed or not _has_same_markers(timeline, source) or spine is None:
        return None
    document = ProjectDocument(
        root=root,
        sequence=sequence,
        spine=spine,
        resources=read_resources(root),
        clock=find_record_clock(source),
    )
    old = _list_old_clips(gone, document.clock)
    new = _find_new_clips(timeline, old)
    removed = document.find_sound_elements(number for number, _ in old)
    if any(map(has_connected_clips, removed)):
        return None
    return MergePlan(document=document, removed=removed, new=new)


def _has_same_markers(timeline: otio.schema.Timeline, source: otio.schema.Timeline) -> bool:
    ours, old = timeline.tracks.markers, source.tracks.markers
    return len(ours) == len(old) and all(
        marker.is_equivalent_to(other) for marker, other in zip(ours, old, strict=True)
    )


def drop_document(timeline: otio.schema.Timeline) -> otio.schema.Timeline:
    """The timeline without its source document: itself, or a clone if it carries one."""
    if DOCUMENT_KEY not in (timeline.metadata.get(FCPXML_NAMESPACE) or {}):
        return timeline
    clone = timeline.clone()
    del clone.metadata[FCPXML_NAMESPACE][DOCUMENT_KEY]
    return clone


def _take_numbers(track: otio.schema.Track) -> list[int | None]:
    """The numbers of the elements that a track's clips were read from, and take them off the clips."""
    numbers: list[int | None] = []
    for clip in track.find_clips():
        noted = clip.metadata.get(FCPXML_NAMESPACE)
        number = noted.get(ELEMENT_KEY) if isinstance(noted, Mapping) else None
        numbers.append(number if isinstance(number, int) else None)
        if noted is not None:
            del clip.metadata[FCPXML_NAMESPACE]
    return numbers


def _find_gone_tracks(
    timeline: otio.schema.Timeline, old_tracks: list[_NumberedTrack]
) -> list[_NumberedTrack] | None:
    """The tracks of the document that the timeline no longer has as they were: its stem tracks.

    None where the timeline has others, or where their items are not elements of their own.
    """
    rest = list(old_tracks)
    for track in timeline.tracks:
        if is_selva_track(track):
            continue
        same = next((number for number, (old, _) in enumerate(rest) if track.is_equivalent_to(old)), None)
        if same is None:
            return None
        del rest[same]
    are_removable = all(
        track.kind == otio.schema.TrackKind.Audio
        and None not in numbers
        and all(isinstance(item, otio.schema.Gap | otio.schema.Clip) for item in track)
        for track, numbers in rest
    )
    return rest if are_removable else None


def _list_old_clips(tracks: list[_NumberedTrack], clock: TimelineClock) -> list[tuple[int, FlatClip]]:
    """The clips of some tracks of the document, each with the number of its element."""
    source = otio.schema.Timeline(global_start_time=clock.rational_time(Fraction(0)))
    source.tracks.extend(track.clone() for track, _ in tracks)
    found: list[tuple[int, FlatClip]] = []
    for flat_track, (_, numbers) in zip(flatten_timeline(source).sound_tracks, tracks, strict=True):
        pairs = zip(numbers, flat_track.clips, strict=True)
        found += [(number, flat_clip) for number, flat_clip in pairs if number is not None]
    return found


def _find_new_clips(
    timeline: otio.schema.Timeline, old: list[tuple[int, FlatClip]]
) -> list[tuple[FlatTrack, list[FlatClip]]]:
    """The stems of a timeline that the document does not have, by track. Those that it has are taken out of `old`."""
    by_place: dict[tuple[object, ...], list[tuple[int, FlatClip]]] = {}
    for entry in old:
        by_place.setdefault(_describe_place(entry[1]), []).append(entry)
    matched: set[int] = set()
    new: list[tuple[FlatTrack, list[FlatClip]]] = []
    for track in flatten_timeline(timeline).sound_tracks:
        if not is_selva_track(track.track):
            continue
        clips: list[FlatClip] = []
        for flat_clip in track.clips:
            there = by_place.get(_describe_place(flat_clip), [])
            same = next((entry for entry in there if _is_noted_alike(flat_clip, entry[1])), None)
            if same is None:
                clips.append(flat_clip)
            else:
                there.remove(same)
                matched.add(id(same))
        if clips:
            new.append((track, clips))
    old[:] = [entry for entry in old if id(entry) not in matched]
    return new


def _is_noted_alike(flat_clip: FlatClip, old: FlatClip) -> bool:
    """Whether a stem is noted as in the document, which a host may have written without its metadata."""
    noted = read_plain_stem(old.clip)
    return not noted or noted == read_plain_stem(flat_clip.clip)


def _describe_place(flat_clip: FlatClip) -> tuple[object, ...]:
    """What an editor can change of a stem: place, length, offset in the file, state, and the take that plays."""
    reference = flat_clip.clip.media_reference
    available = reference.available_range
    try:
        origin_s = Fraction(0) if available is None else exact_seconds(available.start_time)
    except ClockError:
        origin_s = Fraction(0)
    name = file_name_in_url(getattr(reference, "target_url", None) or "")
    offset_s = flat_clip.media_start_s - origin_s
    return flat_clip.start_s, flat_clip.duration_s, offset_s, flat_clip.enabled, name


def _make_media_absolute(root: ET.Element, base_folder: Path) -> None:
    """Make relative media URLs absolute in a file of another folder, where they would lead nowhere."""
    for element in root.iter():
        url = element.get("src", "") if element.tag in ("asset", "media-rep") else ""
        if url and is_relative_url(url):
            element.set("src", build_media_url(resolve_media_path(url, base_folder)))

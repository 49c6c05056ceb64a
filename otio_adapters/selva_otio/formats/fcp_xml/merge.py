"""Stem tracks into a document that is there: everything else in it stays as it was."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from pathlib import Path

import opentimelineio as otio

from selva_otio.formats.fcp_xml.document import ITEM_TAGS, Document, audio_tracks, is_later_channel
from selva_otio.formats.fcp_xml.item_writer import ItemWriter
from selva_otio.formats.fcp_xml.reader import NAMESPACE
from selva_otio.formats.fcp_xml.values import add, read_frames
from selva_otio.formats.fcp_xml.writer import SequenceWriter, add_audio, number_links
from selva_otio.formats.flat_layout import find_record_clock
from selva_otio.metadata import is_selva_track


def merge_stem_tracks(document: Document, timeline: otio.schema.Timeline, base_folder: Path) -> None:
    """Put the stem tracks of a timeline into the document it was read from, in place.

    Tracks that the timeline no longer has are taken out. Items that were in the document before and are not stems
    as we placed them stay the elements they were.
    """
    sequence = document.only_sequence()
    media = sequence.find("media")
    media = add(sequence, "media") if media is None else media
    audio = media.find("audio")
    audio = add_audio(media) if audio is None else audio
    old = _group_channels(audio_tracks(sequence))
    defined = _find_definitions(document.root)
    items = ItemWriter(
        clock=find_record_clock(timeline), base_folder=base_folder, prefix=_unused_prefix(document.root)
    )
    writer = SequenceWriter(items)
    position = len(audio)
    for track in timeline.audio_tracks():
        index = (track.metadata.get(NAMESPACE) or {}).get("index")
        elements = [] if index is None else old.pop(index, [])
        if not is_selva_track(track):
            position = list(audio).index(elements[-1]) + 1 if elements else position
            continue
        fresh = _write_stem_track(writer, track, elements)
        for element in reversed(elements):
            position = list(audio).index(element)
            audio.remove(element)
        for element in fresh:
            audio.insert(position, element)
            position += 1
    for elements in old.values():
        for element in elements:
            audio.remove(element)
    _restore_definitions(document.root, defined)
    number_links(sequence, items.prefix)


def _write_stem_track(
    writer: SequenceWriter, track: otio.schema.Track, before: list[ET.Element]
) -> list[ET.Element]:
    """A stem track's elements: those from before where nothing on it changed, or new ones that hold the items of an
    editor as they were."""
    theirs = [_items_of(element) for element in before]
    plain = track.clone()
    kept: list[int] = []
    num_clips = 0
    for number, item in enumerate(track):
        if not isinstance(item, otio.core.Item) or isinstance(item, otio.schema.Gap):
            continue
        num_clips += 1
        index = (item.metadata.get(NAMESPACE) or {}).get("item")
        if index is not None and theirs and index < len(theirs[0]):
            kept.append(index)
            plain[number] = otio.schema.Gap(source_range=item.trimmed_range())
    if theirs and len(kept) == num_clips == len(theirs[0]):
        return before
    elements = writer.write_track(ET.Element("audio"), plain)
    for element, items in zip(elements, theirs, strict=False):
        for index in kept:
            if index < len(items):
                element.insert(0, items[index])
        _sort_items(element)
    return elements


def _items_of(element: ET.Element) -> list[ET.Element]:
    return [child for child in element if child.tag in ITEM_TAGS]


def _sort_items(element: ET.Element) -> None:
    """Items in record order, in front of the rest."""
    items = sorted(_items_of(element), key=lambda item: read_frames(item, "start") or 0)
    rest = [child for child in element if child.tag not in ITEM_TAGS]
    element[:] = [*items, *rest]


def _group_channels(tracks: list[ET.Element]) -> dict[int, list[ET.Element]]:
    """Track elements by the index of the one that stands for them: each with those of its later channels."""
    groups: dict[int, list[ET.Element]] = {}
    first = 0
    for index, element in enumerate(tracks):
        if not is_later_channel(element) or not groups:
            first = index
        groups.setdefault(first, []).append(element)
    return groups


def _unused_prefix(root: ET.Element) -> str:
    """A beginning that no id of the document has."""
    ids = {element.get("id", "") for element in root.iter()}
    number = 1
    while any(known.startswith(f"selva{number}-") for known in ids):
        number += 1
    return f"selva{number}-"


def _find_definitions(root: ET.Element) -> dict[str, ET.Element]:
    """The file elements that are written out, by id."""
    return {element.get("id", ""): element for element in root.iter("file") if len(element)}


def _restore_definitions(root: ET.Element, defined: dict[str, ET.Element]) -> None:
    """A file whose written-out element went with its track is written out where it is named next."""
    still = _find_definitions(root)
    for element in root.iter("file"):
        name = element.get("id", "")
        if not len(element) and name in defined and name not in still:
            element.extend(copy.deepcopy(list(defined[name])))
            still[name] = element

"""Stem tracks merged into the document a timeline was read from; everything else in it stays as it was."""

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
from selva_otio.metadata import is_selva_track
from selva_otio.time.item_times import find_record_clock


def merge_stem_tracks(document: Document, timeline: otio.schema.Timeline, base_folder: Path) -> None:
    """Put the stem tracks of a timeline into the document it was read from, in place.

    Tracks that the timeline no longer has are removed. On stem tracks, items that the timeline still has from the document
    (those an editor changed or added) keep their elements.
    """
    sequence = document.only_sequence()
    media = sequence.find("media")
    media = add(sequence, "media") if media is None else media
    audio = media.find("audio")
    audio = add_audio(media) if audio is None else audio
    old_elements = _group_channels(audio_tracks(sequence))
    definitions = _find_definitions(document.root)
    items = ItemWriter(
        clock=find_record_clock(timeline), base_folder=base_folder, prefix=_unused_prefix(document.root)
    )
    writer = SequenceWriter(items)
    position = len(audio)
    for track in timeline.audio_tracks():
        index = (track.metadata.get(NAMESPACE) or {}).get("index")
        elements = [] if index is None else old_elements.pop(index, [])
        if not is_selva_track(track):
            position = list(audio).index(elements[-1]) + 1 if elements else position
            continue
        new_elements = _write_stem_track(writer, track, elements)
        for element in reversed(elements):
            position = list(audio).index(element)
            audio.remove(element)
        for element in new_elements:
            audio.insert(position, element)
            position += 1
    for elements in old_elements.values():
        for element in elements:
            audio.remove(element)
    _restore_definitions(document.root, definitions)
    number_links(sequence, items.prefix)


def _write_stem_track(
    writer: SequenceWriter, track: otio.schema.Track, old_elements: list[ET.Element]
) -> list[ET.Element]:
    """The elements of a stem track: the old ones when nothing on it changed, else new ones with the old items that stay."""
    old_items = [_find_items(element) for element in old_elements]
    new_track = track.clone()
    old_indices: list[int] = []
    num_clips = 0
    for number, item in enumerate(track):
        if not isinstance(item, otio.core.Item) or isinstance(item, otio.schema.Gap):
            continue
        num_clips += 1
        index = (item.metadata.get(NAMESPACE) or {}).get("item")
        if index is not None and old_items and index < len(old_items[0]):
            old_indices.append(index)
            new_track[number] = otio.schema.Gap(source_range=item.trimmed_range())
    if old_items and len(old_indices) == num_clips == len(old_items[0]):
        return old_elements
    elements = writer.write_track(ET.Element("audio"), new_track)
    for element, items in zip(
        elements, old_items, strict=False
    ):  # a track may have more channels than before
        for index in old_indices:
            if index < len(items):
                element.insert(0, items[index])
        _sort_items(element)
    return elements


def _find_items(element: ET.Element) -> list[ET.Element]:
    return [child for child in element if child.tag in ITEM_TAGS]


def _sort_items(element: ET.Element) -> None:
    """Put the items in record order, before the other children of the track."""
    items = sorted(_find_items(element), key=lambda item: read_frames(item, "start") or 0)
    rest = [child for child in element if child.tag not in ITEM_TAGS]
    element[:] = [*items, *rest]


def _group_channels(tracks: list[ET.Element]) -> dict[int, list[ET.Element]]:
    """The elements of each track, one a channel, by the index of the first: the index that its metadata has."""
    groups: dict[int, list[ET.Element]] = {}
    first = 0
    for index, element in enumerate(tracks):
        if not is_later_channel(element) or not groups:
            first = index
        groups.setdefault(first, []).append(element)
    return groups


def _unused_prefix(root: ET.Element) -> str:
    """A prefix with which no id of the document begins."""
    ids = {element.get("id", "") for element in root.iter()}
    number = 1
    while any(element_id.startswith(f"selva{number}-") for element_id in ids):
        number += 1
    return f"selva{number}-"


def _find_definitions(root: ET.Element) -> dict[str, ET.Element]:
    """The file elements with content, by id."""
    return {element.get("id", ""): element for element in root.iter("file") if len(element)}


def _restore_definitions(root: ET.Element, old_definitions: dict[str, ET.Element]) -> None:
    """Write a file out at its next reference when its definition was on a track that was removed."""
    definitions = _find_definitions(root)
    for element in root.iter("file"):
        file_id = element.get("id", "")
        if not len(element) and file_id in old_definitions and file_id not in definitions:
            element.extend(copy.deepcopy(list(old_definitions[file_id])))
            definitions[file_id] = element

"""An xmeml document: its sequences, and the elements that its ids refer to."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from selva_otio.errors import TimelineReadError

MAX_ITEMS = 100_000
MAX_NESTING = 32
ITEM_TAGS = ("clipitem", "generatoritem")
_WITH_IDS = ("sequence", "file", "clip", "clipitem", "multiclip")


class Document:
    """A parsed file.

    xmeml writes an element out where it occurs first; later elements of the same tag and id are empty and refer to it.
    """

    def __init__(self, root: ET.Element, path: Path) -> None:
        self.root = root
        self.path = path
        self._definitions: dict[tuple[str, str], ET.Element] = {}
        self._num_items: dict[int, int] = {}
        for element in root.iter():
            if element.tag in _WITH_IDS and len(element):
                self._definitions.setdefault((element.tag, element.get("id", "")), element)

    def resolve(self, element: ET.Element) -> ET.Element:
        """The element with content that this one refers to; itself when it has content."""
        if len(element):
            return element
        return self._definitions.get((element.tag, element.get("id", "")), element)

    def only_sequence(self) -> ET.Element:
        """The one sequence that is not nested in another. Raises TimelineReadError for none or several."""
        nested = {
            found.get("id") for item in self.root.iter("clipitem") for found in item.findall("sequence")
        }
        sequences = list(self._iter_sequences(self.root))
        if len(sequences) > 1:
            sequences = [found for found in sequences if found.get("id") not in nested]
        if len(sequences) == 1:
            return sequences[0]
        names = ", ".join(repr((found.findtext("name") or "").strip()) for found in sequences[:8])
        found = f"{len(sequences)} sequences ({names})" if sequences else "no sequence"
        raise TimelineReadError(f"{self.path} holds {found}; export only the one to be read")

    def check_size(self, sequence: ET.Element) -> None:
        """Raises TimelineReadError for a sequence that contains itself, or is too large when its nests are opened.

        Ten nests of ten nests in a file of some kilobytes open to any number of clips.
        """
        number = self._count_items(sequence, [])
        if number > MAX_ITEMS:
            raise TimelineReadError(
                f"{self.path} holds {number} clips, nested sequences counted each time they are used; at most "
                f"{MAX_ITEMS} are read, export a shorter timeline"
            )

    def _count_items(self, sequence: ET.Element, outer: list[ET.Element]) -> int:
        counted = self._num_items.get(id(sequence))
        if counted is not None:
            return counted
        name = (sequence.findtext("name") or "").strip()
        if any(sequence is element for element in outer):
            raise TimelineReadError(f"{self.path}: sequence {name!r} contains itself")
        if len(outer) >= MAX_NESTING:
            raise TimelineReadError(f"{self.path}: {name!r} is nested more than {MAX_NESTING} levels deep")
        number = 0
        for track in (*sequence.findall("media/video/track"), *sequence.findall("media/audio/track")):
            for item in map(self.resolve, track):
                number += item.tag in ITEM_TAGS
                nest = item.find("sequence") if item.tag in ITEM_TAGS else None
                if nest is not None:
                    number += self._count_items(self.resolve(nest), [*outer, sequence])
        self._num_items[id(sequence)] = number
        return number

    def _iter_sequences(self, parent: ET.Element) -> Iterator[ET.Element]:
        """Sequences in projects and bins; those inside clips are nests."""
        for child in parent:
            if child.tag == "sequence" and len(child):
                yield child
            elif child.tag in ("project", "bin", "children"):
                yield from self._iter_sequences(child)


def audio_tracks(sequence: ET.Element) -> list[ET.Element]:
    """The audio track elements of a sequence, one for each channel of its sound."""
    return sequence.findall("media/audio/track")


def is_later_channel(track: ET.Element) -> bool:
    """Whether a track element is the second or a later channel of the track before it.

    xmeml has mono tracks only: Premiere writes a stereo track as two, which it numbers with this attribute.
    """
    return track.get("currentExplodedTrackIndex", "0").strip() not in ("", "0")

"""An xmeml document: its sequences, and what its ids stand for."""

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
    """A parsed file. An element is written out once; later ones of the same tag and id stand for it."""

    def __init__(self, root: ET.Element, path: Path) -> None:
        self.root = root
        self.path = path
        self._written_out: dict[tuple[str, str], ET.Element] = {}
        self._num_items: dict[int, int] = {}
        for element in root.iter():
            if element.tag in _WITH_IDS and len(element):
                self._written_out.setdefault((element.tag, element.get("id", "")), element)

    def resolve(self, element: ET.Element) -> ET.Element:
        """The element that is written out for this one."""
        if len(element):
            return element
        return self._written_out.get((element.tag, element.get("id", "")), element)

    def only_sequence(self) -> ET.Element:
        """The one sequence that is not nested in another. Raises TimelineReadError."""
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
        raise TimelineReadError(f"{self.path} holds {found}; export the one that is meant alone")

    def check_size(self, sequence: ET.Element) -> None:
        """Raises TimelineReadError for a sequence that contains itself, or that is too large with its nests opened."""
        number = self._count_items(sequence, [])
        if number > MAX_ITEMS:
            raise TimelineReadError(
                f"{self.path} holds {number} clips, nested sequences counted each time they are used; at most "
                f"{MAX_ITEMS} are read, export a shorter timeline"
            )

    def _count_items(self, sequence: ET.Element, outer: list[ET.Element]) -> int:
        known = self._num_items.get(id(sequence))
        if known is not None:
            return known
        name = (sequence.findtext("name") or "").strip()
        if any(sequence is one for one in outer):
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
        """Sequences in project, bins and their children; what clips hold is not looked at."""
        for child in parent:
            if child.tag == "sequence" and len(child):
                yield child
            elif child.tag in ("project", "bin", "children"):
                yield from self._iter_sequences(child)


def audio_tracks(sequence: ET.Element) -> list[ET.Element]:
    """The audio track elements of a sequence."""
    return sequence.findall("media/audio/track")


def is_later_channel(track: ET.Element) -> bool:
    """Whether a track holds the second (or a later) channel of the one before it."""
    return track.get("currentExplodedTrackIndex", "0").strip() not in ("", "0")

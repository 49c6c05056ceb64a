"""The elements of a storyline, one after the other, each at its place and with the dissolve before it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcpxml.element_times import (
    CLIP_TAGS,
    Resources,
    find_storyline_origin,
    read_duration,
    read_time,
)
from selva_otio.formats.fcpxml.lanes import CutDissolve


@dataclass(frozen=True, kw_only=True)
class StoryElement:
    """An element of a storyline, from `start_s` on the clock of its sequence.

    dissolve: from the element before it. damage: why its place is not known; it then lasts no time.
    """

    element: ET.Element
    start_s: Fraction
    duration_s: Fraction
    dissolve: CutDissolve | None
    damage: DamagedItemError | None = None

    @property
    def end_s(self) -> Fraction:
        return self.start_s + self.duration_s


def iter_story_elements(
    spine: ET.Element,
    resources: Resources,
    *,
    origin_s: Fraction | None,
    start_s: Fraction,
    half_frame_s: Fraction,
) -> Iterator[StoryElement]:
    """The elements of a storyline that starts at `start_s` on the clock of its sequence. Raises TimelineReadError.

    origin_s: the offset at which the storyline starts; None for that of its first element.
    """
    transitions: list[tuple[Fraction, Fraction]] = []
    cursor_s = start_s
    children = [child for child in spine if child.tag in CLIP_TAGS or child.tag == "transition"]
    base_s = start_s - find_storyline_origin(children, origin_s)
    lost: DamagedItemError | None = None
    for child in children:
        try:
            offset_s = read_time(child, "offset")
            if child.tag == "transition":
                length_s = read_time(child, "duration") or Fraction(0)
            else:
                duration_s = read_duration(child, resources)
        except DamagedItemError as error:
            # The place of what follows is known from its offset.
            lost = error
            yield StoryElement(
                element=child, start_s=cursor_s, duration_s=Fraction(0), dissolve=None, damage=error
            )
            continue
        if lost is not None and offset_s is None:
            raise lost
        element_start_s = base_s + offset_s if offset_s is not None else cursor_s
        if child.tag == "transition":
            transitions.append((element_start_s, element_start_s + length_s))
            continue
        # Elements follow one another without gaps; an offset counts only when it leaves a hole. Exporters round offsets,
        # and taking each as it is would open holes and overlaps of less than a frame.
        if element_start_s - cursor_s >= half_frame_s:
            cursor_s = element_start_s
        lost = None
        yield StoryElement(
            element=child,
            start_s=cursor_s,
            duration_s=duration_s,
            dissolve=_find_dissolve(transitions, cursor_s),
        )
        transitions.clear()
        cursor_s += duration_s


def is_fade(spine: ET.Element, number: int) -> bool:
    """Whether a child of a storyline is a transition from or to nothing: a gap, or the end of the storyline."""
    if spine[number].tag != "transition":
        return False
    sides = [spine[index] for index in (number - 1, number + 1) if 0 <= index < len(spine)]
    return len(sides) < 2 or any(side.tag == "gap" for side in sides)


def _find_dissolve(transitions: list[tuple[Fraction, Fraction]], cut_s: Fraction) -> CutDissolve | None:
    """The transition that covers a cut. It stands before the cut, and has the range of the dissolve itself."""
    return next(
        (
            CutDissolve(before_s=cut_s - begin_s, after_s=end_s - cut_s)
            for begin_s, end_s in transitions
            if begin_s <= cut_s <= end_s
        ),
        None,
    )

"""What compound clips hold, from the timeline's own OpenTimelineIO export.

Resolve writes a compound as a stack in the place of the clip. Only what is inside these stacks is used: the object model
knows better where a compound lies, what part of it is shown and how fast.
"""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio

from selva_otio.errors import TimelineError
from selva_otio.timelines import load_timeline

_TOLERANCE_FRAMES = 0.5


class Compounds:
    """The stacks of an export by where they lie: video track (from 1) and frames after the timeline's start."""

    def __init__(self, timeline: otio.schema.Timeline) -> None:
        self._stacks: dict[tuple[int, int], otio.schema.Stack] = {}
        for number, track in enumerate(timeline.video_tracks(), start=1):
            for child in track:
                if isinstance(child, otio.schema.Stack):
                    start = track.trimmed_range_of_child(child).start_time
                    self._stacks[number, round(start.value)] = child

    def find(self, track_number: int, start_frame: int, duration_frames: int) -> otio.schema.Stack | None:
        """A copy of the stack there, without its speed; None when there is none of this length."""
        stack = self._stacks.get((track_number, start_frame))
        if stack is None or abs(stack.duration().value - duration_frames) > _TOLERANCE_FRAMES:
            return None
        inside = stack.clone()
        inside.effects.clear()
        return inside


def load_compounds(path: Path | None) -> Compounds | None:
    """The compounds of an export; None where there is none that can be read: compounds are then left out by name."""
    if path is None:
        return None
    try:
        return Compounds(load_timeline(path))
    except TimelineError:
        return None

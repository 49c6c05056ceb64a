"""Processor time of a conform of a long cut: reading both cuts, the plan, and the timeline with the moved stems.

python -m bench.conform.many_clips [number of clips]
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from selva_otio.conform.changes import list_changes
from selva_otio.conform.cut_reading import read_cut, read_old_cut
from selva_otio.conform.plan import plan_conform
from selva_otio.conform.stem_placing import place_moves
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.picture.media_search import MediaLookup
from tests.selva_otio.conform.random_cuts import MEDIA_FRAMES, RandomPair, RandomShot

NUM_CLIPS = 10_000
NUM_MEDIA = 400


def build_pair(number: int) -> RandomPair:
    """A cut of `number` shots, of which every hundredth is moved, trimmed, split or gone in the new one."""
    pair = RandomPair.build(1, num_edits=0)
    chance = random.Random(7)  # noqa: S311 - the same cut every time
    pair.old = [
        RandomShot(
            f"reel{chance.randrange(NUM_MEDIA)}.mov",
            chance.randint(0, MEDIA_FRAMES - 200),
            chance.randint(20, 90),
        )
        for _ in range(number)
    ]
    pair.new, pair.names = list(pair.old), {}
    for index in range(0, number - 4, 100):
        shot = pair.new[index]
        pair.new[index] = replace(shot, frames=shot.frames - 10)
        pair.new[index + 1 : index + 3] = reversed(pair.new[index + 1 : index + 3])
        pair.new[index + 3] = replace(pair.new[index + 3], first=pair.new[index + 3].first + 5)
    return pair


def main(number: int = NUM_CLIPS) -> None:
    """Print the seconds of each step as JSON."""
    pair = build_pair(number)
    old_timeline, new_timeline = pair.rendered(), pair.timeline(pair.new, pair.names)
    media = MediaLookup(base_folder=Path("/cuts"))
    times: dict[str, float] = {}

    def clock(name: str, since: float) -> float:
        now = time.process_time()
        times[name] = round(now - since, 2)
        return now

    at = time.process_time()
    old, new = read_old_cut(old_timeline, media), read_cut(new_timeline, media)
    at = clock("read", at)
    plan = plan_conform(old, new, spotter=ShotSpotter(clock=new.clock, media=media))
    at = clock("plan", at)
    changes = list_changes(plan)
    at = clock("changes", at)
    place_moves(plan)
    clock("place", at)
    print(
        json.dumps(
            {"clips": number, "moves": len(plan.moves), "shots": len(changes.shots), "processor_s": times}
        )
    )


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))

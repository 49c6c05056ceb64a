"""What a join adds: its changes against those at the same place of the picture in a window that has no join, with an interval.

A ratio of medians over a few dozen joins says little without its interval. Joins of one clip are not independent of each other,
so that the interval comes from drawing whole clips again (a bootstrap over clips).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NUM_DRAWS = 2000
INTERVAL = (5.0, 95.0)
"""Percentiles of what was drawn: 90 % lie between them."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PairedChange:
    """The change at one join, and at the same place of the same picture in a window laid around it. clip: the clip's seed."""

    clip: int
    join: float
    alone: float


def compare_pairs(pairs: Sequence[PairedChange], *, seed: int = 0) -> dict[str, object]:
    """The ratio of the medians with its interval, the median of the ratios by join, and how many joins change more than the
    window without one. Ratios are None where what they are relative to does not change.

    Raises ValueError without pairs.
    """
    if not pairs:
        raise ValueError("no joins to compare: at least one is needed")
    by_clip = [
        np.asarray([(pair.join, pair.alone) for pair in pairs if pair.clip == clip], np.float64)
        for clip in dict.fromkeys(pair.clip for pair in pairs)
    ]
    every = np.concatenate(by_clip)
    rng = np.random.default_rng(seed)
    drawn = [
        _ratio_of_medians(
            np.concatenate([by_clip[index] for index in rng.integers(0, len(by_clip), len(by_clip))])
        )
        for _ in range(NUM_DRAWS)
    ]
    known = [ratio for ratio in drawn if ratio is not None]
    alone_changes = every[every[:, 1] > 0]
    return {
        "num": len(every),
        "num_clips": len(by_clip),
        "ratio_of_medians": _rounded(_ratio_of_medians(every)),
        "interval_90": [round(float(each), 3) for each in np.percentile(known, INTERVAL)] if known else None,
        "median_of_ratios": _rounded(
            float(np.median(alone_changes[:, 0] / alone_changes[:, 1])) if len(alone_changes) else None
        ),
        "num_larger_than_alone": int((every[:, 0] > every[:, 1]).sum()),
    }


def pair_with_alone(
    found: Mapping[str, Sequence[Mapping[str, float]]], measure: str
) -> dict[str, dict[str, object]]:
    """Joins ("join") against the same places in windows laid around them ("alone"), as changes of one measure, where the dry
    sound is heard ("is_heard"); nothing without "alone", as for the dry sound.
    """
    if "alone" not in found:
        return {}
    pairs = [
        PairedChange(clip=int(join["clip"]), join=join[measure], alone=alone[measure])
        for join, alone in zip(found["join"], found["alone"], strict=True)
        if join["is_heard"]
    ]
    return {"paired": compare_pairs(pairs)} if pairs else {}


def _ratio_of_medians(changes: FloatArray) -> float | None:
    join, alone = np.median(changes, axis=0)
    return float(join / alone) if alone else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

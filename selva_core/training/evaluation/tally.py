"""Sums behind the scores of an evaluation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from selva_core.audio.take_agreement import f1
from selva_core.training.evaluation import measures

IN_TIME = 0.5
"""Agreement with the source (onset F1, or correlation of level or pitch) from which on a stem follows the picture."""


@dataclass
class Tally:
    """Sums for one kind or for all.

    heard: stems of which the kind is right. right: of these, those that are in time too. absent, still: of each kind, how many
    stems of things that are not in the picture, or do not move, there are, and how many of them are silent.
    """

    heard: int = 0
    right: int = 0
    stems: int = 0
    heard_unseen: int = 0
    right_unseen: int = 0
    onsets: list[tuple[int, int, int]] = field(default_factory=list)
    correlations: list[float] = field(default_factory=list)
    leakages: list[float] = field(default_factory=list)
    leakages_at_onsets_db: list[float] = field(default_factory=list)
    levels_db: list[float] = field(default_factory=list)
    silenced: int = 0
    swapped: int = 0
    pairs: int = 0
    distances: list[float] = field(default_factory=list)
    lowest_distances: list[float] = field(default_factory=list)
    highest_distances: list[float] = field(default_factory=list)
    absent: Counter[str] = field(default_factory=Counter)
    absent_silent: Counter[str] = field(default_factory=Counter)
    still: Counter[str] = field(default_factory=Counter)
    still_silent: Counter[str] = field(default_factory=Counter)

    def scores(self) -> dict[str, Any]:
        """The scores of the report, None where there is nothing to count."""
        matched, found, expected = (sum(row[i] for row in self.onsets) for i in range(3))
        return {
            "selection": _share(self.right, self.stems),
            "selection_unseen_phrasing": _share(self.right_unseen, self.stems),
            "kind": _share(self.heard, self.stems),
            "kind_unseen_phrasing": _share(self.heard_unseen, self.stems),
            "onset_f1": round(f1(matched, found, expected), 4) if self.onsets else None,
            "level_correlation": _mean(self.correlations),
            "level_db": round(float(np.median(self.levels_db)), 2) if self.levels_db else None,
            "leakage_db": measures.mean_power_db(self.leakages),
            "leakage_at_onsets_db": _mean(self.leakages_at_onsets_db),
            "swap": _share(self.swapped, self.pairs),
            "absent_silent": _share(self.absent_silent.total(), self.absent.total()),
            "absent_silent_by_kind": _shares(self.absent_silent, self.absent),
            "still_silent": _share(self.still_silent.total(), self.still.total()),
            "present_silenced": _share(self.silenced, 2 * self.stems),
            "fidelity": _mean(self.distances),
            "fidelity_lower_bound": _mean(self.lowest_distances),
            "fidelity_upper_bound": _mean(self.highest_distances),
            "counts": {
                "stems": self.stems,
                "onsets_wanted": expected,
                "level_correlations": len(self.correlations),
                "leakages": len(self.leakages),
                "pairs": self.pairs,
                "absent": self.absent.total(),
                "still": self.still.total(),
            },
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _shares(part: Counter[str], whole: Counter[str]) -> dict[str, float | None]:
    return {kind: _share(part[kind], whole[kind]) for kind in sorted(whole)}


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None

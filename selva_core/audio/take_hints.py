"""What can be measured of a stem against what the model saw: hints for the ear, not a verdict.

Automatic scores of sync are known to disagree with listeners; so every take stays, and the hints only order them. Presence of
what a prompt names over time says when its source and its siblings are seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selva_core.audio.wav import FULL_SCALE, read_wave_audio
from selva_core.base.evidence import SEEN, Evidence

STEP_S = 0.02
SILENT_DBFS = -60.0
_FLOOR = 1e-9

Energies = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TakeHints:
    """peak_dbfs: of the file. is_silent: its peak is below SILENT_DBFS. num_clipped: samples at full scale. sync: 0 to 1, the
    share of the rises of its level that fall on times in which its source is seen; None without evidence, or where the source
    is seen, or not seen, all the time. leak_db: its energy at times in which only siblings are seen, against all of it; None
    where there are no such times.
    """

    peak_dbfs: float
    is_silent: bool
    num_clipped: int
    sync: float | None
    leak_db: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "peak_dbfs": round(self.peak_dbfs, 1),
            "silent": self.is_silent,
            "clipped_samples": self.num_clipped,
            "sync": None if self.sync is None else round(self.sync, 3),
            "leak_db": None if self.leak_db is None else round(self.leak_db, 1),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TakeHints:
        """The inverse of `to_json`. Raises KeyError."""
        return cls(
            peak_dbfs=values["peak_dbfs"],
            is_silent=values["silent"],
            num_clipped=values["clipped_samples"],
            sync=values["sync"],
            leak_db=values["leak_db"],
        )

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Of several takes, the highest is put first: one that sounds, then in sync, then with little of its siblings."""
        leak = 0.0 if self.leak_db is None else self.leak_db
        return (not self.is_silent, 0.0 if self.sync is None else self.sync, -leak)


def measure_take(file: Path, own: Evidence | None, siblings: Sequence[Evidence]) -> TakeHints:
    """Raises OSError, ValueError for a file that cannot be read."""
    energy, peak, num_clipped = _read_steps(file)
    seen = None if own is None else _seen_steps(own, len(energy))
    others = np.zeros(len(energy), bool)
    for sibling in siblings:
        others |= _seen_steps(sibling, len(energy))
    peak_dbfs = 20 * math.log10(max(peak, _FLOOR))
    return TakeHints(
        peak_dbfs=peak_dbfs,
        is_silent=peak_dbfs < SILENT_DBFS,
        num_clipped=num_clipped,
        sync=None if seen is None else _measure_sync(energy, seen),
        leak_db=None if seen is None else _measure_leak(energy, others & ~seen),
    )


def _measure_sync(energy: Energies, seen: npt.NDArray[np.bool_]) -> float | None:
    rises = np.clip(np.diff(np.sqrt(energy), prepend=0.0), 0.0, None)
    if not rises.any() or seen.all() or not seen.any():
        return None
    return float(rises[seen].sum() / rises.sum())


def _measure_leak(energy: Energies, only_siblings: npt.NDArray[np.bool_]) -> float | None:
    if not only_siblings.any() or not energy.any():
        return None
    return 10 * math.log10(max(float(energy[only_siblings].sum() / energy.sum()), _FLOOR))


def _seen_steps(evidence: Evidence, num_steps: int) -> npt.NDArray[np.bool_]:
    """Whether the source is seen at each step of STEP_S; what follows the evidence is as its last value."""
    index = (np.arange(num_steps) * STEP_S * float(evidence.rate_hz)).astype(int)
    presence = np.asarray(evidence.presence)
    return np.asarray(presence[np.clip(index, 0, len(presence) - 1)] >= SEEN)


def _read_steps(file: Path) -> tuple[Energies, float, int]:
    """Energy of each step of STEP_S, peak (1.0 is full scale) and samples at full scale."""
    audio = read_wave_audio(file)
    step = max(round(STEP_S * audio.sample_rate_hz), 1)
    energy: list[Energies] = []
    peak, num_clipped = 0.0, 0
    for start in range(0, audio.num_samples, step * 4096):
        block = audio.read(start, min(start + step * 4096, audio.num_samples)).astype(np.float64)
        level = np.abs(block)
        peak = max(peak, float(level.max(initial=0.0)))
        num_clipped += int(np.count_nonzero(level >= (FULL_SCALE - 1) / FULL_SCALE))
        power = np.square(block).reshape(len(block), -1).sum(axis=1)
        energy.append(np.add.reduceat(power, np.arange(0, len(power), step)))
    return np.concatenate(energy) if energy else np.zeros(0), peak, num_clipped

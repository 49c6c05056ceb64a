"""How well each of several takes agrees with the others: what most takes hear in the picture is more likely to be there.

Takes of one stem differ by their noise alone. An event that one take has and the others lack is more often imagined than missed
by all others; so the take closest to all others is the one with the least expected error (minimum Bayes risk decoding). It needs
at least three takes: of two, none is closer to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from selva_core.audio.events import FloatArray, LevelCurve, find_onset_hops

TOLERANCE_S = 0.08
MIN_TAKES = 3
_LEVEL_SHARE = 0.1
_SMOOTH_HOPS = 5
_FLOOR = 1e-3


def measure_agreement(takes: Sequence[LevelCurve]) -> list[float | None]:
    """Of each take, the mean over the others of the share of onsets that they have in common (F1 within TOLERANCE_S), and with
    a small weight, for takes that share as many, of the correlation of their levels in dB; at most 1. None for all where there
    are fewer than MIN_TAKES.
    """
    if len(takes) < MIN_TAKES:
        return [None] * len(takes)
    onsets_s = [_onsets_s(take) for take in takes]
    levels_db = [_smooth_db(take.levels) for take in takes]
    size = len(takes)
    agreement = np.zeros((size, size))
    for one in range(size):
        for other in range(one + 1, size):
            shared = _shared_onsets(onsets_s[one], onsets_s[other])
            alike = _correlation(levels_db[one], levels_db[other])
            agreement[one, other] = agreement[other, one] = (1 - _LEVEL_SHARE) * shared + _LEVEL_SHARE * alike
    return [float(each) for each in agreement.sum(axis=1) / (size - 1)]


def match_onsets(found_s: Sequence[float], expected_s: Sequence[float]) -> tuple[int, int, int]:
    """(matched, found, expected): as many pairs within TOLERANCE_S as there can be, each time in one of them at most."""
    found, expected = sorted(found_s), sorted(expected_s)
    matched = next_found = next_expected = 0
    # What is too early for the first that is left on the other side is too early for all of them.
    while next_found < len(found) and next_expected < len(expected):
        lead_s = found[next_found] - expected[next_expected]
        is_pair = abs(lead_s) <= TOLERANCE_S
        matched += is_pair
        next_found += is_pair or lead_s < 0
        next_expected += is_pair or lead_s > 0
    return matched, len(found), len(expected)


def f1(matched: int, found: int, expected: int) -> float:
    """Harmonic mean of precision and recall; 1 when nothing was expected and nothing found."""
    return 2 * matched / (found + expected) if found + expected else 1.0


def _shared_onsets(one_s: Sequence[float], other_s: Sequence[float]) -> float:
    return f1(*match_onsets(one_s, other_s))


def _onsets_s(take: LevelCurve) -> list[float]:
    return [hop * float(take.hop_s) for hop in find_onset_hops(take.levels)]


def _smooth_db(levels: FloatArray) -> npt.NDArray[np.float64]:
    """Above the floor, so that what the mean takes for lying outside is the floor too."""
    decibel = 20 * np.log10(np.maximum(levels.astype(np.float64) / _FLOOR, 1.0))
    if len(decibel) < _SMOOTH_HOPS:
        return decibel
    return np.convolve(decibel, np.ones(_SMOOTH_HOPS) / _SMOOTH_HOPS, mode="same")


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Pearson's, over what both have; 1 where neither changes, 0 where only one does or nothing is in common."""
    num = min(len(one), len(other))
    one, other = one[:num], other[:num]
    if not num:
        return 0.0
    moves = [bool(each.std() > 1e-6) for each in (one, other)]
    if not all(moves):
        return 0.0 if any(moves) else 1.0
    return float(np.corrcoef(one, other)[0, 1])

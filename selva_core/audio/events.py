"""Where sounds begin in a stem, and how loud they are: from its level, every 10 ms.

The evaluation of models finds onsets with the same function. It is light: it imports neither torch nor av.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.regular_file import open_regular

HOP_S = Fraction(1, 100)
MIN_GAP_S = 0.1
END_DB = -20.0
"""Below the loudest moment of an event, where it ends."""
QUIETEST_DBFS = -60.0
"""Of the loudest moment of an event: below it lies what a listener takes for silence."""
_LOUD_SHARE, _ONSET_RISE_DB = 0.12, 6.0
_HOPS_PER_BLOCK = 6000

FloatArray: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SoundEvent:
    """A sound in a file. start_s: from its first sample, a whole number of hops. level_db: of its loudest 10 ms, root mean square
    in dB of full scale.
    """

    start_s: Fraction
    duration_s: Fraction
    level_db: float


@dataclass(frozen=True, kw_only=True)
class LevelCurve:
    """Root mean square of each hop of a file, over all channels: float32 (num_hops,). hop_s: exact, about HOP_S."""

    levels: FloatArray
    hop_s: Fraction


def level_curve(wave: FloatArray, sample_rate_hz: int) -> FloatArray:
    """Root mean square of each 10 ms of a waveform (n,) or (n, channels): float32 (hops,). What is left over is not counted."""
    hop = _hop_samples(sample_rate_hz)
    num_hops = len(wave) // hop
    power = np.square(wave[: num_hops * hop])
    if power.ndim == 2:
        power = power.sum(axis=1)
    return np.asarray(np.sqrt(power.reshape(num_hops, hop).mean(axis=1) + 1e-12), np.float32)


def load_level_curve(path: Path) -> LevelCurve:
    """The level of a sound file, read block by block. Raises MediaNotFoundError, MediaUnreadableError."""
    try:
        # libsndfile waits for ever for what a pipe does not give.
        with open_regular(path) as opened, soundfile.SoundFile(opened) as sound:
            rate_hz = int(sound.samplerate)
            hop = _hop_samples(rate_hz)
            blocks: Iterable[FloatArray] = sound.blocks(hop * _HOPS_PER_BLOCK, dtype="float32")
            levels = [level_curve(block, rate_hz) for block in blocks]
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except OSError as exc:
        raise MediaUnreadableError(
            f"{path.name} cannot be read as sound: {exc.strerror}", path=str(path)
        ) from exc
    except soundfile.LibsndfileError as exc:
        raise MediaUnreadableError(
            f"{path.name} cannot be read as sound: {exc.error_string}", path=str(path)
        ) from exc
    joined = np.concatenate(levels) if levels else np.zeros(0, np.float32)
    return LevelCurve(levels=joined, hop_s=Fraction(hop, rate_hz))


def find_onset_hops(levels: FloatArray, *, min_gap_s: float = MIN_GAP_S) -> list[int]:
    """Hops at which the level jumps: a rise of at least 6 dB within 50 ms, to a level that is loud for this sound."""
    hop_s = float(HOP_S)
    if not levels.size:
        return []
    loud = max(float(np.percentile(levels, 99.5)), 1e-4)
    decibel = 20 * np.log10(np.maximum(levels, 0.01 * loud))
    before = np.minimum.reduce([np.roll(decibel, shift) for shift in (2, 3, 4, 5)])
    before[:5] = decibel[:5].min()
    rise = np.where(levels > _LOUD_SHARE * loud, decibel - before, 0.0)
    onsets: list[int] = []
    for index in np.argsort(-rise):
        if rise[index] < _ONSET_RISE_DB:
            break
        if all(abs(float(index) * hop_s - other * hop_s) >= min_gap_s for other in onsets):
            onsets.append(int(index))
    return sorted(onsets)


def find_events(curve: LevelCurve) -> list[SoundEvent]:
    """The sounds of a file, in order of time. Each ends where the next begins, or where it is 20 dB below its loudest moment."""
    events = []
    onsets = find_onset_hops(curve.levels)
    for first, following in zip(onsets, [*onsets[1:], len(curve.levels)], strict=False):
        level_db = 20 * np.log10(curve.levels[first:following] + 1e-9)
        loudest = int(level_db.argmax())
        if level_db[loudest] < QUIETEST_DBFS:
            continue
        is_over = level_db[loudest:] < level_db[loudest] + END_DB
        num_hops = loudest + int(is_over.argmax()) if is_over.any() else following - first
        events.append(
            SoundEvent(
                start_s=first * curve.hop_s,
                duration_s=max(num_hops, 1) * curve.hop_s,
                level_db=round(float(level_db[loudest]), 2),
            )
        )
    return events


def _hop_samples(sample_rate_hz: int) -> int:
    return max(1, round(HOP_S * sample_rate_hz))

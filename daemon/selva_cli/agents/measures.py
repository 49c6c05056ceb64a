"""Measures of a stem's file, for somebody who cannot hear it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from selva_core.audio.loudness import LoudnessMeter
from selva_core.base.errors import RequestError
from selva_core.base.evidence import EVIDENCE_SUFFIX, Evidence
from selva_core.base.regular_file import open_regular, read_bounded

SILENT_LEVEL = 10 ** (-60 / 20)
FULL_SCALE = 1.0 - 2.0**-23
"""The highest value of a 24-bit sample."""
STEPS_PER_SECOND = 100
_STEPS_PER_BLOCK = 512
_MAX_EVIDENCE_BYTES = 64 << 20


def measure_stem(file: Path, *, resolve: Callable[[Path], Path]) -> dict[str, Any]:
    """Loudness (EBU R 128), peak, clipping, silence, and what the picture shows of the sound. Raises RequestError.

    resolve: gives the real path of a file beside it, or raises OutsideFoldersError.

    clipped_samples: at full scale. silent_share: the part of the file's 10 ms steps below -60 dBFS. evidence: of the file beside
    it, where the model saw the thing, and the share of the sound's energy in these times: a hint at sync and leakage.
    """
    try:
        # Opened here: libsndfile waits for ever for what a pipe does not give, and every later call waits with it.
        with open_regular(file) as opened, soundfile.SoundFile(opened) as sound:
            info = _Format(sound.samplerate, sound.channels, sound.frames)
            meter = LoudnessMeter(info.samplerate, num_channels=min(info.channels, 2))
            counted = _Counts(step_samples=max(1, info.samplerate // STEPS_PER_SECOND))
            for _ in meter.watch(_iter_blocks(sound, counted)):
                pass
    except soundfile.LibsndfileError as error:
        raise RequestError(
            f"{file} is no sound file that can be read: {error.error_string.rstrip('.')}; name a stem that render made"
        ) from error
    except OSError as error:
        raise RequestError(
            f"cannot read {file}: {error.strerror or error}; name a stem that render made"
        ) from error
    return {
        "file": str(file),
        "seconds": info.frames / info.samplerate,
        "sample_rate_hz": info.samplerate,
        "channels": info.channels,
        "peak_dbfs": 20 * math.log10(counted.peak) if counted.peak > 0 else None,
        "clipped_samples": counted.clipped,
        "silent_share": counted.silent_steps / len(counted.powers) if counted.powers else 1.0,
        "loudness": asdict(meter.read()),
        "evidence": _describe_evidence(load_evidence(file, resolve=resolve), counted),
    }


class _Format(NamedTuple):
    samplerate: int
    channels: int
    frames: int


class _Counts:
    """Peak, clipped samples and the power of each step of the blocks that were seen."""

    def __init__(self, *, step_samples: int) -> None:
        self.step_samples = step_samples
        self.peak, self.clipped = 0.0, 0
        self.powers: list[float] = []
        self.silent_steps = 0

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """A block of whole steps; the last one may be shorter."""
        level = np.abs(block).max(axis=1) if block.ndim > 1 else np.abs(block)
        if not len(level):
            return
        self.peak = max(self.peak, float(level.max()))
        self.clipped += int((level >= FULL_SCALE).sum())
        for start in range(0, len(level), self.step_samples):
            step = level[start : start + self.step_samples]
            self.powers.append(float(np.square(step, dtype=np.float64).sum()))
            self.silent_steps += bool(step.max() < SILENT_LEVEL)


def _iter_blocks(sound: soundfile.SoundFile, counted: _Counts) -> Iterator[npt.NDArray[np.float32]]:
    for block in sound.blocks(blocksize=counted.step_samples * _STEPS_PER_BLOCK, dtype="float32"):
        counted.add(block)
        yield block if block.ndim == 1 or block.shape[1] <= 2 else block[:, 0]


def load_evidence(file: Path, *, resolve: Callable[[Path], Path]) -> Evidence | None:
    """What the model saw, from the file beside a stem; None without one. Raises OutsideFoldersError."""
    beside = resolve(file.with_suffix(EVIDENCE_SUFFIX))
    try:
        return Evidence.from_json(json.loads(read_bounded(beside, _MAX_EVIDENCE_BYTES)))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _describe_evidence(evidence: Evidence | None, counted: _Counts) -> dict[str, Any] | None:
    """What the model saw, and how much of the sound lies where it saw it."""
    if evidence is None:
        return None
    powers = np.asarray(counted.powers)
    is_seen = np.zeros(len(powers), bool)
    for start_s, end_s in evidence.seen_spans_s:
        is_seen[round(start_s * STEPS_PER_SECOND) : round(end_s * STEPS_PER_SECOND)] = True
    total = float(powers.sum())
    return {
        "presence": evidence.whole,
        "is_calibrated": evidence.threshold is not None,
        "seen_spans_s": [list(span) for span in evidence.seen_spans_s],
        "energy_share_while_seen": float(powers[is_seen].sum()) / total if total else None,
    }

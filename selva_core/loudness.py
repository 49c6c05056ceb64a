"""How loud a sound is, as EBU R 128 counts it: measured and said, never corrected.

FFmpeg's `ebur128` weighs and gates (ITU-R BS.1770-4, EBU Tech 3341 and 3342); the true peak is the highest
value after oversampling to at least 192 kHz, as BS.1770-4 Annex 2 asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.filter.graph import Graph

ABSOLUTE_GATE_LUFS = -70.0
MOMENTARY_S, SHORT_TERM_S, RANGE_S = Fraction(2, 5), Fraction(3), Fraction(60)
TRUE_PEAK_RATE_HZ = 192_000
MAX_OVERSAMPLING = 4

_PIECE_SAMPLES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """What was measured; None for what a sound is too short or too quiet to have.

    integrated_lufs, max_momentary_lufs: from 0.4 s on. max_short_term_lufs: from 3 s on. range_lu: from a minute
    on, as Tech 3342 advises. Nothing below the gate of -70 LUFS counts. max_true_peak_dbtp: None for digital
    silence.
    """

    integrated_lufs: float | None = None
    range_lu: float | None = None
    max_true_peak_dbtp: float | None = None
    max_momentary_lufs: float | None = None
    max_short_term_lufs: float | None = None


class LoudnessMeter:
    """Measures mono float32 blocks, -1..1, in passing; what it keeps grows neither with their length nor number."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._num_samples = 0
        self._weighing = _FilterGraph(sample_rate_hz, ("ebur128", "metadata=1:framelog=quiet"))
        oversampling = min(MAX_OVERSAMPLING, max(1, TRUE_PEAK_RATE_HZ // sample_rate_hz))
        self._oversampling = _FilterGraph(sample_rate_hz, ("aresample", str(oversampling * sample_rate_hz)))
        self._peak = 0.0
        self._last: dict[str, str] = {}
        self._max_momentary = self._max_short_term = -math.inf

    def watch(self, blocks: Iterable[npt.NDArray[np.float32]]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the blocks as they are, measured; what passes full scale counts as clipped."""
        for block in blocks:
            for first in range(0, len(block), _PIECE_SAMPLES):
                self._measure(np.clip(block[first : first + _PIECE_SAMPLES], -1.0, 1.0))
            self._num_samples += len(block)
            yield block

    def read(self) -> Loudness:
        """The loudness of all blocks; nothing can be measured after."""
        self._measure(None)
        duration_s = Fraction(self._num_samples, self._sample_rate_hz)
        has_momentary, has_short_term = duration_s >= MOMENTARY_S, duration_s >= SHORT_TERM_S
        integrated_lufs = _audible(float(self._last.get("lavfi.r128.I", "-inf"))) if has_momentary else None
        has_range = duration_s >= RANGE_S and integrated_lufs is not None
        return Loudness(
            integrated_lufs=integrated_lufs,
            range_lu=float(self._last["lavfi.r128.LRA"]) if has_range else None,
            max_true_peak_dbtp=20 * math.log10(self._peak) if self._peak > 0 else None,
            max_momentary_lufs=_audible(self._max_momentary) if has_momentary else None,
            max_short_term_lufs=_audible(self._max_short_term) if has_short_term else None,
        )

    def _measure(self, block: npt.NDArray[np.float32] | None) -> None:
        if block is not None:
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        for frame in self._weighing.filtered(block):
            if "lavfi.r128.I" not in frame.metadata:  # the last one, when shorter than 0.1 s
                continue
            self._last = dict(frame.metadata)
            self._max_momentary = _higher(self._max_momentary, self._last["lavfi.r128.M"])
            self._max_short_term = _higher(self._max_short_term, self._last["lavfi.r128.S"])
        for frame in self._oversampling.filtered(block):
            self._peak = max(self._peak, float(np.abs(frame.to_ndarray()).max(initial=0.0)))


class _FilterGraph:
    """One filter of FFmpeg, fed with mono sound."""

    def __init__(self, sample_rate_hz: int, audio_filter: tuple[str, str]) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._next_pts = 0
        self._graph = Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=sample_rate_hz, format="flt", layout="mono", time_base=Fraction(1, sample_rate_hz)
        )
        self._sink = self._graph.add("abuffersink")
        name, arguments = audio_filter
        stage = self._graph.add(name, arguments)
        self._source.link_to(stage)
        stage.link_to(self._sink)
        self._graph.configure()

    def filtered(self, block: npt.NDArray[np.float32] | None) -> Iterator[AudioFrame]:
        """What comes out once `block` is in; None ends the sound."""
        if block is None:
            self._source.push(None)
        elif len(block):
            frame = AudioFrame.from_ndarray(block[None, :], format="flt", layout="mono")
            frame.sample_rate, frame.pts = self._sample_rate_hz, self._next_pts
            self._next_pts += len(block)
            self._source.push(frame)
        while True:
            try:
                filtered = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(filtered, AudioFrame):
                yield filtered


def _higher(value: float, text: str) -> float:
    """The higher of two levels; FFmpeg says nan for none."""
    other = float(text)
    return other if other > value else value


def _audible(value_lufs: float) -> float | None:
    return value_lufs if value_lufs > ABSOLUTE_GATE_LUFS else None

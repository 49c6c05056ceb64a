"""The loudness of audio by EBU R 128: measured and reported, never corrected.

Weighting, gates and windows: ITU-R BS.1770-4, EBU Tech 3341 (momentary, short-term), EBU Tech 3342 (range). The true
peak is the highest value after oversampling to at least 192 kHz (four times at low rates), as BS.1770-4 Annex 2 asks. FFmpeg
runs the filters. Its own meter, the filter ebur128, is not used: docs/development/architecture.md gives the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.filter.graph import Graph

ABSOLUTE_GATE_LUFS = -70.0
INTEGRATED_GATE_LU = -10.0
RANGE_GATE_LU = -20.0
RANGE_PERCENTILES = (0.10, 0.95)
STEPS_PER_SECOND = 10
MOMENTARY_STEPS, SHORT_TERM_STEPS = 4, 30
RANGE_S = 60
TRUE_PEAK_RATE_HZ = 192_000
MAX_OVERSAMPLING = 4

_OFFSET_LU = -0.691
_PIECE_SAMPLES = 1 << 16

Samples = npt.NDArray[np.float32]
Powers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """Measured values; None for those that the audio is too short or too quiet to have.

    integrated_lufs, max_momentary_lufs: of audio from 0.4 s on. max_short_term_lufs: from 3 s on. range_lu: from a minute
    on, as Tech 3342 advises. Nothing below the gate of -70 LUFS counts. max_true_peak_dbtp: None for digital silence.
    """

    integrated_lufs: float | None = None
    range_lu: float | None = None
    max_true_peak_dbtp: float | None = None
    max_momentary_lufs: float | None = None
    max_short_term_lufs: float | None = None


@dataclass(frozen=True, kw_only=True)
class Biquad:
    """A second-order filter, normalised to a0 = 1."""

    b: tuple[float, float, float]
    a1: float
    a2: float

    def to_filter(self) -> tuple[str, str]:
        b0, b1, b2 = self.b
        values = f"a0=1:a1={self.a1!r}:a2={self.a2!r}:b0={b0!r}:b1={b1!r}:b2={b2!r}"
        return "biquad", f"{values}:precision=f64"


def design_weighting(sample_rate_hz: int) -> tuple[Biquad, Biquad]:
    """The two filters of BS.1770-4 (head and low frequencies) at any rate.

    The standard lists coefficients for 48 kHz only; these are the analogue filters behind that list, brought to
    `sample_rate_hz` by the bilinear transform.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    head = Biquad(
        b=((high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0),
        a1=2 * (k * k - 1) / a0,
        a2=(1 - k / q + k * k) / a0,
    )
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    return head, Biquad(b=(1.0, -2.0, 1.0), a1=2 * (k * k - 1) / a0, a2=(1 - k / q + k * k) / a0)


class LoudnessMeter:
    """Measures float32 blocks, -1..1, mono (n,) or stereo (n, 2), as they pass through; it stores ten numbers per second."""

    def __init__(self, sample_rate_hz: int, *, num_channels: int = 1) -> None:
        self._sample_rate_hz = sample_rate_hz
        weighting = [biquad.to_filter() for biquad in design_weighting(sample_rate_hz)]
        planar = ("aformat", "sample_fmts=dblp")
        self._weighting = _FilterGraph(sample_rate_hz, num_channels, [planar, *weighting])
        oversampling = min(MAX_OVERSAMPLING, max(1, TRUE_PEAK_RATE_HZ // sample_rate_hz))
        oversampled = ("aresample", str(oversampling * sample_rate_hz))
        self._oversampling = _FilterGraph(sample_rate_hz, num_channels, [oversampled])
        self._peak = 0.0
        self._powers: list[float] = []
        self._pending: Powers = np.zeros(0)
        self._num_summed = 0

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yields the blocks unchanged and measures them; values beyond full scale are measured as clipped."""
        for block in blocks:
            for first in range(0, len(block), _PIECE_SAMPLES):
                self._measure(np.clip(block[first : first + _PIECE_SAMPLES], -1.0, 1.0))
            yield block

    def read(self) -> Loudness:
        """The loudness of all blocks; ends the measurement."""
        self._measure(None)
        momentary, short_term = self._windows(MOMENTARY_STEPS), self._windows(SHORT_TERM_STEPS)
        return Loudness(
            integrated_lufs=_level_of(_gate(momentary, INTEGRATED_GATE_LU)),
            range_lu=_range_of(short_term) if len(self._powers) >= RANGE_S * STEPS_PER_SECOND else None,
            max_true_peak_dbtp=20 * math.log10(self._peak) if self._peak > 0 else None,
            max_momentary_lufs=_highest(momentary),
            max_short_term_lufs=_highest(short_term),
        )

    def _measure(self, block: Samples | None) -> None:
        if block is not None:
            self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        for weighted in self._weighting.filter(block):
            self._sum_steps((weighted**2).sum(axis=0))  # BS.1770 adds up the channels
        for oversampled in self._oversampling.filter(block):
            self._peak = max(self._peak, float(np.abs(oversampled).max(initial=0.0)))

    def _sum_steps(self, squares: Powers) -> None:
        """Adds the mean squares of whole steps of 0.1 s; the remainder stays pending."""
        pending = np.concatenate([self._pending, squares])
        while True:
            end = (len(self._powers) + 1) * self._sample_rate_hz // STEPS_PER_SECOND - self._num_summed
            if end > len(pending):
                break
            self._powers.append(float(pending[:end].mean()))
            self._num_summed += end
            pending = pending[end:]
        self._pending = pending

    def _windows(self, num_steps: int) -> Powers:
        """Mean squares of all windows of `num_steps` steps, one step apart."""
        if len(self._powers) < num_steps:
            return np.zeros(0)
        return np.convolve(self._powers, np.full(num_steps, 1 / num_steps), mode="valid")


class _FilterGraph:
    """A chain of FFmpeg filters."""

    def __init__(
        self, sample_rate_hz: int, num_channels: int, audio_filters: Sequence[tuple[str, str]]
    ) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._layout = {1: "mono", 2: "stereo"}[num_channels]
        self._next_pts = 0
        self._graph = Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=sample_rate_hz,
            format="flt",
            layout=self._layout,
            time_base=Fraction(1, sample_rate_hz),
        )
        self._sink = self._graph.add("abuffersink")
        stages = [self._graph.add(name, arguments) for name, arguments in audio_filters]
        self._graph.link_nodes(self._source, *stages, self._sink)
        self._graph.configure()

    def filter(self, block: Samples | None) -> Iterator[Powers]:
        """Yields the output that a block makes available, as FFmpeg lays it out; None flushes the filters."""
        if block is None:
            self._source.push(None)
        elif len(block):
            frame = AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=self._layout)
            frame.sample_rate, frame.pts = self._sample_rate_hz, self._next_pts
            self._next_pts += len(block)
            self._source.push(frame)
        while True:
            try:
                pulled = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if isinstance(pulled, AudioFrame):
                yield np.asarray(pulled.to_ndarray(), np.float64)


def _to_lufs(power: float) -> float:
    return _OFFSET_LU + 10 * math.log10(power) if power > 0 else -math.inf


def _gate(powers: Powers, relative_lu: float) -> Powers:
    """The values above the absolute gate that are also above the relative one, `relative_lu` from the mean of those."""
    above = powers[powers > 10 ** ((ABSOLUTE_GATE_LUFS - _OFFSET_LU) / 10)]
    return above[above > above.mean() * 10 ** (relative_lu / 10)] if len(above) else above


def _level_of(powers: Powers) -> float | None:
    return _to_lufs(float(powers.mean())) if len(powers) else None


def _highest(powers: Powers) -> float | None:
    level_lufs = _to_lufs(float(powers.max(initial=0.0)))
    return level_lufs if level_lufs > ABSOLUTE_GATE_LUFS else None


def _range_of(powers: Powers) -> float | None:
    """The distance between the 10th and the 95th percentile of the values that pass the gates."""
    gated = np.sort(_gate(powers, RANGE_GATE_LU))
    if not len(gated):
        return None
    low, high = (float(gated[round((len(gated) - 1) * share)]) for share in RANGE_PERCENTILES)
    return _to_lufs(high) - _to_lufs(low)

"""New stretches in the audio of an earlier stem, or beside it: the earlier samples stay as they are, bit for bit, but for a
cross-over at each join.

Both sides of a cross-over were decoded from the same latents and so are alike, but not always: an event of the new stretch
may ring into it. Its gains keep the power that the likeness of both sides calls for (M. Fink, M. Holters, U. Zoelzer,
Signal-matched power-complementary cross-fading, DAFx-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selva_core.audio.sample_buffer import collect_samples
from selva_core.audio.wav import WaveAudio, read_wave_audio
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, RequestError
from selva_core.base.rational import round_half_up
from selva_core.engine import REDO_MARGIN_S

Samples = npt.NDArray[np.float32]

CROSSOVER_S = REDO_MARGIN_S / 3
"""Before and after a stretch, in the earlier audio; at most 0.1 s."""
_COMPARED_S = REDO_MARGIN_S / 3
_LEAST_LIKENESS = 0.5
_FAINT = 1e-4
"""-80 dB of full scale: what is below it is not compared."""


@dataclass(frozen=True, kw_only=True)
class Splice:
    """Where new audio goes: the stretches, as first and end sample of the file that is written. head_samples, tail_samples: how
    much longer than the earlier stem in `file` that is, before and after it; these samples are in stretches. padding_samples: at
    the end of that file, which are left out.
    """

    file: Path
    stretches: tuple[tuple[int, int], ...]
    head_samples: int = 0
    tail_samples: int = 0
    padding_samples: int = 0

    @classmethod
    def beside(
        cls, file: Path, *, num_samples: int, head_samples: int, tail_samples: int, padding_samples: int = 0
    ) -> Splice:
        """New audio before and after the `num_samples` of a stem, which are all but the padding at its end."""
        end = head_samples + num_samples
        spans = ((0, head_samples), (end, end + tail_samples))
        return cls(
            file=file,
            stretches=tuple(span for span in spans if span[0] < span[1]),
            head_samples=head_samples,
            tail_samples=tail_samples,
            padding_samples=padding_samples,
        )


class Splicer:
    """Puts stretches into the audio of a file, or beside it. warnings: sentences for the user, complete when all blocks were
    read.
    """

    def __init__(
        self, splice: Splice, *, sample_rate_hz: int, num_samples: int, num_channels: int = 1
    ) -> None:
        """num_samples: of what is written. Raises MediaNotFoundError, MediaUnreadableError; RequestError for a file of another
        rate, length or layout.
        """
        self.warnings: tuple[str, ...] = ()
        self._splice = splice
        self._audio = open_earlier_audio(splice.file)
        _require_same_layout(
            self._audio,
            splice,
            sample_rate_hz=sample_rate_hz,
            num_samples=num_samples,
            num_channels=num_channels,
        )
        self._inserts = _place_inserts(
            splice.stretches,
            num_samples=num_samples,
            crossover=round_half_up(CROSSOVER_S * sample_rate_hz),
            compared=round_half_up(_COMPARED_S * sample_rate_hz),
        )

    def iter_blocks(self, new: Iterable[Samples]) -> Iterator[Samples]:
        """new: blocks that together are as long as the file that is written, of as many channels; the stretches and what is
        near them is read.
        """
        source = _Samples(new, self._audio.num_channels)
        done = self._splice.head_samples
        for insert in self._inserts:
            made = source.read(insert.compared_first, insert.compared_end)
            self._compare(made, insert)
            yield from self._iter_old(done, insert.first)
            part = made[insert.first - insert.compared_first : insert.end - insert.compared_first]
            self._cross_over(part, insert)
            yield part
            done = insert.end
        num_earlier = self._audio.num_samples - self._splice.padding_samples
        yield from self._iter_old(done, self._splice.head_samples + num_earlier)

    def _iter_old(self, first: int, end: int) -> Iterator[Samples]:
        """The earlier stem from a sample of the file that is written to before another."""
        yield from self._audio.iter_blocks(first - self._splice.head_samples, end - self._splice.head_samples)

    def _read_old(self, first: int, end: int) -> Samples:
        return self._audio.read(first - self._splice.head_samples, end - self._splice.head_samples)

    def _compare(self, made: Samples, insert: _Insert) -> None:
        """Warn where the file is not what the new audio was fitted to."""
        sides = ((insert.compared_first, insert.first), (insert.end, insert.compared_end))
        for start, end in sides:
            if start >= end:
                continue
            old = self._read_old(start, end)
            new = made[start - insert.compared_first : end - insert.compared_first]
            if min(_rms(old), _rms(new)) > _FAINT and _likeness(old, new) < _LEAST_LIKENESS:
                self.warnings = (
                    f"{self._splice.file.name} does not hold what its recipe makes (it was edited, or made by another version "
                    "or device), so that the new stretch may not fit at its edges",
                )

    def _cross_over(self, part: Samples, insert: _Insert) -> None:
        """Fade from the file's audio into the stretch and back, in place."""
        lead = insert.start - insert.first
        tail = insert.end - insert.stop
        if lead:
            old = self._read_old(insert.first, insert.start)
            part[:lead] = _fade(old, part[:lead])
        if tail:
            old = self._read_old(insert.stop, insert.end)
            part[-tail:] = _fade(part[-tail:], old)


@dataclass(frozen=True, kw_only=True)
class _Insert:
    """A stretch in samples of the file that is written: from `start` to `stop`, with cross-overs from `first` to `end`, and
    with what is compared on either side.
    """

    start: int
    stop: int
    first: int
    end: int
    compared_first: int
    compared_end: int


def _place_inserts(
    stretches: Sequence[tuple[int, int]], *, num_samples: int, crossover: int, compared: int
) -> list[_Insert]:
    """Stretches with their cross-overs; of what is between two that are near, each has half."""
    between = [(one[1] + other[0]) // 2 for one, other in pairwise(stretches)]
    inserts = []
    for (start, stop), (earliest, last) in zip(stretches, pairwise([0, *between, num_samples]), strict=True):
        first, end = max(start - crossover, earliest), min(stop + crossover, last)
        inserts.append(
            _Insert(
                start=start,
                stop=stop,
                first=first,
                end=end,
                compared_first=max(first - compared, earliest),
                compared_end=min(end + compared, last),
            )
        )
    return inserts


class _Samples:
    """Parts of consecutive blocks, read in order."""

    def __init__(self, blocks: Iterable[Samples], num_channels: int) -> None:
        self._blocks = iter(blocks)
        self._num_channels = num_channels
        self._rest: Samples | None = None
        self._position = 0

    def read(self, first: int, end: int) -> Samples:
        """Samples (num_samples,) or (num_samples, num_channels) from `first`, which is not before the last `end`."""
        flat = collect_samples(
            (block.reshape(-1) for block in self._iter_between(first, end)),
            (end - first) * self._num_channels,
        )
        return flat if self._num_channels == 1 else flat.reshape(-1, self._num_channels)

    def _iter_between(self, first: int, end: int) -> Iterator[Samples]:
        while self._position < end:
            block = next(self._blocks, None) if self._rest is None else self._rest
            if block is None:
                return
            start, stop = self._position, min(self._position + len(block), end)
            self._rest = block[stop - start :] if stop - start < len(block) else None
            self._position = stop
            if first < stop:
                yield block[max(first - start, 0) : stop - start]


def open_earlier_audio(path: Path) -> WaveAudio:
    """Raises MediaNotFoundError, MediaUnreadableError."""
    try:
        return read_wave_audio(path)
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except (OSError, ValueError) as exc:
        raise MediaUnreadableError(f"{path.name} cannot be read as a stem: {exc}", path=str(path)) from exc


def _require_same_layout(
    audio: WaveAudio, splice: Splice, *, sample_rate_hz: int, num_samples: int, num_channels: int
) -> None:
    beside = splice.head_samples + splice.tail_samples - splice.padding_samples
    found = (audio.num_samples, audio.sample_rate_hz, audio.num_channels)
    wanted = (num_samples - beside, sample_rate_hz, num_channels)
    if found != wanted:
        have, want = (
            f"{rows} samples at {rate} Hz in {channels} channels" for rows, rate, channels in (found, wanted)
        )
        raise RequestError(
            f"{splice.file.name} has {have}, and {want} are needed; a stretch is made anew, or added, at the rate, length and "
            "channels of its take"
        )
    for start, end in splice.stretches:
        if not 0 <= start < end <= num_samples:
            raise RequestError(f"a stretch lies in 0 to {num_samples} samples; got {start} to {end}")


def _fade(before: Samples, after: Samples) -> Samples:
    """From `before` to `after`, both (num_samples,) or (num_samples, num_channels)."""
    rising = 0.5 - 0.5 * np.cos(np.pi * (np.arange(len(before)) + 0.5) / len(before))
    rising = rising.reshape(-1, *[1] * (before.ndim - 1))
    falling = 1.0 - rising
    power = rising**2 + falling**2 + 2 * rising * falling * max(_likeness(before, after), 0.0)
    return ((falling * before + rising * after) / np.sqrt(power)).astype(np.float32)


def _likeness(one: Samples, other: Samples) -> float:
    """Their correlation, -1 to 1; 1 where one of them is silent, so that nothing is made louder for it."""
    a, b = one.astype(np.float64).reshape(-1), other.astype(np.float64).reshape(-1)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 1.0


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples.astype(np.float64)).mean())) if len(samples) else 0.0

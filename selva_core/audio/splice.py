"""A new stretch in the audio of an earlier stem: the earlier samples stay as they are, bit for bit, but for two cross-overs.

Both sides of a cross-over were decoded from the same latents and so are alike, but not always: an event of the new stretch
may ring into it. Its gains keep the power that the likeness of both sides calls for (M. Fink, M. Holters, U. Zoelzer,
Signal-matched power-complementary cross-fading, DAFx-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
"""Before and after a stretch, outside it; at most 0.1 s."""
_COMPARED_S = REDO_MARGIN_S / 3
_LEAST_LIKENESS = 0.5
_FAINT = 1e-4
"""-80 dB of full scale: what is below it is not compared."""


@dataclass(frozen=True, kw_only=True)
class Splice:
    """Where new audio goes: from `start_sample` to before `end_sample` of the stem in `file`."""

    file: Path
    start_sample: int
    end_sample: int


class Splicer:
    """Puts one stretch into the audio of a file. warnings: sentences for the user, complete when all blocks were read."""

    def __init__(
        self, splice: Splice, *, sample_rate_hz: int, num_samples: int, num_channels: int = 1
    ) -> None:
        """Raises MediaNotFoundError, MediaUnreadableError; RequestError for a file of another rate, length or layout."""
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
        crossover = round_half_up(CROSSOVER_S * sample_rate_hz)
        compared = round_half_up(_COMPARED_S * sample_rate_hz)
        self._first = max(splice.start_sample - crossover, 0)
        self._end = min(splice.end_sample + crossover, num_samples)
        self._compared_first = max(self._first - compared, 0)
        self._compared_end = min(self._end + compared, num_samples)

    def iter_blocks(self, new: Iterable[Samples]) -> Iterator[Samples]:
        """new: blocks that together are as long as the file, of as many channels; the stretch and what is near it is read."""
        first, end = self._compared_first, self._compared_end
        num_channels = self._audio.num_channels
        flat = collect_samples(
            (block.reshape(-1) for block in _cut(new, first, end)), (end - first) * num_channels
        )
        made = flat if num_channels == 1 else flat.reshape(-1, num_channels)
        self._compare(made)
        yield from self._audio.iter_blocks(0, self._first)
        stretch = made[self._first - first : self._end - first]
        self._cross_over(stretch)
        yield stretch
        yield from self._audio.iter_blocks(self._end, self._audio.num_samples)

    def _compare(self, made: Samples) -> None:
        """Warn where the file is not what the new audio was fitted to."""
        sides = ((self._compared_first, self._first), (self._end, self._compared_end))
        for start, end in sides:
            old = self._audio.read(start, end)
            new = made[start - self._compared_first : end - self._compared_first]
            if min(_rms(old), _rms(new)) > _FAINT and _likeness(old, new) < _LEAST_LIKENESS:
                self.warnings = (
                    f"{self._splice.file.name} does not hold what its recipe makes (it was edited, or made by another version "
                    "or device), so that the new stretch may not fit at its edges",
                )

    def _cross_over(self, stretch: Samples) -> None:
        """Fade from the file's audio into the stretch and back, in place."""
        lead = self._splice.start_sample - self._first
        tail = self._end - self._splice.end_sample
        if lead:
            old = self._audio.read(self._first, self._splice.start_sample)
            stretch[:lead] = _fade(old, stretch[:lead])
        if tail:
            old = self._audio.read(self._splice.end_sample, self._end)
            stretch[-tail:] = _fade(stretch[-tail:], old)


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
    found = (audio.num_samples, audio.sample_rate_hz, audio.num_channels)
    wanted = (num_samples, sample_rate_hz, num_channels)
    if found != wanted:
        have, want = (
            f"{rows} samples at {rate} Hz in {channels} channels" for rows, rate, channels in (found, wanted)
        )
        raise RequestError(
            f"{splice.file.name} has {have}, and {want} are to be written; a stretch is made anew at the rate, length and "
            "channels of its take"
        )
    if not 0 <= splice.start_sample < splice.end_sample <= num_samples:
        raise RequestError(
            f"a stretch lies in 0 to {num_samples} samples; got {splice.start_sample} to {splice.end_sample}"
        )


def _cut(blocks: Iterable[Samples], first: int, end: int) -> Iterator[Samples]:
    """Of consecutive blocks, the samples from `first` to before `end`."""
    position = 0
    for block in blocks:
        part = block[max(first - position, 0) : max(end - position, 0)]
        if len(part):
            yield part
        position += len(block)


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

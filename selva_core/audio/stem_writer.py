"""Stems on disk: 24-bit WAV files of exact length that carry their provenance."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selva_core.audio.loudness import Loudness, LoudnessMeter
from selva_core.audio.metadata import StemTags
from selva_core.audio.panning import iter_panned
from selva_core.audio.provenance import read_provenance
from selva_core.audio.resampling import iter_resampled
from selva_core.audio.splice import Splice, Splicer
from selva_core.audio.wav import FULL_SCALE, overwrite_chunk, write_wave
from selva_core.base.atomic_write import staged_file
from selva_core.base.errors import (
    MediaUnreadableError,
    ModelError,
    OutputError,
    RequestError,
)
from selva_core.base.limits import MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from selva_core.base.media import Label
from selva_core.base.pan import AS_MADE, Panning
from selva_core.engine import Waveform

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StemReport:
    """The file that was written. peak: the largest absolute sample before clipping, 1.0 is full scale. splice_warnings: of a
    stretch that was put into an earlier stem.
    """

    path: Path
    sample_rate_hz: int
    num_samples: int
    peak: float
    num_clipped: int
    loudness: Loudness
    splice_warnings: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        if not self.num_clipped:
            return self.splice_warnings
        over_db = 20 * math.log10(self.peak)
        clipped = f"{self.num_clipped} samples were clipped; the audio passed full scale by {over_db:.1f} dB"
        return (*self.splice_warnings, clipped)


def write_stem(
    path: Path,
    waveform: Waveform,
    *,
    sample_rate_hz: int,
    num_samples: int,
    provenance: Mapping[str, str],
    time_reference_samples: int | None = None,
    created: str = "",
    labels: Sequence[Label] = (),
    panning: Panning = AS_MADE,
    splice: Splice | None = None,
) -> StemReport:
    """Write `waveform` as a 24-bit WAV of exactly `num_samples` at `sample_rate_hz`, mono unless `panning` has two channels.

    Shorter audio is padded with silence, longer is cut; its loudness is measured and reported. provenance,
    time_reference_samples, created and labels: see StemTags. splice: the stretch of an earlier stem that `waveform` is for;
    all other samples are then those of the earlier stem.

    The file appears whole or not at all. A file that exists at `path` is replaced only if it is a stem written by this
    function. Raises OutputError, RequestError; ModelError when the samples are not finite.
    """
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise RequestError(
            f"a sample rate is {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; got {sample_rate_hz}"
        )
    if num_samples < 1:
        raise RequestError(f"a stem has at least one sample; got {num_samples}")
    if not np.isfinite(waveform.samples).all():
        raise ModelError(f"the model made samples that are not finite; {path.name} was not written")
    tags = StemTags(
        provenance=provenance,
        sample_rate_hz=sample_rate_hz,
        num_channels=panning.num_channels,
        time_reference_samples=time_reference_samples,
        created=created,
        labels=labels,
    )
    meter = _LevelMeter()
    fitted = _fitted(_blocks_at(waveform, sample_rate_hz), num_samples)
    panned = iter_panned(fitted, panning, sample_rate_hz=sample_rate_hz)
    splicer = None
    if splice is not None:
        splicer = Splicer(
            splice,
            sample_rate_hz=sample_rate_hz,
            num_samples=num_samples,
            num_channels=panning.num_channels,
        )
        panned = splicer.iter_blocks(panned)
    blocks = meter.watch(panned)
    _require_replaceable(path)
    loudness = _write_file(path, blocks, num_samples, tags)
    return StemReport(
        path=path,
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        peak=meter.peak,
        num_clipped=meter.num_clipped,
        loudness=loudness,
        splice_warnings=() if splicer is None else splicer.warnings,
    )


class _LevelMeter:
    """Measures peak and clipping of the blocks that pass through."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.num_clipped = 0

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        highest = (FULL_SCALE - 0.5) / FULL_SCALE  # rounds to the largest 24-bit value at most
        for block in blocks:
            level = np.abs(block)
            self.peak = max(self.peak, float(level.max(initial=0.0)))
            self.num_clipped += int(np.count_nonzero((block >= highest) | (block < -1.0)))
            yield block


def _blocks_at(waveform: Waveform, sample_rate_hz: int) -> Iterable[Samples]:
    if waveform.sample_rate_hz == sample_rate_hz:
        return [waveform.samples]
    return iter_resampled(waveform.samples, from_hz=waveform.sample_rate_hz, to_hz=sample_rate_hz)


def _fitted(blocks: Iterable[Samples], num_samples: int) -> Iterator[Samples]:
    """Cut or pad with silence to exactly `num_samples`."""
    remaining = num_samples
    for block in blocks:
        yield block[:remaining]
        remaining -= len(block[:remaining])
    if remaining:
        yield np.zeros(remaining, dtype=np.float32)


def _require_replaceable(path: Path) -> None:
    """Raises OutputError where `path` exists and is not a stem of ours: files of the user are never replaced."""
    if not os.path.exists(path):  # unlike Path.exists, false also for a name that is too long
        return
    try:
        is_ours = read_provenance(path) is not None
    except MediaUnreadableError:
        is_ours = False
    if not is_ours:
        raise OutputError(
            f"{path} exists and is no stem of Selva Bridge; move it away or choose another name",
            path=str(path),
        )


def _write_file(path: Path, blocks: Iterable[Samples], num_samples: int, tags: StemTags) -> Loudness:
    """Write the file and return the loudness of its audio. Raises OutputError.

    The loudness is stored before the audio and known after it, so bext is written twice.
    """
    meter = LoudnessMeter(tags.sample_rate_hz, num_channels=tags.num_channels)
    with staged_file(path) as temporary, temporary.open("x+b") as file:
        write_wave(
            file,
            meter.watch(blocks),
            num_samples=num_samples,
            sample_rate_hz=tags.sample_rate_hz,
            num_channels=tags.num_channels,
            before=tags.chunks_before_audio(),
            after=tags.chunks_after_audio(),
        )
        loudness = meter.read()
        for chunk in tags.chunks_before_audio(loudness):
            overwrite_chunk(file, chunk)
    return loudness

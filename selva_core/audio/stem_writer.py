"""Stems on disk: 24-bit mono WAV files of exact length that say where their sound comes from."""

from __future__ import annotations

import errno
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

from selva_core.audio.loudness import Loudness, LoudnessMeter
from selva_core.audio.metadata import StemTags, find_provenance
from selva_core.audio.wav import FULL_SCALE, iter_text_chunks, overwrite_chunk, write_wave
from selva_core.base.errors import (
    MediaNotFoundError,
    MediaUnreadableError,
    ModelError,
    OutputError,
    RequestError,
)
from selva_core.base.media import Label
from selva_core.engine import Waveform

Samples = npt.NDArray[np.float32]

MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 8_000, 384_000


@dataclass(frozen=True, kw_only=True)
class StemReport:
    """What was written. peak: the largest absolute sample before clipping, 1.0 is full scale."""

    path: Path
    sample_rate_hz: int
    num_samples: int
    peak: float
    num_clipped: int
    loudness: Loudness

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        if not self.num_clipped:
            return ()
        over_db = 20 * math.log10(self.peak)
        return (f"{self.num_clipped} samples were clipped; the sound passed full scale by {over_db:.1f} dB",)


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
) -> StemReport:
    """Write `waveform` as a 24-bit mono WAV of exactly `num_samples` at `sample_rate_hz`.

    Shorter sound is padded with silence, longer is cut; its loudness is measured and told. provenance,
    time_reference_samples, created and labels: see StemTags; all but the first are left out by default.

    The file appears whole or not at all: it is written under another name, flushed and renamed. A file at
    `path` is replaced only if it is a stem written by this function.

    Raises OutputError, RequestError; ModelError when the sound is not finite.
    """
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise RequestError(
            f"a sample rate is {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; got {sample_rate_hz}"
        )
    if num_samples < 1:
        raise RequestError(f"a stem has at least one sample; got {num_samples}")
    if not np.isfinite(waveform.samples).all():
        raise ModelError(f"the model gave values that are no sound (not finite); {path.name} was not written")
    tags = StemTags(
        provenance=provenance,
        sample_rate_hz=sample_rate_hz,
        time_reference_samples=time_reference_samples,
        created=created,
        labels=labels,
    )
    meter = _LevelMeter()
    blocks = meter.watch(_fitted(_blocks_at(waveform, sample_rate_hz), num_samples))
    try:
        _require_replaceable(path)
        loudness = _write_whole(path, blocks, num_samples, tags)
    except OSError as exc:
        raise _output_error(path, exc) from exc
    return StemReport(
        path=path,
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        peak=meter.peak,
        num_clipped=meter.num_clipped,
        loudness=loudness,
    )


def read_provenance(path: Path) -> dict[str, str] | None:
    """Return what was given to `write_stem` as provenance; None where the file is no stem of ours.

    Raises MediaNotFoundError, and MediaUnreadableError when it is no WAV file.
    """
    try:
        with path.open("rb") as file:
            return find_provenance(iter_text_chunks(file))
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"there is no file {path}", path=str(path)) from exc
    except (OSError, ValueError) as exc:
        raise MediaUnreadableError(
            f"{path.name} cannot be read as a WAV file: {exc}", path=str(path)
        ) from exc


class _LevelMeter:
    """Peak and clipping of the blocks that pass through."""

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
    # Torch is loaded only where something is to be resampled.
    resampling = import_module("selva_core.audio.resampling")
    blocks: Iterable[Samples] = resampling.iter_resampled(
        waveform.samples, from_hz=waveform.sample_rate_hz, to_hz=sample_rate_hz
    )
    return blocks


def _fitted(blocks: Iterable[Samples], num_samples: int) -> Iterator[Samples]:
    """Cut or pad with silence to exactly `num_samples`."""
    left = num_samples
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    if left:
        yield np.zeros(left, dtype=np.float32)


def _require_replaceable(path: Path) -> None:
    """A file of somebody else's is never written over."""
    if not path.exists():
        return
    try:
        is_ours = read_provenance(path) is not None
    except MediaUnreadableError:
        is_ours = False
    if not is_ours:
        raise OutputError(
            f"{path} is there already and is no stem of Selva Bridge; move it away or choose another name",
            path=str(path),
        )


def _write_whole(path: Path, blocks: Iterable[Samples], num_samples: int, tags: StemTags) -> Loudness:
    """Write under a temporary name beside `path`, flush to the disk, rename; returns how loud it is.

    The loudness stands before the sound and is known after it, so bext is written twice.
    """
    meter = LoudnessMeter(tags.sample_rate_hz)
    unfinished = path.with_name(f".selva-{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("x+b") as file:
            write_wave(
                file,
                meter.watch(blocks),
                num_samples=num_samples,
                sample_rate_hz=tags.sample_rate_hz,
                before=tags.chunks_before_sound(),
                after=tags.chunks_after_sound(),
            )
            loudness = meter.read()
            for chunk in tags.chunks_before_sound(loudness):
                overwrite_chunk(file, chunk)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return loudness


def _output_error(path: Path, exc: OSError) -> OutputError:
    if isinstance(exc, OutputError):
        return exc
    what_to_do = {
        errno.ENOSPC: "the disk is full; free some space",
        errno.EACCES: "this user may not write there; choose another folder",
        errno.EROFS: "the disk is read-only; choose another folder",
        errno.ENOENT: "its folder does not exist; make it first",
        errno.ENOTDIR: "its folder is a file; choose another folder",
        errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
    }.get(exc.errno or 0, str(exc.strerror or exc))
    return OutputError(f"{path} cannot be written: {what_to_do}", path=str(path))

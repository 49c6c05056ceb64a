"""The cut's own sound, mixed down to one file as an editor hears it, with every clip at its place. Loads a decoder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile
from av.audio.resampler import AudioResampler

from selva_core.base.atomic_write import staged_file
from selva_core.base.errors import MediaUnreadableError, NoVideoStreamError
from selva_core.base.rational import round_half_up

SAMPLE_RATE_HZ = 48_000
MAX_SECONDS = 2 * 3600
_BLOCK_SAMPLES = 1 << 18
Samples = npt.NDArray[np.float32]


def write_production_sound(parts: Sequence[Mapping[str, Any]], target: Path, *, duration_s: Fraction) -> int:
    """Mix parts of files into a stereo WAV of 48 kHz; returns how many of them had sound.

    parts: path, start_s and duration_s on the file's clock, at_s on the timeline's. What cannot be read is silent. The mix is
    on disk while it grows: two hours are 2.6 GB.
    """
    num_samples = max(round_half_up(min(duration_s, Fraction(MAX_SECONDS)) * SAMPLE_RATE_HZ), 1)
    with tempfile.TemporaryFile(dir=target.parent) as scratch:
        scratch.truncate(num_samples * 8)
        mix: Samples = np.memmap(scratch, np.float32, "r+", shape=(num_samples, 2))
        num_heard = sum(_add_part(mix, part) for part in parts)
        if num_heard:
            with (
                staged_file(target, flush=False) as temporary,
                soundfile.SoundFile(temporary, "w", SAMPLE_RATE_HZ, 2, "PCM_16", format="WAV") as sound,
            ):
                for first in range(0, num_samples, _BLOCK_SAMPLES):
                    sound.write(np.clip(mix[first : first + _BLOCK_SAMPLES], -1.0, 1.0))
        del mix
    return num_heard


def _add_part(mix: Samples, part: Mapping[str, Any]) -> bool:
    """Add one part; whether it had any sound."""
    at = round_half_up(Fraction(part["at_s"]) * SAMPLE_RATE_HZ)
    end = min(at + round_half_up(Fraction(part["duration_s"]) * SAMPLE_RATE_HZ), len(mix))
    heard = False
    try:
        for decoded in _iter_sound(Path(part["path"]), Fraction(part["start_s"])):
            block = decoded[: max(end - at, 0)]
            if not len(block):
                break
            mix[at : at + len(block)] += block
            at += len(block)
            heard = True
    except (av.FFmpegError, MediaUnreadableError, NoVideoStreamError, OSError, ValueError):
        return heard
    return heard


def _iter_sound(path: Path, start_s: Fraction) -> Iterator[Samples]:
    """Blocks of float32 (N, 2) from a time of the file on; nothing for a file without sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        origin_s = Fraction(container.streams.video[0].start_time or 0) * (
            container.streams.video[0].time_base or 1
        ) if container.streams.video else Fraction(0)  # fmt: skip
        # One channel to two would lose 3 dB, and stems, which have one channel as well, be heard louder beside it.
        layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
        resampler = AudioResampler(format="flt", layout=layout, rate=SAMPLE_RATE_HZ)
        first_s = origin_s + start_s
        if start_s > 1 and stream.time_base:
            container.seek(int((first_s - 1) / stream.time_base), stream=stream)
        skip: int | None = None
        for frame in container.decode(stream):
            if skip is None:
                begins_s = Fraction(frame.pts or 0) * (frame.time_base or Fraction(1))
                skip = round_half_up((first_s - begins_s) * SAMPLE_RATE_HZ)
                if skip < 0:
                    yield np.zeros((-skip, 2), np.float32)
                    skip = 0
            for resampled in resampler.resample(frame):
                block = np.asarray(resampled.to_ndarray(), np.float32).reshape(
                    -1, resampled.layout.nb_channels
                )
                block = np.broadcast_to(block, (len(block), 2))
                dropped = min(skip, len(block))
                skip -= dropped
                if dropped < len(block):
                    yield block[dropped:]

"""Stems as AAC, for pages and players that cannot play them as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from selva_core.base.errors import MediaUnreadableError

SOUND_BITS_PER_S = 96_000


def encode_aac(file: Path) -> bytes:
    """A mono sound file as AAC in MP4. Raises MediaUnreadableError."""
    import av  # noqa: PLC0415 - a process that encodes nothing need not load a decoder
    import soundfile  # noqa: PLC0415

    target = io.BytesIO()
    try:
        with soundfile.SoundFile(file) as sound, av.open(target, "w", format="mp4") as container:
            stream = container.add_stream("aac", rate=sound.samplerate, layout="mono")
            stream.bit_rate = SOUND_BITS_PER_S
            start = 0
            for block in sound.blocks(1 << 16, dtype="float32", always_2d=True):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(block[:, :1].T), format="fltp", layout="mono"
                )
                frame.sample_rate, frame.pts = sound.samplerate, start
                start += len(block)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (soundfile.LibsndfileError, av.FFmpegError) as exc:
        raise MediaUnreadableError(f"{file.name} cannot be put into the page: {exc}", path=str(file)) from exc
    return target.getvalue()

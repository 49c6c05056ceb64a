"""The text-free half of the video encoder over a whole picture, chunk by chunk.

Two thirds of a stem's cost lie here and depend on no prompt, so the tokens of the last picture are kept in
memory where they are small enough, and those of all pictures in a store where one is given: another prompt,
take or re-render of the same clip starts from them.

Letters: S segments, F frames of a segment, T times, P places, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from selva_core.base.media import PictureRange
from selva_core.inference.batching import BatchLimit, memory_of
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.network import Network, cut_segments
from selva_core.video.frame_source import read_stamp
from selva_core.video.frames import Frame, iter_frames

CHUNK_SEGMENTS = 8
KEPT_BYTES = 1 << 30
KEPT_SEGMENTS = 64  # about 20 s; longer pictures are read from the store again where there is one

Check = Callable[[], None]
"""Called between pieces of work; raises to stop."""


@dataclass(frozen=True)
class VideoKey:
    """A picture as its file lay on disk when it was encoded."""

    picture: PictureRange
    num_segments: int
    stamp: str

    @classmethod
    def read(cls, picture: PictureRange, num_segments: int) -> VideoKey:
        """Raises MediaNotFoundError, MediaUnreadableError."""
        return cls(picture, num_segments, read_stamp(picture))


class VideoTokenEncoder:
    """Encodes pictures and keeps the tokens of the last one, at most `kept_bytes` of them.

    kept: where the tokens of all pictures are kept beyond that; the memory then holds KEPT_SEGMENTS at most.
    """

    def __init__(
        self,
        network: Network,
        *,
        batch_segments: int,
        kept_bytes: int = KEPT_BYTES,
        kept: VideoTokenCache | None = None,
    ) -> None:
        self._network = network
        self._store = kept
        self._limit = BatchLimit(batch_segments, memory=memory_of(network.device))
        self._kept_bytes = kept_bytes
        self._kept_key: VideoKey | None = None
        self._kept: list[Tensor] = []

    def has(self, picture: PictureRange, num_segments: int) -> bool:
        """Whether the tokens of this picture are kept."""
        key = VideoKey.read(picture, num_segments)
        return self._kept_key == key or (self._store is not None and self._store.has(key))

    def iter_chunks(self, picture: PictureRange, num_segments: int, *, check: Check) -> Iterator[Tensor]:
        """Yield tokens (S, T, P, D) of up to CHUNK_SEGMENTS segments at a time, in order.

        Raises MediaError, OutOfMemoryError.
        """
        key = VideoKey.read(picture, num_segments)
        if key == self._kept_key:
            yield from self._kept
            return
        self.forget()
        chunks: list[Tensor] = []
        for tokens in self._recall_or_encode(key, check):
            if self._fits_in_memory(tokens, num_segments):
                chunks.append(tokens)
            yield tokens
        if chunks:
            self._kept_key, self._kept = key, chunks

    def forget(self) -> None:
        """Give the memory back."""
        self._kept_key, self._kept = None, []

    def _fits_in_memory(self, tokens: Tensor, num_segments: int) -> bool:
        """Whether all tokens of a picture may be kept, to judge by those of one chunk."""
        if self._store is not None and num_segments > KEPT_SEGMENTS:
            return False
        return tokens[0].nbytes * num_segments <= self._kept_bytes

    def _recall_or_encode(self, key: VideoKey, check: Check) -> Iterator[Tensor]:
        num_recalled = 0
        for tokens in self._recall(key, check):
            num_recalled += 1
            yield tokens
        if num_recalled * CHUNK_SEGMENTS >= key.num_segments:
            return
        for chunk, tokens in enumerate(self._encode(key.picture, key.num_segments, check)):
            if chunk < num_recalled:
                continue  # a later chunk had left the store
            if self._store is not None:
                self._store.keep(key, chunk, tokens)
            yield tokens

    def _recall(self, key: VideoKey, check: Check) -> Iterator[Tensor]:
        """The chunks that are stored, from the first to the first that is missing."""
        if self._store is None:
            return
        for chunk in range(-(-key.num_segments // CHUNK_SEGMENTS)):
            check()
            tokens = self._store.recall(key, chunk)
            if tokens is None:
                return
            yield tokens.to(self._network.device)

    def _encode(self, picture: PictureRange, num_segments: int, check: Check) -> Iterator[Tensor]:
        spec = self._network.spec.video_encoder
        num_frames = (num_segments - 1) * spec.segment_hop_frames + spec.segment_num_frames
        frames = iter_frames(
            picture,
            size_px=spec.frame_size_px,
            num_frames=num_frames,
            frame_rate_hz=Fraction(spec.picture_rate),
        )
        waiting: list[Frame] = []
        for first in range(0, num_segments, CHUNK_SEGMENTS):
            chunk_segments = min(CHUNK_SEGMENTS, num_segments - first)
            chunk_frames = (chunk_segments - 1) * spec.segment_hop_frames + spec.segment_num_frames
            while len(waiting) < chunk_frames:
                check()
                waiting.append(next(frames))
            segments = cut_segments(self._normalized(waiting), spec)
            yield self._encode_segments(segments, check)
            waiting = waiting[chunk_segments * spec.segment_hop_frames :]

    def _normalized(self, frames: Sequence[Frame]) -> Tensor:
        """uint8 frames to float32 (F, 3, size, size), -1..1, on the device."""
        pixels = torch.from_numpy(np.stack(frames)).to(self._network.device)
        return (pixels.permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5

    def _encode_segments(self, segments: Tensor, check: Check) -> Tensor:
        encoded: list[Tensor] = []

        def encode(batch: Sequence[int]) -> None:
            check()
            stretch = segments[batch[0] : batch[-1] + 1].to(self._network.dtype)
            encoded.append(self._network.video_encoder.encode_segments(stretch))

        self._limit.run(range(segments.shape[0]), encode)
        return torch.cat(encoded)

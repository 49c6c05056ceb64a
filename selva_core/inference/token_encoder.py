"""The text-free half of the video encoder over a whole clip, chunk by chunk.

Two thirds of a stem's cost lie here and depend on no prompt. So the tokens of the last clip are kept in memory where they
are small enough, and those of all clips in a cache where one is given: another prompt, take or re-render of the same clip
reuses them.

Dimensions: S segments, F frames of a segment, T tubelets along time, P patches, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from selva_core.base.media import PictureRange
from selva_core.inference.batching import BatchLimit, device_memory
from selva_core.inference.token_cache import VideoKey, VideoTokenCache
from selva_core.network import Network, cut_segments, host_copy
from selva_core.network.bridges import apply_bridges, bridge_reach_frames, cut_bridges
from selva_core.video.frames import Frame, iter_frames

CHUNK_SEGMENTS = 8
MAX_MEMORY_BYTES = 1 << 30
TEXTURE_FRAMES = 8
MAX_MEMORY_SEGMENTS = 64  # about 20 s; longer clips are read from the cache again where there is one

Check = Callable[[], None]
"""Called between pieces of work; raises to stop."""

OnEncoded = Callable[[int], None]
"""Called with the number of segments that were encoded, batch by batch; segments from the cache are not counted."""

OnTexture = Callable[[float], None]
"""Called with the texture of each chunk's frames, if it is known (see `measure_texture`)."""


class VideoTokenEncoder:
    """Encodes video and keeps the tokens of the last clip in memory, if they take at most `max_memory_bytes`.

    cache: holds the tokens of all clips; with it, memory holds those of a clip of at most MAX_MEMORY_SEGMENTS.
    """

    def __init__(
        self,
        network: Network,
        *,
        batch_segments: int,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        cache: VideoTokenCache | None = None,
    ) -> None:
        self._network = network
        self._cache = cache
        self._limit = BatchLimit(batch_segments, memory=device_memory(network.device))
        self._max_memory_bytes = max_memory_bytes
        self._memory_key: VideoKey | None = None
        self._memory: list[Tensor] = []
        self._memory_textures: list[float] = []

    def has(self, picture: PictureRange, num_segments: int) -> bool:
        """Whether the tokens of this clip need not be encoded again."""
        key = VideoKey.read(picture, num_segments)
        return self._memory_key == key or (self._cache is not None and self._cache.has(key))

    def iter_chunks(
        self,
        picture: PictureRange,
        num_segments: int,
        *,
        check: Check,
        on_encoded: OnEncoded = lambda num_segments: None,
        on_texture: OnTexture = lambda texture: None,
    ) -> Iterator[Tensor]:
        """Yield tokens (S, T, P, D) of up to CHUNK_SEGMENTS segments at a time, in order.

        Raises MediaError, OutOfMemoryError.
        """
        key = VideoKey.read(picture, num_segments)
        if key == self._memory_key:
            for texture in self._memory_textures:
                on_texture(texture)
            yield from self._memory
            return
        self.clear()
        chunks: list[Tensor] = []
        textures: list[float] = []

        def note_texture(texture: float) -> None:
            textures.append(texture)
            on_texture(texture)

        for tokens in self._load_or_encode(key, check, on_encoded, note_texture):
            if self._fits_in_memory(tokens, num_segments):
                chunks.append(tokens)
            yield tokens
        if chunks and key == VideoKey.read(picture, num_segments):
            self._memory_key, self._memory, self._memory_textures = key, chunks, textures

    def clear(self) -> None:
        """Free the tokens in memory."""
        self._memory_key, self._memory, self._memory_textures = None, [], []

    def _fits_in_memory(self, tokens: Tensor, num_segments: int) -> bool:
        """Whether all tokens of a clip fit in memory, estimated from those of one chunk."""
        if self._cache is not None and num_segments > MAX_MEMORY_SEGMENTS:
            return False
        return tokens[0].nbytes * num_segments <= self._max_memory_bytes

    def _load_or_encode(
        self, key: VideoKey, check: Check, on_encoded: OnEncoded, on_texture: OnTexture
    ) -> Iterator[Tensor]:
        num_loaded = 0
        for tokens in self._load(key, check, on_texture):
            num_loaded += 1
            yield tokens
        if num_loaded * CHUNK_SEGMENTS >= key.num_segments:
            return
        # Decoding starts at the clip's beginning even if only a later chunk was evicted: frames can be read in order only.
        for chunk, (tokens, texture) in enumerate(self._encode(key, check, on_encoded)):
            if chunk < num_loaded:
                continue
            on_texture(texture)
            if self._cache is not None and key == VideoKey.read(key.picture, key.num_segments):
                # A file that was changed meanwhile must not be stored under the key of its earlier content.
                self._cache.put(key, chunk, tokens, texture=texture)
            yield tokens

    def _load(self, key: VideoKey, check: Check, on_texture: OnTexture) -> Iterator[Tensor]:
        """The cached chunks, up to the first that is missing."""
        if self._cache is None:
            return
        for chunk in range(-(-key.num_segments // CHUNK_SEGMENTS)):
            check()
            tokens = self._cache.get(key, chunk)
            if tokens is None:
                return
            texture = self._cache.texture_of(key, chunk)
            if texture is not None:
                on_texture(texture)
            yield host_copy.to_device(tokens, self._network.device)

    def _encode(self, key: VideoKey, check: Check, on_encoded: OnEncoded) -> Iterator[tuple[Tensor, float]]:
        """Tokens of each chunk, and the texture of its frames."""
        picture, num_segments = key.picture, key.num_segments
        spec = self._network.spec.video_encoder
        num_frames = (num_segments - 1) * spec.segment_hop_frames + spec.segment_num_frames
        frames = iter_frames(
            picture,
            size_px=spec.frame_size_px,
            num_frames=num_frames,
            frame_rate_hz=Fraction(spec.frame_rate_hz),
        )
        reach = bridge_reach_frames(spec)
        pending: list[Frame] = []
        for first in range(0, num_segments, CHUNK_SEGMENTS):
            chunk_segments = min(CHUNK_SEGMENTS, num_segments - first)
            chunk_frames = (chunk_segments - 1) * spec.segment_hop_frames + spec.segment_num_frames
            num_before = reach if first else 0
            num_after = reach if first + chunk_segments < num_segments else 0
            while len(pending) < num_before + chunk_frames + num_after:
                check()
                pending.append(next(frames))
            own = pending[num_before : num_before + chunk_frames]
            tokens = self._encode_segments(cut_segments(self._normalized(own), spec), check, on_encoded)
            if reach:
                across = pending[reach - num_before : len(pending) - reach + num_after]
                tokens = self._bridge(tokens, across, check, begins_at_border=first > 0)
            yield tokens, measure_texture(own)
            pending = pending[num_before + chunk_segments * spec.segment_hop_frames - num_after :]

    def _bridge(
        self, tokens: Tensor, frames: Sequence[Frame], check: Check, *, begins_at_border: bool
    ) -> Tensor:
        """frames: those of the bridges (see `cut_bridges`)."""
        spec = self._network.spec.video_encoder
        if len(frames) < spec.segment_num_frames:
            return tokens
        segments = cut_bridges(self._normalized(frames), spec)
        bridges = self._encode_segments(segments, check, lambda num_segments: None)
        return apply_bridges(tokens, bridges, begins_at_border=begins_at_border)

    def _normalized(self, frames: Sequence[Frame]) -> Tensor:
        """uint8 frames to float32 (F, 3, size, size), -1..1, on the device."""
        pixels = host_copy.to_device(torch.from_numpy(np.stack(frames)), self._network.device)
        return (pixels.permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5

    def _encode_segments(self, segments: Tensor, check: Check, on_encoded: OnEncoded) -> Tensor:
        encoded: list[Tensor] = []

        def encode(batch: Sequence[int]) -> None:
            check()
            part = segments[batch[0] : batch[-1] + 1].to(self._network.dtype)
            encoded.append(self._network.video_encoder.encode_segments(part))
            on_encoded(len(batch))

        with self._network.video_encoder.many_segments():
            self._limit.run(range(segments.shape[0]), encode)
        return torch.cat(encoded)


def measure_texture(frames: Sequence[Frame]) -> float:
    """How much of the pictures is grain and detail: how far a sample is from its four neighbours, 0..1; the median of each frame,
    and the largest of all frames, because footage that is dark or blurred at first is flat there.

    At 48 pixels drawn shapes stay below 0.04 in every frame, and footage of cameras is above 0.06 in some. Every eighth frame
    is enough.
    """
    pixels = np.stack(frames[::TEXTURE_FRAMES]).astype(np.int16)
    inner = pixels[:, 1:-1, 1:-1]
    around = pixels[:, 2:, 1:-1] + pixels[:, :-2, 1:-1] + pixels[:, 1:-1, 2:] + pixels[:, 1:-1, :-2]
    return float(np.median(np.abs(4 * inner - around), axis=(1, 2, 3)).max()) / 255.0

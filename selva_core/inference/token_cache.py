"""Tokens of pictures in a store that outlives the engine, so that a cut seen before is not encoded again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from selva_core.engine import FeatureStore

if TYPE_CHECKING:
    from selva_core.inference.token_encoder import VideoKey

_NAME = "tokens"


class VideoTokenCache:
    """One entry per chunk of a picture, named by the picture, the weights, and where and how precisely it ran.

    maker: what the tokens depend on besides the picture: weights, kind of device, precision.
    """

    def __init__(self, store: FeatureStore, *, maker: str) -> None:
        self._store = store
        self._maker = maker

    def has(self, key: VideoKey) -> bool:
        """Whether the first chunk is kept; the others are then rarely missing."""
        return self._store.has(self._entry(key, 0))

    def recall(self, key: VideoKey, chunk: int) -> Tensor | None:
        """Tokens (S, T, P, D) on the CPU, or None."""
        content = self._store.get(self._entry(key, chunk))
        if content is None:
            return None
        try:
            return load(content)[_NAME]
        except (SafetensorError, KeyError):
            return None

    def keep(self, key: VideoKey, chunk: int, tokens: Tensor) -> None:
        """Store the tokens of one chunk."""
        self._store.put(self._entry(key, chunk), save({_NAME: tokens.contiguous().cpu()}))

    def _entry(self, key: VideoKey, chunk: int) -> str:
        picture = key.picture
        facts = (
            self._maker,
            str(picture.path),
            key.stamp,
            picture.images,
            picture.start_s,
            picture.duration_s,
            picture.speed,
            key.num_segments,
            chunk,
        )
        return hashlib.sha256(repr(facts).encode("utf-8", errors="surrogatepass")).hexdigest()

"""Video tokens in a store that outlives the engine, so that a cut rendered before is not encoded again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from selva_core.base.media import PictureRange
from selva_core.engine import FeatureStore
from selva_core.network import host_copy
from selva_core.video.damage import damaged_times_s, note_damage
from selva_core.video.frame_source import read_stamp

_NAME = "tokens"
_DAMAGED = "damaged_times_s"
_TEXTURE = "texture"


@dataclass(frozen=True)
class VideoKey:
    """A picture range as its file was on disk when it was encoded; `stamp` changes with the file."""

    picture: PictureRange
    num_segments: int
    stamp: str

    @classmethod
    def read(cls, picture: PictureRange, num_segments: int) -> VideoKey:
        """Raises MediaNotFoundError, MediaUnreadableError."""
        return cls(picture, num_segments, read_stamp(picture))


class VideoTokenCache:
    """One entry per chunk of a video, keyed by the picture range, its file and the producer of the tokens.

    Where frames of it could not be decoded, an entry says which, so that every stem made from it can say so too.

    producer: what the tokens depend on besides the video: weights, kind of device, precision.
    """

    def __init__(self, store: FeatureStore, *, producer: str) -> None:
        self._store = store
        self._producer = producer

    def has(self, key: VideoKey) -> bool:
        """Whether the first chunk is stored; the others are then rarely missing."""
        return self._store.has(self._entry_key(key, 0))

    def get(self, key: VideoKey, chunk: int) -> Tensor | None:
        """Tokens (S, T, P, D) on the CPU; None where the chunk is missing or damaged."""
        content = self._store.get(self._entry_key(key, chunk))
        if content is None:
            return None
        try:
            tokens = load(content)[_NAME]
            note_damage(key.picture.path, map(Fraction, _read_metadata(content).get(_DAMAGED, "").split()))
        except (SafetensorError, KeyError, ValueError):
            return None
        return tokens

    def texture_of(self, key: VideoKey, chunk: int) -> float | None:
        """The texture of a chunk's frames (see `selva_core.inference.token_encoder.measure_texture`); None where it is missing,
        damaged, or was stored by an earlier version.
        """
        content = self._store.get(self._entry_key(key, chunk))
        try:
            return None if content is None else float(_read_metadata(content)[_TEXTURE])
        except (KeyError, ValueError):
            return None

    def put(self, key: VideoKey, chunk: int, tokens: Tensor, *, texture: float) -> None:
        """Store the tokens of one chunk, and the texture of its frames."""
        metadata = {_TEXTURE: f"{texture:.6f}"}
        damaged = " ".join(map(str, damaged_times_s(key.picture)))
        if damaged:
            metadata[_DAMAGED] = damaged
        content = save({_NAME: host_copy.to_host(tokens.contiguous())}, metadata=metadata)
        self._store.put(self._entry_key(key, chunk), content)

    def _entry_key(self, key: VideoKey, chunk: int) -> str:
        """64 hex digits. The text that is hashed must not change: entries on users' disks are found by it."""
        picture = key.picture
        identity = (
            self._producer,
            str(picture.path),
            key.stamp,
            picture.images,
            picture.start_s,
            picture.duration_s,
            picture.speed,
            key.num_segments,
            chunk,
        )
        return hashlib.sha256(repr(identity).encode("utf-8", errors="surrogatepass")).hexdigest()


def _read_metadata(content: bytes) -> dict[str, str]:
    """The texts in the header of a safetensors file; its loader for bytes does not give them."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return dict(header.get("__metadata__", {}))

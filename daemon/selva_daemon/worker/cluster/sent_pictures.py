"""Small pictures that lie in Ray's store already, so that further prompts over a clip need neither its media nor the network."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from selva_core.base.media import PictureRange
from selva_daemon.worker.media_identity import MediaState, read_state

MAX_BYTES = 128 << 20
"""Some two minutes of what a model of a published size sees, half an hour of what selva-nano does. Ray's store takes a third of a
machine's memory by default, and swaps to disk what is too much.
"""


@dataclass(frozen=True, kw_only=True)
class PictureKey:
    """The same range of the same files, in the same form. suffix: of the small picture's file."""

    picture: PictureRange
    state: MediaState
    suffix: str

    @classmethod
    def of(cls, picture: PictureRange, suffix: str) -> PictureKey:
        """Raises MediaError."""
        return cls(picture=picture, state=read_state(picture), suffix=suffix)


@dataclass(frozen=True, kw_only=True)
class SentPicture:
    """parts: references to the parts of its file, which Ray keeps while they are held."""

    name: str
    parts: tuple[Any, ...]
    size_bytes: int


class SentPictures:
    """Those that were used last, for all devices of a worker."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._pictures: OrderedDict[PictureKey, SentPicture] = OrderedDict()

    def find(self, key: PictureKey) -> SentPicture | None:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def store(self, key: PictureKey, sent: SentPicture) -> None:
        """Only what is small enough, and whose media is as it was when it was read."""
        if sent.size_bytes > self._max_bytes or read_state(key.picture) != key.state:
            return
        with self._lock:
            self._pictures[key] = sent
            while sum(each.size_bytes for each in self._pictures.values()) > self._max_bytes:
                self._pictures.popitem(last=False)

    def forget(self, lost: Iterable[SentPicture]) -> None:
        """What a call that failed was given may be lost in Ray's store."""
        names = {each.name for each in lost}
        with self._lock:
            for key in [key for key, each in self._pictures.items() if each.name in names]:
                del self._pictures[key]

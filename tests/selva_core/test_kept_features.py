"""Tokens of pictures in a store: the same bits, without decoding or encoding the picture again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from selva_core.base.errors import RenderCancelled
from selva_core.base.media import PictureRange
from selva_core.inference import token_encoder as picture_tokens
from selva_core.inference.dummy_weights import build_dummy_weights
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.inference.token_encoder import VideoKey, VideoTokenEncoder
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Network

NUM_SEGMENTS = 3


class Shelf:
    """A FeatureStore in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def has(self, key: str) -> bool:
        return key in self.blobs

    def get(self, key: str) -> bytes | None:
        return self.blobs.get(key)

    def put(self, key: str, blob: bytes) -> None:
        self.blobs[key] = blob


@pytest.fixture(scope="module")
def network() -> Network:
    return build_dummy_weights(NANO_SPEC)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture(autouse=True)
def _one_segment_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_tokens, "CHUNK_SEGMENTS", 1)


@pytest.fixture
def picture(tmp_path: Path) -> PictureRange:
    file = tmp_path / "clip.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(40):
            pixels = np.full((48, 64, 3), 6 * index, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return PictureRange(path=file, start_s=Fraction(0), duration_s=Fraction(1))


def read(
    network: Network, picture: PictureRange, shelf: Shelf | None, *, maker: str = "weights cpu"
) -> list[Tensor]:
    """The chunks of a picture, by an engine that has just been loaded."""
    kept = None if shelf is None else VideoTokenCache(shelf, maker=maker)
    tokens = VideoTokenEncoder(network, batch_segments=1, kept=kept)
    with torch.inference_mode():
        return list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_stored_picture_gives_the_same_bits(network: Network, picture: PictureRange, shelf: Shelf) -> None:
    plain = read(network, picture, None)
    assert same(read(network, picture, shelf), plain)
    assert len(shelf.blobs) == NUM_SEGMENTS
    assert same(read(network, picture, shelf), plain)


def test_a_stored_picture_is_not_decoded_again(
    network: Network, picture: PictureRange, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(network, picture, shelf)
    monkeypatch.setattr(picture_tokens, "iter_frames", None)  # decoding would fail
    assert len(read(network, picture, shelf)) == NUM_SEGMENTS
    with pytest.raises(TypeError):
        read(network, picture, Shelf())


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_damaged_or_vanished_chunk_is_encoded_again(
    damage: str, network: Network, picture: PictureRange, shelf: Shelf
) -> None:
    expected = read(network, picture, shelf)
    key = list(shelf.blobs)[1]
    if damage == "gone":
        del shelf.blobs[key]
    else:
        shelf.blobs[key] = b"broken"
    assert same(read(network, picture, shelf), expected)
    assert shelf.blobs[key] != b"broken"


def test_a_changed_file_or_other_weights_are_not_answered_from_the_store(
    network: Network, picture: PictureRange, shelf: Shelf
) -> None:
    read(network, picture, shelf)
    read(network, picture, shelf, maker="other weights cpu")
    assert len(shelf.blobs) == 2 * NUM_SEGMENTS
    with picture.path.open("ab") as file:
        file.write(b"\0")
    read(network, picture, shelf)
    assert len(shelf.blobs) == 3 * NUM_SEGMENTS


def test_reading_a_stored_picture_can_be_cancelled(
    network: Network, picture: PictureRange, shelf: Shelf
) -> None:
    read(network, picture, shelf)
    tokens = VideoTokenEncoder(network, batch_segments=1, kept=VideoTokenCache(shelf, maker="weights cpu"))
    assert tokens.has(picture, NUM_SEGMENTS)

    def stop() -> None:
        raise RenderCancelled("stop")

    with pytest.raises(RenderCancelled):
        list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=stop))


@pytest.mark.parametrize("num_kept", [NUM_SEGMENTS, NUM_SEGMENTS - 1])
def test_a_long_picture_is_read_from_the_store_again_and_a_short_one_from_memory(
    network: Network,
    picture: PictureRange,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    num_kept: int,
) -> None:
    monkeypatch.setattr(picture_tokens, "KEPT_SEGMENTS", num_kept)
    num_recalled = 0

    class CountedTokens(VideoTokenCache):
        def recall(self, key: VideoKey, chunk: int) -> Tensor | None:
            nonlocal num_recalled
            num_recalled += 1
            return super().recall(key, chunk)

    tokens = VideoTokenEncoder(network, batch_segments=1, kept=CountedTokens(shelf, maker="weights cpu"))
    with torch.inference_mode():
        first = list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))
        num_recalled = 0
        assert same(list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None)), first)
    assert num_recalled == (0 if num_kept == NUM_SEGMENTS else NUM_SEGMENTS)


def test_a_long_picture_is_kept_in_memory_where_there_is_no_store(
    network: Network, picture: PictureRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_tokens, "KEPT_SEGMENTS", 1)
    tokens = VideoTokenEncoder(network, batch_segments=1)
    with torch.inference_mode():
        first = list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))
        monkeypatch.setattr(picture_tokens, "iter_frames", None)  # decoding would fail
        assert same(list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None)), first)

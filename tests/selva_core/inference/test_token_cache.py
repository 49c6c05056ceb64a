"""Video tokens from a store: the same bits, without decoding or encoding the clip again."""

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
from selva_core.inference import token_encoder
from selva_core.inference.dummy_weights import build_dummy_weights
from selva_core.inference.token_cache import VideoKey, VideoTokenCache
from selva_core.inference.token_encoder import VideoTokenEncoder
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Network
from selva_core.network.bridges import encode_clip
from selva_core.video.frames import read_frames

NUM_SEGMENTS = 3


class MemoryStore:
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
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(autouse=True)
def _one_segment_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_encoder, "CHUNK_SEGMENTS", 1)


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
    network: Network, picture: PictureRange, store: MemoryStore | None, *, producer: str = "weights cpu"
) -> list[Tensor]:
    """The chunks of a clip, by an encoder that has just been made."""
    cache = None if store is None else VideoTokenCache(store, producer=producer)
    tokens = VideoTokenEncoder(network, batch_segments=1, cache=cache)
    with torch.inference_mode():
        return list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_stored_clip_gives_the_same_bits(
    network: Network, picture: PictureRange, store: MemoryStore
) -> None:
    plain = read(network, picture, None)
    assert same(read(network, picture, store), plain)
    assert len(store.blobs) == NUM_SEGMENTS
    assert same(read(network, picture, store), plain)


@pytest.mark.parametrize("chunk_segments", [1, 2, 3])
def test_a_clip_has_the_same_tokens_whatever_its_chunks_as_the_bridges_between_these_are_there_too(
    chunk_segments: int, network: Network, picture: PictureRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_encoder, "CHUNK_SEGMENTS", chunk_segments)
    size_px, num_frames = NANO_SPEC.video_encoder.frame_size_px, 8 * NUM_SEGMENTS
    frames = torch.from_numpy(read_frames(picture, size_px=size_px, num_frames=num_frames))
    pixels = (frames.permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5
    with torch.inference_mode():
        whole = encode_clip(network.video_encoder, pixels)
    torch.testing.assert_close(torch.cat(read(network, picture, None)), whole)


def test_the_texture_of_a_clip_is_stored_with_its_tokens(
    network: Network, picture: PictureRange, store: MemoryStore
) -> None:
    def textures(encoder: VideoTokenEncoder) -> list[float]:
        found: list[float] = []
        list(encoder.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None, on_texture=found.append))
        return found

    cache = VideoTokenCache(store, producer="weights cpu")
    with torch.inference_mode():
        encoder = VideoTokenEncoder(network, batch_segments=1, cache=cache)
        encoded = textures(encoder)
        assert textures(encoder) == encoded  # from memory
        assert textures(VideoTokenEncoder(network, batch_segments=1, cache=cache)) == pytest.approx(encoded)
    assert len(encoded) == NUM_SEGMENTS


def test_texture_is_that_of_grain_and_not_of_flat_shapes() -> None:
    flat = np.zeros((48, 48, 3), np.uint8)
    flat[10:30, 10:30] = 200
    grain = np.random.default_rng(0).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    assert token_encoder.measure_texture([flat] * 9) == 0.0
    assert token_encoder.measure_texture([grain] * 9) > 0.3


def test_a_stored_clip_is_not_decoded_again(
    network: Network, picture: PictureRange, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(network, picture, store)
    monkeypatch.setattr(token_encoder, "iter_frames", None)  # decoding would fail
    assert len(read(network, picture, store)) == NUM_SEGMENTS
    with pytest.raises(TypeError):
        read(network, picture, MemoryStore())


@pytest.mark.parametrize("damage", ["gone", "broken"])
def test_a_damaged_or_missing_chunk_is_encoded_again(
    damage: str, network: Network, picture: PictureRange, store: MemoryStore
) -> None:
    expected = read(network, picture, store)
    key = list(store.blobs)[1]
    if damage == "gone":
        del store.blobs[key]
    else:
        store.blobs[key] = b"broken"
    assert same(read(network, picture, store), expected)
    assert store.blobs[key] != b"broken"


def test_a_changed_file_or_other_weights_are_not_answered_from_the_store(
    network: Network, picture: PictureRange, store: MemoryStore
) -> None:
    read(network, picture, store)
    read(network, picture, store, producer="other weights cpu")
    assert len(store.blobs) == 2 * NUM_SEGMENTS
    with picture.path.open("ab") as file:
        file.write(b"\0")
    read(network, picture, store)
    assert len(store.blobs) == 3 * NUM_SEGMENTS


def test_reading_a_stored_clip_can_be_cancelled(
    network: Network, picture: PictureRange, store: MemoryStore
) -> None:
    read(network, picture, store)
    tokens = VideoTokenEncoder(
        network, batch_segments=1, cache=VideoTokenCache(store, producer="weights cpu")
    )
    assert tokens.has(picture, NUM_SEGMENTS)

    def stop() -> None:
        raise RenderCancelled("stop")

    with pytest.raises(RenderCancelled):
        list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=stop))


@pytest.mark.parametrize("max_segments", [NUM_SEGMENTS, NUM_SEGMENTS - 1])
def test_a_long_clip_is_read_from_the_store_again_and_a_short_one_from_memory(
    network: Network,
    picture: PictureRange,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
    max_segments: int,
) -> None:
    monkeypatch.setattr(token_encoder, "MAX_MEMORY_SEGMENTS", max_segments)
    num_loaded = 0

    class CountingCache(VideoTokenCache):
        def get(self, key: VideoKey, chunk: int) -> Tensor | None:
            nonlocal num_loaded
            num_loaded += 1
            return super().get(key, chunk)

    tokens = VideoTokenEncoder(network, batch_segments=1, cache=CountingCache(store, producer="weights cpu"))
    with torch.inference_mode():
        first = list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))
        num_loaded = 0
        assert same(list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None)), first)
    assert num_loaded == (0 if max_segments == NUM_SEGMENTS else NUM_SEGMENTS)


def test_a_long_clip_stays_in_memory_where_there_is_no_store(
    network: Network, picture: PictureRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_encoder, "MAX_MEMORY_SEGMENTS", 1)
    tokens = VideoTokenEncoder(network, batch_segments=1)
    with torch.inference_mode():
        first = list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None))
        monkeypatch.setattr(token_encoder, "iter_frames", None)  # decoding would fail
        assert same(list(tokens.iter_chunks(picture, NUM_SEGMENTS, check=lambda: None)), first)


def test_texture_is_that_of_the_frame_that_has_most() -> None:
    """Footage that fades in is flat at first."""
    flat = np.full((48, 48, 3), 90, np.uint8)
    grain = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    fading = [flat] * 16 + [grain]
    assert token_encoder.measure_texture(fading) == token_encoder.measure_texture([grain])

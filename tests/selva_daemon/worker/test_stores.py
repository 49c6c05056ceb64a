"""The caches on disk and the identity of media."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, RenderCancelled
from selva_core.base.media import ImageSequence, PictureRange
from selva_core.engine import Waveform
from selva_core.models.catalog import file_path, find_model
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.media_identity import (
    PART_BYTES,
    WHOLE_BELOW_BYTES,
    identify_media,
    identify_picture,
    read_state,
    require_unchanged,
)
from selva_daemon.worker.model_info import ModelInfo, ModelInfoCache
from selva_daemon.worker.stem_cache import StemCache

KEY, OTHER_KEY = "a" * 64, "b" * 64
LONG_AGO_S = 1_500_000_000


def store_at(folder: Path, *, max_bytes: int = 1 << 20) -> BlobStore:
    return BlobStore(folder, max_bytes=max_bytes)


def test_what_is_put_is_got_and_what_is_not_there_is_none(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    assert store.get(KEY) is None
    store.put(KEY, b"sound")
    assert store.get(KEY) == b"sound"
    assert store_at(tmp_path).get(KEY) == b"sound"
    assert store.get(OTHER_KEY) is None


def test_a_damaged_entry_is_dropped_and_can_be_stored_again(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.put(KEY, b"sound")
    (file,) = tmp_path.glob("??/*")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert store.get(KEY) is None
    assert not file.exists()
    store.put(KEY, b"sound")
    assert store.get(KEY) == b"sound"


def test_the_least_recently_used_entries_go_first(tmp_path: Path) -> None:
    store = store_at(tmp_path, max_bytes=5_000)
    keys = [f"{index:064x}" for index in range(5)]
    for age, key in enumerate(keys[:4]):
        store.put(key, b"x" * 1_000)
        os.utime(tmp_path / key[:2] / key, (LONG_AGO_S + age, LONG_AGO_S + age))
    assert store.get(keys[0]) is not None  # used: now the youngest
    store.put(keys[4], b"x" * 1_000)
    assert store.get(keys[0]) is not None
    assert store.get(keys[1]) is None
    assert store.info().size_bytes <= 5_000


def test_another_processs_entries_count_towards_the_limit(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from selva_daemon.worker.blob_store import BlobStore\n"
        "store = BlobStore(Path(sys.argv[1]), max_bytes=10_000)\n"
        "for index in range(40): store.put(f'{int(sys.argv[2]) + index:064x}', bytes(1_000))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(start)]) for start in (0, 1_000)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    store = store_at(tmp_path, max_bytes=10_000)
    store.put(KEY, bytes(1_000))
    assert store.info().size_bytes <= 10_000
    assert store.get(KEY) is not None


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_what_is_larger_than_the_store_is_not_stored(max_bytes: int, tmp_path: Path) -> None:
    store = store_at(tmp_path, max_bytes=max_bytes)
    store.put(KEY, bytes(1_000))
    assert store.info().num_entries == 0


def test_a_store_that_cannot_be_written_costs_nobody_a_job(tmp_path: Path) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_bytes(b"a file where the folder should be")
    store = store_at(in_the_way)
    store.put(KEY, b"sound")
    assert store.get(KEY) is None


def test_clear_removes_entries_and_says_what_there_was(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.put(KEY, b"sound")
    store.put(OTHER_KEY, b"more sound")
    assert store.clear().num_entries == 2
    assert store.info().num_entries == 0


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_a_key_that_is_no_hash_never_becomes_a_path(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        store_at(tmp_path).get(key)


def test_a_waveform_comes_back_bit_by_bit(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).standard_normal(1_001).astype(np.float32)
    cache = StemCache(store_at(tmp_path))
    cache.put(KEY, Waveform(samples=samples, sample_rate_hz=44_100, warnings=("leise",)))
    found = cache.get(KEY)
    assert found is not None
    assert np.array_equal(found.samples, samples)
    assert (found.sample_rate_hz, found.warnings) == (44_100, ("leise",))
    assert found.samples.dtype == np.float32


def big_file(file: Path, *, seed: int = 1) -> Path:
    file.write_bytes(np.random.default_rng(seed).bytes(WHOLE_BELOW_BYTES + 3 * PART_BYTES))
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    return file


def test_a_copy_has_the_same_identity_and_another_file_has_not(tmp_path: Path) -> None:
    first, copy = big_file(tmp_path / "a"), big_file(tmp_path / "b")
    assert identify_media(first) == identify_media(copy)
    assert identify_media(first) != identify_media(big_file(tmp_path / "c", seed=2))


def test_a_touched_big_file_counts_as_changed_and_a_touched_small_one_does_not(tmp_path: Path) -> None:
    big, small = big_file(tmp_path / "big"), tmp_path / "small"
    small.write_bytes(b"tiny")
    before = identify_media(big), identify_media(small)
    for file in (big, small):
        os.utime(file, (LONG_AGO_S + 100, LONG_AGO_S + 100))
    assert identify_media(big) != before[0]
    assert identify_media(small) == before[1]


def test_a_change_in_an_unhashed_part_is_seen_while_the_file_is_young(tmp_path: Path) -> None:
    file = big_file(tmp_path / "a")
    now_s = LONG_AGO_S + 1.0
    before = identify_media(file, now_s=now_s)
    with file.open("r+b") as stream:
        stream.seek(PART_BYTES + 10)
        stream.write(b"changed")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    assert identify_media(file, now_s=now_s) != before


def test_a_time_in_the_future_does_not_make_a_big_file_be_read_whole(tmp_path: Path) -> None:
    hashed: list[int] = []
    file = big_file(tmp_path / "a")
    ahead_s, just_now_s = LONG_AGO_S - 3600.0, LONG_AGO_S + 1.0
    identity = identify_media(file, now_s=ahead_s, on_hashed=lambda done, total: hashed.append(done))
    assert (hashed, identity.modified_ns) == ([], LONG_AGO_S * 10**9)
    identify_media(file, now_s=just_now_s, on_hashed=lambda done, total: hashed.append(done))
    assert hashed[-1] == file.stat().st_size
    assert len(hashed) == -(-file.stat().st_size // PART_BYTES)


def test_hashing_a_big_file_can_be_stopped_between_blocks(tmp_path: Path) -> None:
    def stop(done_bytes: int, total_bytes: int) -> None:
        raise RenderCancelled(f"after {done_bytes} of {total_bytes}")

    file = big_file(tmp_path / "a")
    with pytest.raises(RenderCancelled, match=f"after {PART_BYTES} of {file.stat().st_size}"):
        identify_media(file, now_s=LONG_AGO_S, on_hashed=stop)


def change_in_place(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"another picture")
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))


def replace_by_another(file: Path) -> None:
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    os.utime(other, (LONG_AGO_S, LONG_AGO_S))
    other.replace(file)


@pytest.mark.skipif(
    sys.platform == "win32", reason="the time of a change of the file's facts is not told there"
)
@pytest.mark.parametrize("change", [change_in_place, replace_by_another])
@pytest.mark.parametrize("is_sequence", [False, True])
def test_media_that_is_changed_meanwhile_is_told_even_with_its_old_time(
    tmp_path: Path, change: Callable[[Path], None], is_sequence: bool
) -> None:
    media = sequence_at(tmp_path / "s")
    if not is_sequence:
        media = replace(media, path=tmp_path / "s" / "shot.0003.png", images=None)
    before = read_state(media)
    require_unchanged(media, before)
    change(tmp_path / "s" / "shot.0003.png")
    with pytest.raises(MediaUnreadableError, match="changed while it was looked at"):
        require_unchanged(media, before)


def sequence_at(folder: Path, *, image_bytes: int = 100, num_images: int = 12) -> PictureRange:
    folder.mkdir(exist_ok=True)
    for number in range(num_images):
        file = folder / f"shot.{number:04d}.png"
        file.write_bytes(np.random.default_rng(number).bytes(image_bytes))
        os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    return PictureRange(
        path=folder / "shot.%04d.png",
        start_s=Fraction(0),
        duration_s=Fraction(1),
        images=ImageSequence(rate_hz=Fraction(25)),
    )


@pytest.mark.parametrize("image_bytes", [100, WHOLE_BELOW_BYTES // 6])
def test_an_image_sequence_is_known_by_all_of_its_images(tmp_path: Path, image_bytes: int) -> None:
    media = sequence_at(tmp_path / "a", image_bytes=image_bytes)
    before = identify_picture(media)
    assert identify_picture(sequence_at(tmp_path / "b", image_bytes=image_bytes)) == before
    (tmp_path / "a" / "notes.txt").write_text("not of the sequence")
    assert identify_picture(media) == before
    (tmp_path / "a" / "shot.0003.png").write_bytes(b"rendered again")
    changed = identify_picture(media)
    assert changed != before
    (tmp_path / "a" / "shot.0007.png").unlink()
    assert identify_picture(media) not in (before, changed)


def test_a_touched_image_counts_in_a_big_sequence_and_not_in_a_small_one(tmp_path: Path) -> None:
    small = sequence_at(tmp_path / "small")
    big = sequence_at(tmp_path / "big", image_bytes=WHOLE_BELOW_BYTES // 6)
    before = identify_picture(small), identify_picture(big)
    for folder in ("small", "big"):
        os.utime(tmp_path / folder / "shot.0004.png", (LONG_AGO_S + 100, LONG_AGO_S + 100))
    assert identify_picture(small) == before[0]
    assert identify_picture(big) != before[1]


def test_the_identity_of_a_file_is_its_own_and_no_sequence_is_part_of_it(tmp_path: Path) -> None:
    file = big_file(tmp_path / "a.mov")
    media = PictureRange(path=file, start_s=Fraction(0), duration_s=Fraction(1))
    assert identify_picture(media) == identify_media(file)
    gone = replace(media, path=tmp_path / "gone.%04d.png", images=ImageSequence(rate_hz=Fraction(25)))
    with pytest.raises(MediaNotFoundError, match=r"no image gone\.%04d\.png"):
        identify_picture(gone)


def test_a_file_that_is_not_there_or_no_file_is_distinguished(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match="unmounted"):
        identify_media(tmp_path / "gone.mov")
    with pytest.raises(MediaUnreadableError):
        identify_media(tmp_path)


@pytest.fixture
def one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """selva-small-16k with a single made-up weights file, which is returned."""
    monkeypatch.setenv("SELVA_MODELS_DIR", str(tmp_path / "models"))
    model = find_model("selva-small-16k")
    weights = file_path(model.files["generator"], tmp_path / "models")
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    return weights


INFO = ModelInfo(model_id="selva-small-16k", weights_sha256="ab" * 32, licence="MIT", notices=("careful",))


def test_a_models_facts_are_remembered_until_its_weights_change(one_model: Path, tmp_path: Path) -> None:
    model_info = ModelInfoCache(tmp_path / "cache" / "models.json")
    assert model_info.get(INFO.model_id) is None
    model_info.put(INFO)
    assert ModelInfoCache(tmp_path / "cache" / "models.json").get(INFO.model_id) == INFO
    one_model.write_bytes(b"other weights")
    assert model_info.get(INFO.model_id) is None


def test_a_model_without_files_is_never_remembered(tmp_path: Path) -> None:
    model_info = ModelInfoCache(tmp_path / "models.json")
    model_info.put(msgspec.structs.replace(INFO, model_id="selva-echo"))
    assert model_info.get("selva-echo") is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_model_info_is_an_empty_one(content: str, one_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(content)
    model_info = ModelInfoCache(file)
    assert model_info.get(INFO.model_id) is None
    model_info.put(INFO)
    assert model_info.get(INFO.model_id) == INFO

"""Which media file it is, without reading all of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, RenderCancelled
from selva_core.base.media import ImageSequence, PictureRange
from selva_daemon.worker.media_identity import (
    PART_BYTES,
    SETTLED_S,
    WHOLE_BELOW_BYTES,
    MediaIdentity,
    RememberedHashes,
    identify_media,
    identify_picture,
    read_state,
    require_unchanged,
)

LONG_AGO_S = 1_500_000_000


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


def test_a_change_in_an_unhashed_part_of_a_recent_file_is_seen(tmp_path: Path) -> None:
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


def wait_for_next_tick(file: Path) -> None:
    """Until a change has another time than the last one of `file`: older systems count in ticks of some milliseconds."""
    probe = file.with_suffix(".tick")
    probe.touch()
    while probe.stat().st_ctime_ns <= file.stat().st_ctime_ns:
        probe.touch()
    probe.unlink()


def change_in_place(file: Path) -> None:
    wait_for_next_tick(file)
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
def test_media_that_is_changed_meanwhile_is_reported_even_with_its_old_time(
    tmp_path: Path, change: Callable[[Path], None], is_sequence: bool
) -> None:
    media = sequence_at(tmp_path / "s")
    if not is_sequence:
        media = replace(media, path=tmp_path / "s" / "shot.0003.png", images=None)
    before = read_state(media)
    require_unchanged(media, before)
    change(tmp_path / "s" / "shot.0003.png")
    with pytest.raises(MediaUnreadableError, match="changed while it was read"):
        require_unchanged(media, before)


class Readings:
    """Identifies one file with hashes remembered by a clock of its own, and counts how often it is read."""

    def __init__(self, file: Path, *, max_files: int = 10) -> None:
        self.now_s, self.count = 1000.0, 0
        self._file = file
        self.remembered = RememberedHashes(max_files=max_files, clock=lambda: self.now_s)

    def identify(self, after_s: float = 0.0, file: Path | None = None) -> MediaIdentity:
        self.now_s += after_s
        return identify_media(file or self._file, on_hashed=self._count, remembered=self.remembered)

    def _count(self, done_bytes: int, total_bytes: int) -> None:
        self.count += 1


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    file = tmp_path / "a"
    file.write_bytes(b"a picture" * 100)
    os.utime(file, (LONG_AGO_S, LONG_AGO_S))
    return file


needs_change_times = pytest.mark.skipif(
    sys.platform == "win32", reason="without times of change no hash is remembered"
)


@needs_change_times
def test_a_file_that_was_seen_for_a_while_is_read_once(small_file: Path) -> None:
    readings = Readings(small_file)
    first = readings.identify()
    assert [readings.identify(after_s) for after_s in (SETTLED_S, 1.0, 1000.0)] == [first] * 3
    assert readings.count == 2


def test_a_file_that_was_not_seen_for_long_is_read_each_time(small_file: Path) -> None:
    readings = Readings(small_file)
    for _ in range(4):
        readings.identify(SETTLED_S / 4)
    assert readings.count == 4


@needs_change_times
@pytest.mark.parametrize("change", [change_in_place, replace_by_another])
def test_a_file_that_changed_is_read_again_even_with_its_old_time(
    small_file: Path, change: Callable[[Path], None]
) -> None:
    readings = Readings(small_file)
    readings.identify()
    before = readings.identify(SETTLED_S)
    change(small_file)
    count = readings.count
    assert readings.identify(SETTLED_S) == identify_media(small_file)
    assert readings.count == count + 1
    assert (readings.identify() == before) is (change is replace_by_another)


@needs_change_times
def test_a_hash_of_bytes_that_changed_while_they_were_read_is_not_remembered(small_file: Path) -> None:
    readings = Readings(small_file)
    readings.identify()
    readings.now_s += SETTLED_S
    identify_media(
        small_file,
        on_hashed=lambda done, total: change_in_place(small_file),
        remembered=readings.remembered,
    )
    count = readings.count
    assert readings.identify(SETTLED_S) == identify_media(small_file)
    assert readings.count == count + 1


@needs_change_times
def test_hashes_of_the_files_used_last_are_remembered(small_file: Path, tmp_path: Path) -> None:
    other = big_file(tmp_path / "b")
    readings = Readings(small_file, max_files=1)
    for file in (small_file, other, small_file):
        readings.identify(SETTLED_S, file)
    count = readings.count
    readings.identify(SETTLED_S)
    readings.identify(SETTLED_S)
    assert readings.count == count + 1


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
def test_every_image_counts_for_the_identity_of_a_sequence(tmp_path: Path, image_bytes: int) -> None:
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


def test_a_file_that_is_no_sequence_is_identified_by_itself(tmp_path: Path) -> None:
    file = big_file(tmp_path / "a.mov")
    media = PictureRange(path=file, start_s=Fraction(0), duration_s=Fraction(1))
    assert identify_picture(media) == identify_media(file)
    gone = replace(media, path=tmp_path / "gone.%04d.png", images=ImageSequence(rate_hz=Fraction(25)))
    with pytest.raises(MediaNotFoundError, match=r"no image gone\.%04d\.png"):
        identify_picture(gone)


def test_a_missing_file_and_a_folder_are_different_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match="unmounted"):
        identify_media(tmp_path / "gone.mov")
    with pytest.raises(MediaUnreadableError):
        identify_media(tmp_path)

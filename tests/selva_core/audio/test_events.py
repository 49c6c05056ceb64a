"""Sounds in a file are found where they begin, with their level, however the file is cut into blocks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from selva_core.audio.events import find_events, find_onset_hops, level_curve, load_level_curve
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError


def bursts(
    *starts_and_levels: tuple[float, float], rate_hz: int = 48_000, seconds: float = 4.0
) -> npt.NDArray[np.float32]:
    """Tones of 1 kHz that begin at full level and die away within 100 ms."""
    wave = np.zeros(round(seconds * rate_hz), np.float32)
    t = np.arange(round(0.3 * rate_hz)) / rate_hz
    for start_s, level in starts_and_levels:
        first = round(start_s * rate_hz)
        tone = level * np.cos(2 * np.pi * 1000 * t) * np.exp(-t / 0.05)
        wave[first : first + len(t)] += tone[: len(wave) - first].astype(np.float32)
    return wave


def write(path: Path, wave: npt.NDArray[np.float32], rate_hz: int = 48_000) -> Path:
    soundfile.write(path, wave, rate_hz, subtype="PCM_24")
    return path


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_events_are_found_where_they_begin_with_the_level_they_have(tmp_path: Path, rate_hz: int) -> None:
    wave = bursts((0.5, 0.5), (1.23, 0.125), (2.0, 0.5), rate_hz=rate_hz)
    events = find_events(load_level_curve(write(tmp_path / "a.wav", wave, rate_hz)))
    assert [float(event.start_s) for event in events] == pytest.approx([0.5, 1.23, 2.0], abs=0.011)
    first, second, third = (event.level_db for event in events)
    assert first == pytest.approx(third, abs=0.3)
    assert first - second == pytest.approx(12.0, abs=0.5)
    assert all(0.05 < float(event.duration_s) < 0.3 for event in events)


def test_an_event_ends_where_the_next_begins(tmp_path: Path) -> None:
    wave = bursts((0.5, 0.5)) + bursts((0.62, 0.5))
    one, other = find_events(load_level_curve(write(tmp_path / "a.wav", wave)))
    assert one.start_s + one.duration_s <= other.start_s


def test_start_is_an_exact_number_of_hops(tmp_path: Path) -> None:
    [event] = find_events(load_level_curve(write(tmp_path / "a.wav", bursts((1.0, 0.5)))))
    assert event.start_s in (Fraction(99, 100), Fraction(1))


@pytest.mark.parametrize("wave", [np.zeros(48_000), np.zeros(3), np.zeros(0), np.full(48_000, 1e-6)])
def test_silence_has_no_events(tmp_path: Path, wave: npt.NDArray[np.float64]) -> None:
    path = write(tmp_path / "a.wav", wave.astype(np.float32))
    assert find_events(load_level_curve(path)) == []
    assert find_events(load_level_curve(write(tmp_path / "b.wav", bursts((0.5, 0.5))))) != []


def test_a_panned_stem_has_the_events_and_levels_of_the_mono_one(tmp_path: Path) -> None:
    mono = bursts((0.5, 0.5), (1.5, 0.2))
    angle = np.pi / 8
    stereo = np.stack([mono * np.cos(angle), mono * np.sin(angle)], axis=1)
    one = find_events(load_level_curve(write(tmp_path / "mono.wav", mono)))
    both = find_events(load_level_curve(write(tmp_path / "stereo.wav", stereo)))
    assert [event.start_s for event in both] == [event.start_s for event in one]
    levels: Sequence[float] = [event.level_db for event in one]
    assert [event.level_db for event in both] == pytest.approx(levels, abs=0.05)


def test_blocks_make_no_difference(tmp_path: Path) -> None:
    wave = bursts(*((float(second) + 0.3, 0.4) for second in range(0, 70, 7)), rate_hz=16_000, seconds=70.0)
    curve = load_level_curve(write(tmp_path / "a.wav", wave, 16_000))
    read, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert np.array_equal(curve.levels, level_curve(read, 16_000))
    assert len(find_onset_hops(curve.levels)) == 10


def test_what_is_no_sound_is_refused_and_sound_is_read(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match="there is no file"):
        load_level_curve(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    with pytest.raises(MediaUnreadableError, match=r"text\.wav cannot be read as sound"):
        load_level_curve(tmp_path / "text.wav")
    assert len(load_level_curve(write(tmp_path / "a.wav", bursts((0.5, 0.5)))).levels) == 400


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(MediaUnreadableError, match="a pipe"):
        load_level_curve(tmp_path / "pipe.wav")

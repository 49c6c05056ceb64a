"""A panned stem is a stereo file of the power of the mono sound, whose channels say where it is."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from wavinfo import WavInfoReader

from selva_core.audio.provenance import read_provenance
from selva_core.audio.stem_writer import StemReport, write_stem
from selva_core.base.pan import Curve, Panning
from selva_core.engine import Waveform

RATE_HZ = 48_000


def write(path: Path, panning: Panning, *, rate_hz: int = RATE_HZ) -> StemReport:
    rng = np.random.default_rng(1)
    noise = np.clip(0.1 * rng.standard_normal(4 * rate_hz), -1, 1).astype(np.float32)
    return write_stem(
        path,
        Waveform(samples=noise, sample_rate_hz=rate_hz),
        sample_rate_hz=RATE_HZ,
        num_samples=4 * RATE_HZ,
        provenance={"track": "Dog", "prompt": "dog"},
        panning=panning,
    )


def read(path: Path) -> npt.NDArray[np.float64]:
    samples, rate_hz = soundfile.read(path, always_2d=True)
    assert rate_hz == RATE_HZ
    return np.asarray(samples, np.float64)


def test_power_of_both_channels_is_that_of_the_mono_sound_wherever_it_is(tmp_path: Path) -> None:
    mono = write(tmp_path / "mono.wav", Panning())
    curve = Curve(((0.0, -1.0), (4.0, 1.0)))
    stereo = write(tmp_path / "stereo.wav", Panning(num_channels=2, pan=curve))
    one, both = read(tmp_path / "mono.wav"), read(tmp_path / "stereo.wav")
    assert (one.shape, both.shape) == ((4 * RATE_HZ, 1), (4 * RATE_HZ, 2))
    assert np.allclose((both**2).sum(axis=1), one[:, 0] ** 2, atol=1e-5)
    assert stereo.loudness.integrated_lufs == pytest.approx(mono.loudness.integrated_lufs, abs=0.05)


def test_place_at_each_moment_is_that_of_the_curve(tmp_path: Path) -> None:
    curve = Curve(((1.0, -1.0), (3.0, 1.0)))
    write(tmp_path / "s.wav", Panning(num_channels=2, pan=curve), rate_hz=16_000)
    left, right = read(tmp_path / "s.wav").T
    for time_s, pan in ((0.5, -1.0), (1.5, -0.5), (2.0, 0.0), (2.5, 0.5), (3.5, 1.0)):
        part = slice(round((time_s - 0.005) * RATE_HZ), round((time_s + 0.005) * RATE_HZ))
        angle = np.arctan2(np.sqrt((right[part] ** 2).mean()), np.sqrt((left[part] ** 2).mean()))
        assert angle / (np.pi / 4) - 1 == pytest.approx(pan, abs=0.02)


def test_what_was_not_seen_is_in_the_middle_of_a_stereo_file(tmp_path: Path) -> None:
    write(tmp_path / "s.wav", Panning(num_channels=2))
    left, right = read(tmp_path / "s.wav").T
    assert np.array_equal(left, right)
    assert np.abs(left).max() > 0.2


def test_level_follows_the_distance_in_a_mono_file_too(tmp_path: Path) -> None:
    write(tmp_path / "near.wav", Panning())
    write(tmp_path / "far.wav", Panning(level_db=Curve(((0.0, 0.0), (2.0, -12.0)))))
    near, far = read(tmp_path / "near.wav"), read(tmp_path / "far.wav")
    assert far.shape == near.shape
    ratio_db = 20 * np.log10(np.abs(far[RATE_HZ::5000]) / np.abs(near[RATE_HZ::5000]))
    assert ratio_db[0] == pytest.approx(-6.0, abs=0.05)
    assert ratio_db[-1] == pytest.approx(-12.0, abs=0.05)


def test_the_file_says_that_it_has_two_channels(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    write(path, Panning(num_channels=2))
    info = WavInfoReader(str(path))
    assert (info.fmt.channel_count, info.fmt.block_align, info.fmt.byte_rate) == (2, 6, 6 * RATE_HZ)
    assert info.bext is not None
    assert "M=stereo" in info.bext.coding_history
    content = path.read_bytes()
    start = content.index(b"iXML")
    size = struct.unpack("<I", content[start + 4 : start + 8])[0]
    ixml = ElementTree.fromstring(content[start + 8 : start + 8 + size])  # noqa: S314 - our own file
    assert ixml.findtext("TRACK_LIST/TRACK_COUNT") == "2"
    assert [each.text for each in ixml.iterfind("TRACK_LIST/TRACK/NAME")] == ["Dog L", "Dog R"]
    assert read_provenance(path) == {"track": "Dog", "prompt": "dog"}


def test_a_mono_stem_has_the_bytes_that_it_had_before_there_was_pan(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", Panning())
    write(tmp_path / "b.wav", Panning(pan=Curve(((0.0, 0.7),))))
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    info = WavInfoReader(str(tmp_path / "a.wav"))
    assert info.fmt.channel_count == 1
    assert info.bext is not None
    assert "M=mono" in info.bext.coding_history

"""The metadata of a stem as other programs read it: wavinfo for every chunk, ffprobe for tools built on FFmpeg."""

from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from selva_core.audio.stem_writer import StemReport, write_stem
from selva_core.audio.wav import iter_text_chunks
from selva_core.base.media import Label
from selva_core.engine import Waveform

PROVENANCE = {
    "timeline": "Akt 1: Söhne",
    "source_name": "shot_010",
    "track": "Dog",
    "cue": "c0ffee",
    "take": "2",
    "prompt": "small dog barking",
    "frame_rate": "24000/1001",
    "drop_frame": "no",
    "file_start_timecode": "01:00:00:00",
}
HOUR_AT_FILM_RATE = 86_400 * 2_002


def write(path: Path, *, level: float = 0.1, seconds: float = 4.0, **options: Any) -> StemReport:
    rate_hz = 48_000
    t_s = np.arange(round(rate_hz * seconds)) / rate_hz
    waveform = Waveform(
        samples=(level * np.sin(2 * np.pi * 997 * t_s)).astype(np.float32), sample_rate_hz=rate_hz
    )
    options = {"provenance": PROVENANCE, "time_reference_samples": HOUR_AT_FILM_RATE, **options}
    return write_stem(path, waveform, sample_rate_hz=rate_hz, num_samples=len(t_s), **options)


def probe(path: Path) -> dict[str, Any]:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed (Debian's package ffmpeg): its reading of stems is not checked")
    command = [
        ffprobe,
        "-v",
        "error",
        "-of",
        "json",
        "-show_format",
        "-show_streams",
        "-show_chapters",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    probed: dict[str, Any] = json.loads(done.stdout)
    return probed


def test_wavinfo_reads_the_clock_of_the_timeline(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav")
    info = WavInfoReader(str(tmp_path / "stem.wav"))
    assert info.bext.time_reference == HOUR_AT_FILM_RATE == 172_972_800
    assert info.bext.description.startswith(
        "prompt: small dog barking; starts at 01:00:00:00, 24000/1001 NDF"
    )
    speed = {child.tag: child.text for child in info.ixml.parsed.find("SPEED")}
    assert Fraction(speed["TIMECODE_RATE"]) == Fraction(24000, 1001)
    assert speed["TIMECODE_FLAG"] == "NDF"
    assert speed["MASTER_SPEED"] == speed["CURRENT_SPEED"] == speed["TIMECODE_RATE"]
    assert speed["TIMESTAMP_SAMPLE_RATE"] == speed["FILE_SAMPLE_RATE"] == "48000"
    stamp = int(speed["TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI"]) << 32
    assert stamp + int(speed["TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO"]) == HOUR_AT_FILM_RATE


@pytest.mark.parametrize(
    ("frame_rate", "drop_frame", "written_rate", "flag"),
    [("30000/1001", "yes", "30000/1001", "DF"), ("25", "no", "25/1", "NDF")],
)
def test_frame_rate_is_written_as_a_fraction_with_its_drop_flag(
    tmp_path: Path, frame_rate: str, drop_frame: str, written_rate: str, flag: str
) -> None:
    provenance = {**PROVENANCE, "frame_rate": frame_rate, "drop_frame": drop_frame}
    write(tmp_path / "stem.wav", provenance=provenance)
    ixml = WavInfoReader(str(tmp_path / "stem.wav")).ixml.parsed
    assert ixml.findtext("SPEED/TIMECODE_RATE") == written_rate
    assert ixml.findtext("SPEED/TIMECODE_FLAG") == flag


def test_time_reference_beyond_32_bits_survives(tmp_path: Path) -> None:
    late = 24 * 3600 * 192_000 - 1
    write(tmp_path / "stem.wav", time_reference_samples=late)
    info = WavInfoReader(str(tmp_path / "stem.wav"))
    assert info.bext.time_reference == late
    assert info.ixml.parsed.findtext("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI") == str(late >> 32)


def test_without_a_time_reference_no_program_finds_a_clock(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav", time_reference_samples=None)
    info = WavInfoReader(str(tmp_path / "stem.wav"))
    assert info.bext.time_reference == 0
    assert info.bext.description.rstrip("\0") == "prompt: small dog barking"
    assert info.ixml.parsed.find("SPEED") is None


def test_wavinfo_reads_project_scene_take_and_track(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav")
    info = WavInfoReader(str(tmp_path / "stem.wav"))
    assert info.ixml.project == "Akt 1: Söhne"
    assert info.ixml.scene == "shot_010"
    assert info.ixml.take == "2"
    assert [track.name for track in info.ixml.track_list] == ["Dog"]


def test_long_prompt_leaves_room_for_the_start_timecode(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav", provenance={**PROVENANCE, "prompt": "bark " * 100})
    description = WavInfoReader(str(tmp_path / "stem.wav")).bext.description
    assert len(description) == 256
    assert description.endswith("; starts at 01:00:00:00, 24000/1001 NDF")


def test_wavinfo_reads_the_loudness_that_was_measured(tmp_path: Path) -> None:
    report = write(tmp_path / "stem.wav", level=0.1)
    bext = WavInfoReader(str(tmp_path / "stem.wav")).bext
    assert bext.version == 2
    assert report.loudness.integrated_lufs == pytest.approx(-23.01, abs=0.05)
    assert bext.loudness_value == pytest.approx(report.loudness.integrated_lufs, abs=0.006)
    assert bext.max_true_peak == pytest.approx(-20.0, abs=0.05)
    assert bext.max_momentary_loudness == pytest.approx(-23.01, abs=0.05)
    assert bext.max_shortterm_loudness == pytest.approx(-23.01, abs=0.05)


def test_loudness_of_silence_and_of_a_single_frame_is_unset_not_infinite(tmp_path: Path) -> None:
    unset = 0x7FFF / 100
    write(tmp_path / "silent.wav", level=0.0)
    write(tmp_path / "short.wav", level=0.1, seconds=0.04)
    silent, short = (WavInfoReader(str(tmp_path / name)).bext for name in ("silent.wav", "short.wav"))
    for bext in (silent, short):
        assert bext.loudness_value == bext.loudness_range == bext.max_momentary_loudness == unset
    assert silent.max_true_peak == unset
    assert short.max_true_peak == pytest.approx(-20, abs=0.1)


def test_loudness_is_measured_and_the_samples_are_not_changed(tmp_path: Path) -> None:
    write(tmp_path / "loud.wav", level=0.9)
    write(tmp_path / "soft.wav", level=0.009)
    loud, soft = (soundfile.read(tmp_path / name)[0] for name in ("loud.wav", "soft.wav"))
    assert np.abs(loud).max() == pytest.approx(0.9, rel=1e-4)
    assert np.abs(soft).max() == pytest.approx(0.009, rel=1e-4)


def test_wavinfo_reads_the_used_range_as_a_labelled_region(tmp_path: Path) -> None:
    labels = [
        Label(start_sample=24_000, num_samples=96_000, text="犬 shot_010"),
        Label(start_sample=5, text="hit"),
    ]
    write(tmp_path / "stem.wav", labels=labels)
    cues = WavInfoReader(str(tmp_path / "stem.wav")).cues

    assert [cue.sample_offset for cue in cues.cues] == [24_000, 5]
    assert [label.text for label in cues.labels] == ["? shot_010", "hit"]
    assert [(region.name, region.length) for region in cues.ranges] == [(1, 96_000)]


def test_chunks_come_in_the_order_that_readers_expect(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav", labels=[Label(start_sample=0, text="in")])
    with (tmp_path / "stem.wav").open("rb") as file:
        found = [(chunk.chunk_id, chunk.payload[:4]) for chunk in iter_text_chunks(file)]
    order = [chunk_id if chunk_id != b"LIST" else kind for chunk_id, kind in found]
    assert order == [b"bext", b"fmt ", b"iXML", b"cue ", b"adtl", b"INFO"]


def test_equal_stems_have_one_identity_and_different_ones_two(tmp_path: Path) -> None:
    for name, seed in (("a.wav", "1"), ("b.wav", "1"), ("c.wav", "2")):
        write(tmp_path / name, provenance={**PROVENANCE, "seed": seed})
    a, b, c = (
        WavInfoReader(str(tmp_path / name)).ixml.parsed.findtext("FILE_UID")
        for name in ("a.wav", "b.wav", "c.wav")
    )
    assert a == b != c
    assert len(a) == 32


def test_ffprobe_reads_clock_label_and_audio(tmp_path: Path) -> None:
    write(tmp_path / "stem.wav", labels=[Label(start_sample=48_000, num_samples=96_000, text="in the cut")])
    probed = probe(tmp_path / "stem.wav")
    [stream] = probed["streams"]
    assert (stream["codec_name"], stream["sample_rate"], stream["channels"]) == ("pcm_s24le", "48000", 1)
    assert stream["duration_ts"] == 4 * 48_000
    tags = probed["format"]["tags"]
    assert int(tags["time_reference"]) == HOUR_AT_FILM_RATE
    assert tags["encoded_by"] == "Selva Bridge"
    assert tags["originator_reference"] == "c0ffee"
    assert tags["title"] == "Dog"
    assert "AI generated" in tags["comment"]
    assert [chapter["tags"]["title"] for chapter in probed["chapters"]] == ["in the cut"]
    assert [float(chapter["start_time"]) for chapter in probed["chapters"]] == [1.0]

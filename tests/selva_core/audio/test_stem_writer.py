"""Stems as files: exact length, resampling, metadata that other programs read, and no user file replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from selva_core.audio.provenance import read_provenance
from selva_core.audio.stem_writer import StemReport, write_stem
from selva_core.base.errors import (
    MediaNotFoundError,
    MediaUnreadableError,
    ModelError,
    OutputError,
    RequestError,
)
from selva_core.engine import Waveform

PROVENANCE = {
    "project": "Hölle & Söhne <reel 1>",
    "track": "Dog",
    "cue": "c0ffee",
    "take": "2",
    "prompt": "small dog “barking” 犬",
    "model": "selva-nano",
    "licence": "Apache-2.0",
    "seed": "42",
}
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def tone(rate_hz: int, seconds: float = 1.0, tone_hz: float = 1000.0, level: float = 0.5) -> Waveform:
    t_s = np.arange(round(rate_hz * seconds)) / rate_hz
    samples = level * np.sin(2 * np.pi * tone_hz * t_s)
    return Waveform(samples=samples.astype(np.float32), sample_rate_hz=rate_hz)


def write(path: Path, waveform: Waveform, *, rate_hz: int = 48_000, num_samples: int = 48_000) -> StemReport:
    return write_stem(path, waveform, sample_rate_hz=rate_hz, num_samples=num_samples, provenance=PROVENANCE)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("model_rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("num_samples", [1, 47_999, 96_001])
def test_stem_has_exactly_the_samples_asked_for(
    tmp_path: Path, model_rate_hz: int, rate_hz: int, num_samples: int
) -> None:
    path = tmp_path / "stem.wav"
    report = write(path, tone(model_rate_hz), rate_hz=rate_hz, num_samples=num_samples)
    info = soundfile.info(path)
    assert (info.frames, info.samplerate, info.subtype, info.channels) == (num_samples, rate_hz, "PCM_24", 1)
    assert (report.num_samples, report.sample_rate_hz, report.path) == (num_samples, rate_hz, path)


@pytest.mark.parametrize("model_rate_hz", [16_000, 44_100])
def test_resampled_tone_keeps_its_level_and_phase(tmp_path: Path, model_rate_hz: int) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(model_rate_hz))
    samples, _ = soundfile.read(path)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)
    assert np.abs(samples - expected)[2000:-2000].max() < 1e-6


@pytest.mark.parametrize(("model_rate_hz", "tone_hz"), [(44_100, 20_500), (16_000, 7_400)])
def test_resampling_is_flat_to_near_nyquist(tmp_path: Path, model_rate_hz: int, tone_hz: int) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(model_rate_hz, tone_hz=tone_hz))
    samples, _ = soundfile.read(path)
    level_db = 20 * np.log10(np.sqrt(2 * np.mean(samples[4000:-4000] ** 2)) / 0.5)
    assert abs(level_db) < 0.01


def test_click_stays_on_its_instant_through_resampling(tmp_path: Path) -> None:
    samples = np.zeros(44_100, np.float32)
    samples[22_050] = 0.9
    path = tmp_path / "stem.wav"
    write(path, Waveform(samples=samples, sample_rate_hz=44_100))
    assert int(np.abs(soundfile.read(path)[0]).argmax()) == 24_000


def test_long_audio_is_resampled_without_a_seam(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(44_100, seconds=31), num_samples=31 * 48_000)
    samples, _ = soundfile.read(path)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(31 * 48_000) / 48_000)
    assert np.abs(samples - expected)[2000:-2000].max() < 1e-6


def test_short_audio_is_padded_with_silence_and_long_audio_is_cut(tmp_path: Path) -> None:
    waveform = Waveform(samples=np.full(1000, 0.25, np.float32), sample_rate_hz=48_000)
    write(tmp_path / "long.wav", waveform, num_samples=1500)
    write(tmp_path / "short.wav", waveform, num_samples=500)
    padded, _ = soundfile.read(tmp_path / "long.wav")
    assert (padded[:1000] == 0.25).all()
    assert not padded[1000:].any()
    assert (soundfile.read(tmp_path / "short.wav")[0] == 0.25).all()


def test_same_stem_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.wav", "two.wav"):
        write(tmp_path / name, tone(44_100))
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_clipped_audio_is_reported_and_loud_audio_is_not(tmp_path: Path) -> None:
    loud = write(tmp_path / "loud.wav", tone(48_000, level=0.999))
    clipped = write(tmp_path / "clipped.wav", tone(48_000, level=1.5))
    assert loud.warnings == ()
    assert clipped.num_clipped > 10_000
    assert "passed full scale by 3.5 dB" in clipped.warnings[0]
    assert np.abs(soundfile.read(tmp_path / "clipped.wav")[0]).max() <= 1.0


def test_wavinfo_reads_the_same_values_from_every_chunk(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    write_stem(
        path,
        tone(48_000),
        sample_rate_hz=48_000,
        num_samples=48_000,
        provenance=PROVENANCE,
        time_reference_samples=172_972_800,
        created="2026-01-31",
    )
    info = WavInfoReader(str(path))
    assert info.data.frame_count == 48_000
    assert info.bext.version == 2
    assert info.bext.originator == "Selva Bridge"
    assert info.bext.description.startswith("prompt: small dog ?barking?")
    assert info.bext.originator_ref == "c0ffee"
    assert info.bext.originator_date == "2026-01-31"
    assert info.bext.time_reference == 172_972_800
    assert info.bext.coding_history.startswith("A=PCM,F=48000,W=24,M=mono,T=Selva Bridge")
    assert info.ixml.project == PROVENANCE["project"]
    assert [track.name for track in info.ixml.track_list] == ["Dog"]
    assert PROVENANCE["prompt"] in info.ixml.parsed.findtext("NOTE")
    assert info.ixml.parsed.findtext("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == "172972800"
    assert info.info.title == "Dog"
    assert SOURCE_TYPE in info.info.comment
    assert info.info.software.startswith("Selva Bridge")
    user = json.loads(info.ixml.parsed.findtext("USER"))
    assert user["provenance"] == PROVENANCE
    assert user["digital_source_type"] == SOURCE_TYPE


def test_ffmpeg_reads_the_tags(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(48_000))
    with av.open(str(path)) as container:
        tags = container.metadata
    assert tags["encoded_by"] == "Selva Bridge"
    assert tags["title"] == "Dog"
    assert "AI generated" in tags["comment"]
    assert int(tags["time_reference"]) == 0


def test_clock_values_are_left_out_unless_given(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(48_000))
    info = WavInfoReader(str(path))
    assert info.bext.originator_date == ""
    assert info.ixml.parsed.find("SPEED") is None


def test_provenance_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    write(path, tone(48_000))
    assert read_provenance(path) == PROVENANCE


def test_control_characters_in_a_prompt_do_not_break_the_file(tmp_path: Path) -> None:
    path = tmp_path / "stem.wav"
    provenance = {"prompt": "a\x00b\x1bc\ud800 d"}
    write_stem(path, tone(48_000), sample_rate_hz=48_000, num_samples=10, provenance=provenance)
    assert WavInfoReader(str(path)).ixml.parsed.findtext("NOTE") == "prompt: abc d"
    assert (read_provenance(path) or {}).keys() == {"prompt"}


def test_file_of_another_program_has_no_provenance(tmp_path: Path) -> None:
    path = tmp_path / "other.wav"
    soundfile.write(path, np.zeros(100), 48_000)
    assert read_provenance(path) is None


def test_reading_provenance_of_no_wav_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello there, no RIFF")
    with pytest.raises(MediaUnreadableError, match="not a RIFF/WAVE file"):
        read_provenance(path)
    with pytest.raises(MediaNotFoundError, match=r"no file .*gone\.wav"):
        read_provenance(tmp_path / "gone.wav")


def test_own_stem_is_replaced_and_a_foreign_file_never(tmp_path: Path) -> None:
    own, foreign, notes = tmp_path / "own.wav", tmp_path / "foreign.wav", tmp_path / "notes.wav"
    write(own, tone(48_000))
    write(own, tone(48_000, level=0.1))
    assert soundfile.read(own)[0].max() == pytest.approx(0.1, abs=1e-3)
    soundfile.write(foreign, np.ones(100) * 0.5, 48_000)
    notes.write_text("shopping list")
    for path in (foreign, notes):
        before = path.read_bytes()
        with pytest.raises(OutputError, match="no stem of Selva Bridge"):
            write(path, tone(48_000))
        assert path.read_bytes() == before


def test_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        write(tmp_path / "stem.wav", tone(48_000))
    assert list(tmp_path.iterdir()) == []


def test_name_too_long_for_the_file_system_is_explained(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its name is too long; choose a shorter one"):
        write(tmp_path / f"{'a' * 300}.wav", tone(48_000))
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its folder does not exist"):
        write(tmp_path / "nowhere" / "stem.wav", tone(48_000))


@pytest.mark.parametrize(
    ("rate_hz", "num_samples", "named"), [(0, 10, "0"), (1_000_000, 10, "1000000"), (48_000, 0, "0")]
)
def test_rate_or_length_outside_the_limits_is_refused(
    tmp_path: Path, rate_hz: int, num_samples: int, named: str
) -> None:
    with pytest.raises(RequestError, match=rf"got {named}\b"):
        write(tmp_path / "stem.wav", tone(48_000), rate_hz=rate_hz, num_samples=num_samples)
    assert list(tmp_path.iterdir()) == []


def test_samples_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    broken = Waveform(samples=np.array([0.0, np.nan], np.float32), sample_rate_hz=48_000)
    with pytest.raises(ModelError, match="not finite"):
        write(tmp_path / "stem.wav", broken)
    assert list(tmp_path.iterdir()) == []


def test_torch_is_not_loaded_when_nothing_is_resampled(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from selva_core.engine import Waveform
from selva_core.audio.stem_writer import write_stem
waveform = Waveform(samples=np.zeros(100, np.float32), sample_rate_hz=48000)
write_stem(Path({str(tmp_path / "a.wav")!r}), waveform, sample_rate_hz=48000, num_samples=100, provenance={{}})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

"""The shortest clips, with selva-nano: audio of exactly the right number of samples, all of them finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.audio.resampling import iter_resampled
from selva_core.audio.stem_writer import write_stem
from selva_core.base.media import PictureRange
from selva_core.engine import Engine, SamplingSettings, StemRequest, Waveform
from selva_core.engines.registry import load_engine
from selva_core.models.nano_spec import NANO_SPEC

MakeVideo = Callable[..., Path]
ONE_FRAME_S = Fraction(1, 25)
ONE_NTSC_FRAME_S = Fraction(1001, 24000)
SEGMENT_S = NANO_SPEC.segment_hop_s
LENGTHS_S = [
    ONE_FRAME_S,
    ONE_NTSC_FRAME_S,
    2 * ONE_FRAME_S,
    2 * ONE_NTSC_FRAME_S,
    SEGMENT_S - ONE_FRAME_S,
    SEGMENT_S,
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = load_engine("selva-nano", device="cpu")
    yield engine
    engine.close()


def render(engine: Engine, path: Path, duration_s: Fraction, *, start_s: Fraction = Fraction(0)) -> Waveform:
    [waveform] = engine.render(
        PictureRange(path=path, start_s=start_s, duration_s=duration_s),
        [StemRequest(prompt="a dog barking")],
        settings=SamplingSettings(num_steps=2),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    return waveform


def round_half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


@pytest.mark.parametrize("duration_s", LENGTHS_S, ids=lambda value: f"{float(value):.4f}s")
def test_audio_of_a_range_shorter_than_a_segment_has_exactly_its_duration(
    engine: Engine, footage_folder: Path, tmp_path: Path, duration_s: Fraction
) -> None:
    waveform = render(engine, footage_folder / "bikes.mp4", duration_s, start_s=Fraction(1))
    assert waveform.sample_rate_hz == 16_000
    assert len(waveform.samples) == round_half_up(duration_s * 16_000)
    assert np.isfinite(waveform.samples).all()

    resampled = np.concatenate(list(iter_resampled(waveform.samples, from_hz=16_000, to_hz=48_000)))
    assert len(resampled) == 3 * len(waveform.samples)
    assert np.isfinite(resampled).all()

    num_samples = round_half_up(duration_s * 48_000)
    stem = tmp_path / "stem.wav"
    write_stem(stem, waveform, sample_rate_hz=48_000, num_samples=num_samples, provenance={"model": "nano"})
    written, rate_hz = soundfile.read(stem)
    assert rate_hz == 48_000
    assert len(written) == num_samples
    num_made = min(num_samples, len(resampled))
    assert np.allclose(written[:num_made], resampled[:num_made].clip(-1, 1), atol=2**-22)


@pytest.mark.parametrize("num_frames", [1, 2, 7])
def test_audio_of_a_file_of_a_few_frames_has_exactly_its_duration(
    engine: Engine, numbered_video: MakeVideo, num_frames: int
) -> None:
    waveform = render(engine, numbered_video("short.mp4", num_frames=num_frames), num_frames * ONE_FRAME_S)
    assert len(waveform.samples) == num_frames * 640
    assert np.isfinite(waveform.samples).all()
    assert waveform.samples.any()

"""The sound of written cuts, mixed by GStreamer Editing Services and by melt, against our own sum of the stems."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from selva_otio import Stem, StemTrack, measure_span, place_stems, spot_timeline, write_timeline
from tests.judges.conftest import GesMix, MeltRender
from tests.judges.decoding import decode
from tests.judges.independent_readers import READERS, SAMPLE_RATE_HZ, SoundPlacement, mix
from tests.selva_otio.cuts import CutBuilder
from tests.support.flashes import write_flashing_clip

RATE = Fraction(24000, 1001)


@pytest.fixture
def noisy_cut(tmp_path: Path) -> otio.schema.Timeline:
    """Overlapping stems of noise on two tracks, at 23.976, start 01:00:00:00, with handles on some."""
    cut = CutBuilder(rate_hz=float(RATE), start_frame=86_400, media_start_frame=864_000)
    timeline = cut.timeline(
        cut.track(
            cut.gap(7),
            cut.clip("a", offset=20, frames=30),
            cut.dissolve(4, 4),
            cut.clip("b", offset=40, frames=25),
            cut.gap(5),
            cut.clip("c", offset=3, frames=11, speed=2.0),
        )
    )
    tracks = [StemTrack(name="Dog", prompt="a dog"), StemTrack(name="Rain", prompt="rain")]
    sheet = spot_timeline(timeline, tracks, base_folder=tmp_path)
    noise = np.random.default_rng(7)
    stems = []
    for number, cue in enumerate(sheet.cues):
        span = measure_span(cue.clip, sheet.clock, SAMPLE_RATE_HZ)
        file = tmp_path / f"stem #{number}.wav"
        samples = noise.integers(-(2**20), 2**20, span.num_samples, dtype=np.int32) << 8
        soundfile.write(file, samples, SAMPLE_RATE_HZ, subtype="PCM_24")
        stems.append(
            Stem(
                cue=cue.id,
                take=1,
                seed=1,
                file=file,
                sample_rate_hz=SAMPLE_RATE_HZ,
                num_samples=span.num_samples,
            )
        )
    return place_stems(timeline, sheet, stems).timeline


def our_mix(timeline: otio.schema.Timeline) -> np.ndarray:
    """The sum of the stems at the samples that the timeline's metadata tells."""
    total = np.zeros(SAMPLE_RATE_HZ * 10)
    end = 0
    for track in timeline.audio_tracks():
        for clip in track.find_clips():
            stem = clip.metadata["selva"]
            file = Path(otio.url_utils.filepath_from_url(clip.media_reference.target_url))
            samples, _ = soundfile.read(file, dtype="float64")
            used = samples[stem["offset_samples"] :]
            total[stem["start_sample"] : stem["start_sample"] + len(used)] += used
            end = max(end, stem["start_sample"] + len(used))
    return total[:end]


def placements_in(timeline: otio.schema.Timeline, suffix: str, folder: Path) -> list[SoundPlacement]:
    path = folder / f"cut{suffix}"
    if suffix == ".aaf":
        pytest.importorskip("aaf2", reason="pyaaf2 is not installed")
    write_timeline(timeline, path)
    return list(READERS[suffix](path, RATE))


@pytest.mark.parametrize("suffix", list(READERS))
def test_a_written_cut_nulls_in_ges_to_the_last_bit(
    noisy_cut: otio.schema.Timeline, suffix: str, tmp_path: Path, ges_mix: GesMix
) -> None:
    placements = placements_in(noisy_cut, suffix, tmp_path)
    expected = our_mix(noisy_cut)
    assert len(placements) == 6
    found = ges_mix(placements)
    assert len(found) == len(expected)
    assert np.abs(expected).max() > 0.1
    assert np.abs(found - expected).max() == 0.0


def test_the_judge_sees_a_shift_of_one_sample(
    noisy_cut: otio.schema.Timeline, tmp_path: Path, ges_mix: GesMix
) -> None:
    first, *others = placements_in(noisy_cut, ".otio", tmp_path)
    late = replace(first, start_s=first.start_s + Fraction(1, SAMPLE_RATE_HZ))
    expected = our_mix(noisy_cut)
    found = ges_mix([late, *others])
    num_samples = min(len(found), len(expected))
    assert np.abs(found[:num_samples] - expected[:num_samples]).max() > 0.01


def test_a_preview_sounds_in_melt_as_its_stems_do(
    noisy_cut: otio.schema.Timeline, tmp_path: Path, melt_render: MeltRender
) -> None:
    write_flashing_clip(tmp_path / "shot.mov", rate=RATE, num_frames=80, flashes=())
    for clip in noisy_cut.video_tracks()[0].find_clips():
        clip.media_reference.target_url = (tmp_path / "shot.mov").as_uri()
    write_timeline(noisy_cut, tmp_path / "cut.mlt")
    rendered = melt_render(tmp_path / "cut.mlt", tmp_path / "melt.mkv")
    _, found = decode(rendered)
    expected = our_mix(noisy_cut)
    assert len(found) == len(expected)  # whole frames of 2002 samples
    assert np.abs(found - expected).max() < 10 ** (-80 / 20)  # melt mixes in 16 bits
    assert np.abs(found[1:] - expected[:-1]).max() > 0.1


def test_the_sum_of_the_stems_agrees_with_the_written_files(
    noisy_cut: otio.schema.Timeline, tmp_path: Path
) -> None:
    expected = our_mix(noisy_cut)
    for suffix in (".otio", ".fcpxml"):
        placements = placements_in(noisy_cut, suffix, tmp_path)
        assert np.array_equal(mix(placements, len(expected)), expected)

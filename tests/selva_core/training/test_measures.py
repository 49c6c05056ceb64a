"""The measurements are right for sounds whose values are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from selva_core.audio.take_agreement import f1, match_onsets
from selva_core.training.evaluation import measures
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ, door_knock, strike_all

TIMES_S = (0.5, 1.2, 1.5, 2.4)


def _knocks(times_s: tuple[float, ...] = TIMES_S) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return strike_all(3 * SAMPLE_RATE_HZ, times_s, [1.0] * len(times_s), lambda _: door_knock(rng, 1.0))


def test_onsets_are_found_where_sounds_start() -> None:
    found = measures.find_onsets(_knocks())
    assert len(found) == len(TIMES_S)
    assert np.allclose(found, TIMES_S, atol=0.03)


def test_silence_has_no_onsets() -> None:
    assert measures.find_onsets(np.zeros(SAMPLE_RATE_HZ, np.float32)) == []


def test_onsets_match_only_within_the_tolerance() -> None:
    assert match_onsets([0.57, 1.2], [0.5, 1.2]) == (2, 2, 2)
    assert match_onsets([0.6, 1.2], [0.5, 1.2]) == (1, 2, 2)


def test_a_found_onset_matches_one_expected_onset_only() -> None:
    assert match_onsets([1.0], [0.95, 1.05]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("counts", "score"), [((2, 2, 2), 1.0), ((0, 3, 2), 0.0), ((1, 2, 2), 0.5), ((0, 0, 0), 1.0)]
)
def test_f1_is_the_harmonic_mean(counts: tuple[int, int, int], score: float) -> None:
    assert f1(*counts) == pytest.approx(score)


def test_a_clean_stem_leaks_little_and_a_mixture_much() -> None:
    own, other = (0.5, 1.5), (1.0, 2.4)
    clean = measures.leakage_db(_knocks(own), own_s=own, other_s=other, tail_s=0.25)
    mixed = measures.leakage_db(_knocks(own + other), own_s=own, other_s=other, tail_s=0.25)
    assert clean is not None
    assert mixed is not None
    assert clean < -40
    assert mixed > -3


def test_leakage_is_not_counted_where_sources_sound_together() -> None:
    assert measures.leakage_db(_knocks(), own_s=TIMES_S, other_s=TIMES_S, tail_s=0.25) is None


def test_pitch_follows_a_glide() -> None:
    t = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    glide_hz = 500 + 400 * t
    wave = np.sin(2 * np.pi * np.cumsum(glide_hz) / SAMPLE_RATE_HZ).astype(np.float32)
    heard = measures.pitch_at_frames(wave, 25, 50)
    assert measures.correlation(heard[2:-2], np.linspace(0, 1, 50, dtype=np.float32)[2:-2]) > 0.99


def test_level_follows_a_swell() -> None:
    rng = np.random.default_rng(0)
    swell = np.sin(np.linspace(0, np.pi, SAMPLE_RATE_HZ * 2)).astype(np.float32)
    heard = measures.level_at_frames(swell * rng.standard_normal(swell.size).astype(np.float32), 25, 50)
    assert measures.correlation(heard, swell[:: swell.size // 50][:50]) > 0.95

"""A new stretch in an earlier stem: what is outside of it stays bit for bit, and its edges are smooth."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.audio.splice import CROSSOVER_S, Splice
from selva_core.audio.stem_writer import StemReport, write_stem
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError, RequestError
from selva_core.base.pan import AS_MADE, Curve, Panning
from selva_core.engine import Waveform

RATE_HZ = 48_000
NUM_SAMPLES = 4 * RATE_HZ
START, END = RATE_HZ, 2 * RATE_HZ
CROSSOVER = round(CROSSOVER_S * RATE_HZ)
MODEL_RATE_HZ = 16_000


def noise(seed: int, *, rate_hz: int = MODEL_RATE_HZ) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, 4 * rate_hz).astype(np.float32)


def tone(level: float) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 220 * np.arange(4 * MODEL_RATE_HZ) / MODEL_RATE_HZ)).astype(np.float32)


def write(
    path: Path,
    samples: np.ndarray,
    splice: Splice | None = None,
    *,
    num_samples: int = NUM_SAMPLES,
    panning: Panning = AS_MADE,
) -> StemReport:
    return write_stem(
        path,
        Waveform(samples=samples, sample_rate_hz=MODEL_RATE_HZ),
        sample_rate_hz=RATE_HZ,
        num_samples=num_samples,
        provenance={"track": "Dog"},
        splice=splice,
        panning=panning,
    )


def read(path: Path) -> np.ndarray:
    samples, _ = soundfile.read(path, dtype="int32")
    return np.asarray(samples)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    write(tmp_path / "old.wav", noise(1))
    return tmp_path / "old.wav"


@pytest.mark.parametrize(("start", "end"), [(START, END), (0, END), (START, NUM_SAMPLES), (1, 2), (0, 1)])
def test_samples_outside_the_stretch_and_its_cross_overs_stay_bit_for_bit(
    old: Path, tmp_path: Path, start: int, end: int
) -> None:
    write(tmp_path / "new.wav", noise(2), Splice(file=old, stretches=((start, end),)))
    before, after = read(old), read(tmp_path / "new.wav")
    outside = np.ones(NUM_SAMPLES, bool)
    outside[max(start - CROSSOVER, 0) : end + CROSSOVER] = False
    assert Fraction(CROSSOVER, RATE_HZ) <= Fraction(1, 10)
    assert np.array_equal(before[outside], after[outside])
    assert (before[~outside] != after[~outside]).mean() > 0.99


def test_samples_inside_the_stretch_are_those_of_the_new_audio(old: Path, tmp_path: Path) -> None:
    write(tmp_path / "whole.wav", noise(2))
    write(tmp_path / "new.wav", noise(2), Splice(file=old, stretches=((START, END),)))
    assert np.array_equal(read(tmp_path / "whole.wav")[START:END], read(tmp_path / "new.wav")[START:END])


@pytest.mark.parametrize("other", [1, 2])
def test_the_level_holds_across_the_cross_over_of_like_and_of_unlike_audio(
    old: Path, tmp_path: Path, other: int
) -> None:
    write(tmp_path / "new.wav", noise(other), Splice(file=old, stretches=((START, END),)))
    samples, _ = soundfile.read(tmp_path / "new.wav")
    levels = [
        np.std(samples[at : at + CROSSOVER]) for at in (START - 2 * CROSSOVER, START - CROSSOVER, START)
    ]
    assert max(levels) / min(levels) < 1.15


def test_a_stretch_does_not_jump_at_its_edges(tmp_path: Path) -> None:
    write(tmp_path / "low.wav", tone(0.05))
    write(tmp_path / "new.wav", tone(0.2), Splice(file=tmp_path / "low.wav", stretches=((START, END),)))
    samples, _ = soundfile.read(tmp_path / "new.wav")
    steps = np.abs(np.diff(samples))
    assert steps.max() <= np.abs(np.diff(samples[START + CROSSOVER : END - CROSSOVER])).max() * 1.05


def test_a_file_that_was_edited_is_warned_of_and_one_that_was_not_is_not(tmp_path: Path) -> None:
    write(tmp_path / "old.wav", tone(0.2))
    splice = Splice(file=tmp_path / "old.wav", stretches=((START, END),))
    assert write(tmp_path / "a.wav", tone(0.1), splice).warnings == ()
    assert "was edited" in write(tmp_path / "b.wav", noise(3), splice).warnings[0]


def test_silence_in_an_earlier_stem_is_no_edit(tmp_path: Path) -> None:
    write(tmp_path / "old.wav", np.zeros(4 * MODEL_RATE_HZ, np.float32))
    splice = Splice(file=tmp_path / "old.wav", stretches=((START, END),))
    assert write(tmp_path / "new.wav", noise(3), splice).warnings == ()
    assert not read(tmp_path / "new.wav")[: START - CROSSOVER].any()


def test_a_stem_of_another_length_is_refused(old: Path, tmp_path: Path) -> None:
    splice = Splice(file=old, stretches=((START, END),))
    with pytest.raises(RequestError, match="192000 samples at 48000 Hz"):
        write(tmp_path / "new.wav", noise(2), splice, num_samples=NUM_SAMPLES - 1)
    assert not (tmp_path / "new.wav").exists()


def test_a_stretch_beyond_the_stem_is_refused(old: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="lies in 0 to 192000"):
        write(tmp_path / "new.wav", noise(2), Splice(file=old, stretches=((START, NUM_SAMPLES + 1),)))


def test_a_panned_stem_keeps_both_channels(tmp_path: Path) -> None:
    panning = Panning(num_channels=2, pan=Curve(points=((0.0, -0.5), (4.0, 0.5))))
    write(tmp_path / "old.wav", noise(1), panning=panning)
    splice = Splice(file=tmp_path / "old.wav", stretches=((START, END),))
    write(tmp_path / "new.wav", noise(2), splice, panning=panning)
    write(tmp_path / "whole.wav", noise(2), panning=panning)
    before, after, whole = (read(tmp_path / f"{name}.wav") for name in ("old", "new", "whole"))
    assert after.shape == (NUM_SAMPLES, 2)
    assert np.array_equal(before[: START - CROSSOVER], after[: START - CROSSOVER])
    assert np.array_equal(whole[START:END], after[START:END])
    assert np.array_equal(before[END + CROSSOVER :], after[END + CROSSOVER :])
    with pytest.raises(RequestError, match="in 2 channels, and 192000 samples at 48000 Hz in 1 channels"):
        write(tmp_path / "mono.wav", noise(2), splice)


def test_a_missing_coarse_or_truncated_file_is_refused(old: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "coarse.wav", np.zeros(100), RATE_HZ, subtype="PCM_16")
    (tmp_path / "short.wav").write_bytes(old.read_bytes()[:5000])
    with pytest.raises(MediaNotFoundError, match=r"no file .*gone\.wav"):
        write(
            tmp_path / "n.wav",
            noise(2),
            Splice(file=tmp_path / "gone.wav", stretches=((START, END),)),
        )
    for name, why in (("coarse.wav", "16 bits"), ("short.wav", "cut off")):
        with pytest.raises(MediaUnreadableError, match=why):
            write(tmp_path / "n.wav", noise(2), Splice(file=tmp_path / name, stretches=((START, END),)))


HEAD, TAIL = RATE_HZ // 2 + 7, RATE_HZ // 4


@pytest.mark.parametrize(("head", "tail"), [(HEAD, TAIL), (HEAD, 0), (0, TAIL)])
@pytest.mark.parametrize("length", [NUM_SAMPLES, 6_000, 1])
def test_an_earlier_stem_keeps_its_samples_between_what_is_added(
    tmp_path: Path, head: int, tail: int, length: int
) -> None:
    old = tmp_path / "old.wav"
    write(old, noise(1), num_samples=length)
    splice = Splice.beside(old, num_samples=length, head_samples=head, tail_samples=tail)
    whole = np.tile(noise(2), 2)
    write(tmp_path / "new.wav", whole, splice, num_samples=head + length + tail)
    write(tmp_path / "made.wav", whole, num_samples=head + length + tail)
    before, after, made = (read(tmp_path / f"{name}.wav") for name in ("old", "new", "made"))
    first = CROSSOVER if head else 0
    last = length - (CROSSOVER if tail else 0)
    if first < last:
        assert np.array_equal(after[head + first : head + last], before[first:last])
    assert np.array_equal(after[:head], made[:head])
    assert np.array_equal(after[head + length :], made[head + length :])


def test_a_stem_of_two_channels_goes_on_in_both(tmp_path: Path) -> None:
    panning = Panning(pan=Curve(points=((0.0, -0.5), (1.0, 0.5))), num_channels=2)
    write(tmp_path / "old.wav", noise(1), panning=panning)
    splice = Splice.beside(tmp_path / "old.wav", num_samples=NUM_SAMPLES, head_samples=HEAD, tail_samples=0)
    write(tmp_path / "new.wav", noise(2), splice, num_samples=NUM_SAMPLES + HEAD, panning=panning)
    before, after = read(tmp_path / "old.wav"), read(tmp_path / "new.wav")
    assert after.shape == (NUM_SAMPLES + HEAD, 2)
    assert np.array_equal(after[HEAD + CROSSOVER :], before[CROSSOVER:])

"""The echo engine: a click exactly where each flash of a retimed clip is seen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import RangeOutsideMediaError, RenderCancelled, RequestError
from selva_core.base.media import PictureRange
from selva_core.engine import Engine, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.engines.echo import CLICK_LEVEL, EchoEngine
from selva_core.engines.registry import load_engine

MakeVideo = Callable[..., Path]
NTSC_FILM = Fraction(24000, 1001)


def render(picture: PictureRange, *requests: StemRequest, engine: Engine | None = None) -> list[Waveform]:
    return (engine or EchoEngine()).render(
        picture,
        requests or (StemRequest(prompt="a click"),),
        settings=SamplingSettings(),
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )


def clicks_in(waveform: Waveform) -> list[int]:
    return [int(index) for index in np.flatnonzero(waveform.samples == np.float32(CLICK_LEVEL))]


def frames(count: int, rate_hz: Fraction) -> Fraction:
    return count / rate_hz


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(
    "rate_hz", [NTSC_FILM, 24, 25, Fraction(30000, 1001), 30, 50, Fraction(60000, 1001), 60]
)
def test_click_lands_where_the_flash_frame_begins(
    flashing_video: MakeVideo, rate_hz: Fraction, suffix: str
) -> None:
    rate_hz = Fraction(rate_hz)
    path = flashing_video(f"flash.{suffix}", num_frames=60, flashes={17, 41}, rate_hz=rate_hz)
    picture = PictureRange(path=path, start_s=frames(5, rate_hz), duration_s=frames(50, rate_hz))
    [waveform] = render(picture)
    expected = [int(frames(n, rate_hz) * 48_000 + Fraction(1, 2)) for n in (12, 36)]
    assert clicks_in(waveform) == expected
    assert len(waveform.samples) == int(frames(50, rate_hz) * 48_000 + Fraction(1, 2))


@pytest.mark.parametrize(
    ("speed", "start_frame", "flash_frame"),
    [(2, 4, 20), (Fraction(1, 2), 4, 20), (Fraction(3, 4), 10, 40), (-1, 55, 40), (-2, 56, 30), (4, 0, 48)],
)
def test_click_of_a_retimed_clip_lands_where_the_flash_is_seen(
    flashing_video: MakeVideo, speed: Fraction, start_frame: int, flash_frame: int
) -> None:
    path = flashing_video("flash.mp4", num_frames=60, flashes={flash_frame}, rate_hz=NTSC_FILM)
    seen_s = frames(flash_frame - start_frame, NTSC_FILM) / speed
    picture = PictureRange(
        path=path,
        start_s=frames(start_frame, NTSC_FILM),
        duration_s=seen_s + frames(3, NTSC_FILM) / abs(Fraction(speed)),
        speed=Fraction(speed),
    )
    assert clicks_in(render(picture)[0]) == [int(seen_s * 48_000 + Fraction(1, 2))]


def test_long_flash_in_reverse_clicks_when_its_last_frame_comes_up(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={20, 21, 22})
    picture = PictureRange(
        path=path, start_s=frames(49, Fraction(25)), duration_s=Fraction(2), speed=Fraction(-1)
    )
    assert clicks_in(render(picture)[0]) == [27 * 1920]


def test_clip_that_begins_on_a_flash_clicks_on_its_first_sample(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={10})
    picture = PictureRange(path=path, start_s=frames(10, Fraction(25)), duration_s=Fraction(1))
    assert clicks_in(render(picture)[0]) == [0]


def test_flash_before_the_in_point_and_after_the_out_point_is_silent(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={9, 35})
    picture = PictureRange(path=path, start_s=frames(10, Fraction(25)), duration_s=Fraction(1))
    assert not render(picture)[0].samples.any()


def test_freeze_frame_is_silent_and_has_its_full_length(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={10})
    picture = PictureRange(
        path=path, start_s=frames(10, Fraction(25)), duration_s=Fraction(3), speed=Fraction(0)
    )
    [waveform] = render(picture)
    assert waveform.samples.shape == (144_000,)
    assert not waveform.samples.any()


def test_prompts_and_seeds_change_the_tone_and_never_the_click(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={12, 30})
    picture = PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(2))
    dog, bell, dog_again, dog_seeded = render(
        picture,
        StemRequest(prompt="dog"),
        StemRequest(prompt="bell"),
        StemRequest(prompt="dog"),
        StemRequest(prompt="dog", seed=43),
    )
    assert np.array_equal(dog.samples, dog_again.samples)
    assert not np.array_equal(dog.samples, bell.samples)
    assert not np.array_equal(dog.samples, dog_seeded.samples)
    assert clicks_in(dog) == clicks_in(bell) == clicks_in(dog_seeded) == [12 * 1920, 30 * 1920]
    assert float(np.abs(dog.samples).max()) == pytest.approx(CLICK_LEVEL)


def test_range_past_the_media_is_refused_and_one_within_is_not(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=50, flashes={12})
    with pytest.raises(RangeOutsideMediaError, match=r"lasts 2\.000 s"):
        render(PictureRange(path=path, start_s=Fraction(1), duration_s=Fraction(2)))
    assert clicks_in(render(PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(2)))[0])


def test_cancelling_stops_within_one_step(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=25, flashes={12})
    steps: list[RenderProgress] = []
    with pytest.raises(RenderCancelled):
        EchoEngine().render(
            PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1)),
            [StemRequest(prompt="dog")],
            settings=SamplingSettings(num_steps=9),
            on_progress=steps.append,
            is_cancelled=lambda: sum(progress.stage == "sampling" for progress in steps) == 3,
        )
    assert steps[-1].step == 3


def test_progress_rises_to_one_and_names_every_step(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=25, flashes={12})
    seen: list[RenderProgress] = []
    EchoEngine().render(
        PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(1)),
        [StemRequest(prompt="dog")],
        settings=SamplingSettings(num_steps=4),
        on_progress=seen.append,
        is_cancelled=lambda: False,
    )
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [progress.step for progress in seen if progress.stage == "sampling"] == [1, 2, 3, 4]


def test_environment_sets_sample_rate_and_step_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELVA_ECHO_SAMPLE_RATE_HZ", "16000")
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.25")
    engine = load_engine("selva-echo")
    assert isinstance(engine, EchoEngine)
    assert (engine.sample_rate_hz, engine.step_delay_s) == (16_000, 0.25)


@pytest.mark.parametrize(
    "environ",
    [
        {"SELVA_ECHO_SAMPLE_RATE_HZ": "fast"},
        {"SELVA_ECHO_SAMPLE_RATE_HZ": "10"},
        {"SELVA_ECHO_STEP_DELAY_S": "-1"},
    ],
)
def test_environment_that_makes_no_sense_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"echo|SELVA_ECHO"):
        EchoEngine.from_environment(environ)


def test_echo_engine_renders_without_torch(flashing_video: MakeVideo) -> None:
    path = flashing_video("flash.mp4", num_frames=25, flashes={12})
    program = f"""
import sys
from fractions import Fraction
from pathlib import Path
from selva_core.engine import PictureRange, SamplingSettings, StemRequest
from selva_core.engines.registry import load_engine
[waveform] = load_engine("selva-echo").render(
    PictureRange(path=Path({str(path)!r}), start_s=Fraction(0), duration_s=Fraction(1)),
    [StemRequest(prompt="dog")], settings=SamplingSettings(), on_progress=print, is_cancelled=lambda: False)
assert waveform.samples.any() and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, stdout=subprocess.DEVNULL)

"""selva-nano says whether, where and when the picture shows what the prompt names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch

from selva_core.base.evidence import Evidence
from selva_core.base.media import PictureRange
from selva_core.base.pan import pan_curve
from selva_core.engine import BatchRequest, Engine, SamplingSettings, StemRequest, Waveform
from selva_core.engines.registry import load_engine
from selva_core.training.scenes.scene import build_scene

EXAMPLES = Path(__file__).parents[3] / "examples"
KIND_OF = {
    "a dog barking": "dog",
    "a rubber ball bouncing": "ball",
    "knocking on a door": "knock",
    "a siren wailing": "siren",
    "rain falling": "rain",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    engine = load_engine("selva-nano", device="cpu")
    yield engine
    engine.close()
    torch.set_num_threads(num_threads)


def render(engine: Engine, path: Path, *prompts: str, seconds: Fraction = Fraction(4)) -> list[Waveform]:
    return engine.render(
        PictureRange(path=path, start_s=Fraction(0), duration_s=seconds),
        [StemRequest(prompt=prompt, seed=3) for prompt in prompts],
        settings=SamplingSettings(num_steps=1),
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )


def evidence_of(wave: Waveform) -> Evidence:
    assert wave.evidence is not None
    return wave.evidence


@pytest.mark.parametrize("name", ["yard", "hall", "street", "garden"])
def test_what_a_clip_shows_is_present_and_what_it_does_not_show_is_absent(engine: Engine, name: str) -> None:
    content = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    shown = {source["kind"]: source for source in content["sounding"]}
    waves = render(engine, EXAMPLES / f"{name}.mp4", *KIND_OF)
    for kind, wave in zip(KIND_OF.values(), waves, strict=True):
        assert wave.is_absent == (kind not in shown), kind
        if kind in shown:
            evidence = evidence_of(wave)
            assert float(np.mean(evidence.x)) == pytest.approx(shown[kind]["x"], abs=0.12)
            assert float(np.mean(evidence.y)) == pytest.approx(shown[kind]["y"], abs=0.2)


def write_video(path: Path, frames: npt.NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "18", "g": "25"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("seed", "kinds", "prompt"),
    [(4_100_003, ("knock", "wind"), "knocking on a door"), (4_100_006, ("bird", "siren"), "a bird chirping")],
)
def test_presence_follows_a_thing_that_leaves_and_comes_back_within_0_4_s(
    engine: Engine, tmp_path: Path, seed: int, kinds: tuple[str, str], prompt: str
) -> None:
    scene = build_scene(seed, duration_s=6.0, kinds=kinds)
    frames = scene.draw(96)
    frames[45:105] = replace(scene, targets=scene.targets[1:]).draw(96)[45:105]  # away from 1.8 to 4.2 s
    path = write_video(tmp_path / "leaves.mp4", frames)
    [wave] = render(engine, path, prompt, seconds=Fraction(6))
    evidence = evidence_of(wave)
    is_seen = np.asarray(evidence.presence) >= 0.5
    times_s = (np.arange(is_seen.size) + 0.5) / float(evidence.rate_hz)
    is_there = (times_s < 1.8) | (times_s > 4.2)
    is_sure = (np.abs(times_s - 1.8) > 0.4) & (np.abs(times_s - 4.2) > 0.4)
    assert np.array_equal(is_seen[is_sure], is_there[is_sure])
    assert not wave.is_absent
    assert evidence.seen_spans_s[0] == pytest.approx((0.0, 1.8), abs=0.4)
    assert evidence.seen_spans_s[1] == pytest.approx((4.2, 6.0), abs=0.4)


@pytest.mark.parametrize("name", ["bikes", "bigbuckbunny", "carphone_pristine"])
def test_a_picture_unlike_all_of_training_carries_a_warning_and_a_drawn_one_does_not(
    engine: Engine, footage_folder: Path, name: str
) -> None:
    """The first second of the bikes is blurred."""
    [car] = render(engine, footage_folder / f"{name}.mp4", "a dog barking", seconds=Fraction(2))
    [yard] = render(engine, EXAMPLES / "yard.mp4", "a dog barking", seconds=Fraction(2))
    assert any("unlike the drawn scenes" in warning for warning in car.warnings)
    assert yard.warnings == ()


def test_the_warning_comes_also_where_the_clip_need_not_be_encoded_again(
    engine: Engine, footage_folder: Path
) -> None:
    path = footage_folder / "carphone_pristine.mp4"
    first, second = (render(engine, path, prompt, seconds=Fraction(2))[0] for prompt in list(KIND_OF)[:2])
    assert first.warnings == second.warnings != ()


@pytest.mark.parametrize(
    ("prompt", "warning"),
    [
        ("asdfgh", "not trained for this prompt ('asdfgh')"),
        ("typing on a keyboard", "not trained for this prompt ('typing', 'keyboard')"),
        ("no dog barking", "also after 'no'"),
    ],
)
def test_prompts_that_are_not_known_carry_a_warning(engine: Engine, prompt: str, warning: str) -> None:
    [wave] = render(engine, EXAMPLES / "yard.mp4", prompt, seconds=Fraction(1))
    assert any(warning in each for each in wave.warnings)


def test_looking_says_what_rendering_says(engine: Engine) -> None:
    picture = PictureRange(path=EXAMPLES / "yard.mp4", start_s=Fraction(0), duration_s=Fraction(2))
    request = BatchRequest(
        picture=picture,
        requests=[StemRequest(prompt=prompt) for prompt in KIND_OF],
        on_progress=lambda _: None,
        is_cancelled=lambda: False,
    )
    waves = render(engine, picture.path, *KIND_OF, seconds=Fraction(2))
    assert engine.look(request) == [wave.evidence for wave in waves]


@pytest.mark.parametrize("name", ["yard", "garden"])
def test_pan_is_where_the_thing_is_and_stands_as_still_as_it_does(engine: Engine, name: str) -> None:
    content = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    shown = {source["kind"]: source["x"] for source in content["sounding"]}
    prompts = {prompt: shown[kind] for prompt, kind in KIND_OF.items() if kind in shown}
    for wave, x in zip(render(engine, EXAMPLES / f"{name}.mp4", *prompts), prompts.values(), strict=True):
        curve = pan_curve(evidence_of(wave))
        places = np.asarray([(curve.at(frame / 25) + 1) / 2 for frame in range(100)])
        assert float(np.abs(places - x).mean()) < 0.1
        assert float(np.abs(np.diff(places)).max()) < 0.02

"""The network engine with dummy weights at nano size: everything but the quality of the audio is as with real ones."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from selva_core.base.errors import (
    MediaNotFoundError,
    RangeOutsideMediaError,
    RenderCancelled,
    RequestError,
)
from selva_core.base.media import PictureRange
from selva_core.engine import RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.engines.loading import load_network_engine
from selva_core.engines.network import LoadedModel, NetworkEngine
from selva_core.inference import token_encoder
from selva_core.inference.device import choose_device
from selva_core.inference.dummy_weights import NOTICE, build_dummy_tokenizer, build_dummy_weights
from selva_core.inference.sampler import draw_noise
from selva_core.inference.windows import plan_windows
from selva_core.models.catalog import find_model
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.specs import MEL_44K, ModelSpec
from selva_core.video.frames import Frame, iter_frames

MakeVideo = Callable[..., Path]
TWO_STEPS = SamplingSettings(num_steps=2)
DOG, BELL = StemRequest(prompt="dog barking"), StemRequest(prompt="bell")

NANO_SPEC_44K = replace(
    NANO_SPEC,
    mel=MEL_44K,
    vae=replace(NANO_SPEC.vae, num_mels=128),
    vocoder=replace(NANO_SPEC.vocoder, num_mels=128, up_rates=(8, 4, 4, 4), up_kernels=(16, 8, 8, 8)),
)
# A window of this model is three seconds long, so that a clip of four has two.
TWO_WINDOWS_S = Fraction(4)
SHORT_WINDOWS_SPEC = replace(NANO_SPEC, window_s=Fraction(3))


def build_engine(spec: ModelSpec = NANO_SPEC) -> NetworkEngine:
    model = replace(find_model("selva-nano"), spec=spec)
    return NetworkEngine(
        LoadedModel(
            model=model,
            network=build_dummy_weights(spec),
            tokenizer=build_dummy_tokenizer(spec),
            device_choice=choose_device("cpu"),
            weights_sha256="0" * 64,
            notices=(NOTICE,),
        )
    )


@pytest.fixture(scope="module")
def engine() -> NetworkEngine:
    return build_engine()


def render(
    engine: NetworkEngine,
    path: Path,
    duration_s: Fraction,
    *requests: StemRequest,
    start_s: Fraction = Fraction(0),
) -> list[Waveform]:
    return engine.render(
        PictureRange(path=path, start_s=start_s, duration_s=duration_s),
        requests,
        settings=TWO_STEPS,
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )


def same(one: Waveform, other: Waveform) -> bool:
    return np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("duration_s", [Fraction(1, 24), Fraction(1001, 1000), Fraction(9)])
@pytest.mark.parametrize("spec", [NANO_SPEC, NANO_SPEC_44K])
def test_audio_lasts_exactly_as_long_as_the_video(
    footage_folder: Path, spec: ModelSpec, duration_s: Fraction
) -> None:
    engine = build_engine(spec)
    [waveform] = render(engine, footage_folder / "bikes.mp4", duration_s, DOG)
    rate_hz = engine._network.spec.sample_rate_hz
    assert waveform.sample_rate_hz == rate_hz
    assert waveform.samples.dtype == np.float32
    assert len(waveform.samples) == int(duration_s * rate_hz + Fraction(1, 2))
    assert waveform.samples[-8:].any()


def test_stem_is_bit_identical_whatever_else_is_rendered_with_it(
    footage_folder: Path,
) -> None:
    engine, path = build_engine(SHORT_WINDOWS_SPEC), footage_folder / "bikes.mp4"
    [single] = render(engine, path, TWO_WINDOWS_S, DOG)
    without_dogs = StemRequest(prompt="bell", negative_prompt="dog barking")
    among_others = render(engine, path, TWO_WINDOWS_S, BELL, DOG, without_dogs)
    assert same(single, among_others[1])


@pytest.mark.parametrize("noise_scale", [1.0, 0.5])
def test_sampling_begins_from_noise_of_the_models_own_scale(
    footage_folder: Path, monkeypatch: pytest.MonkeyPatch, noise_scale: float
) -> None:
    engine = build_engine(replace(NANO_SPEC, noise_scale=noise_scale))
    monkeypatch.setattr(
        engine._network.generator, "flow", lambda latents, t, conditions: torch.zeros_like(latents)
    )
    [still] = render(engine, footage_folder / "bikes.mp4", Fraction(1), DOG)
    assert still.latents is not None
    noise = draw_noise(DOG.seed, *still.latents.shape)
    np.testing.assert_allclose(still.latents, noise_scale * noise.numpy(), rtol=1e-6)


def test_second_engine_with_the_same_weights_gives_the_same_bits(
    engine: NetworkEngine, footage_folder: Path
) -> None:
    path = footage_folder / "carphone_pristine.mp4"
    [one] = render(engine, path, Fraction(1), DOG)
    [other] = render(build_engine(), path, Fraction(1), DOG)
    assert same(one, other)


@pytest.mark.parametrize(
    "other",
    [
        StemRequest(prompt="bell"),
        StemRequest(prompt="dog barking", seed=43),
        StemRequest(prompt="dog barking", negative_prompt="bell"),
    ],
)
def test_prompt_seed_and_negative_prompt_all_change_the_audio(
    engine: NetworkEngine, footage_folder: Path, other: StemRequest
) -> None:
    first, second = render(engine, footage_folder / "carphone_pristine.mp4", Fraction(1), DOG, other)
    assert not same(first, second)


def test_video_changes_the_audio(engine: NetworkEngine, footage_folder: Path) -> None:
    path = footage_folder / "bikes.mp4"
    [one] = render(engine, path, Fraction(1), DOG)
    [other] = render(engine, path, Fraction(1), DOG, start_s=Fraction(5))
    assert not same(one, other)


def test_audio_follows_the_video_to_its_end(engine: NetworkEngine, numbered_video: MakeVideo) -> None:
    duration_s = Fraction(5)
    assert plan_windows(NANO_SPEC, duration_s).num_segments > token_encoder.CHUNK_SEGMENTS
    path = numbered_video("n.mp4", num_frames=125)
    late_change = numbered_video("late.mp4", num_frames=125, pts=[*range(110), *range(111, 126)])
    [one] = render(engine, path, duration_s, DOG)
    [other] = render(engine, late_change, duration_s, DOG)
    assert not np.array_equal(one.samples[-1000:], other.samples[-1000:])


@pytest.fixture
def decoded_pictures(monkeypatch: pytest.MonkeyPatch) -> list[PictureRange]:
    """The pictures that were decoded."""
    decoded: list[PictureRange] = []

    def counted(picture: PictureRange, **options: Any) -> Iterator[Frame]:
        decoded.append(picture)
        return iter_frames(picture, **options)

    monkeypatch.setattr(token_encoder, "iter_frames", counted)
    return decoded


def test_picture_is_decoded_once_for_all_prompts_and_renders(
    footage_folder: Path, decoded_pictures: list[PictureRange]
) -> None:
    engine, path = build_engine(), footage_folder / "bikes.mp4"
    [first] = render(engine, path, Fraction(2), DOG)
    again, _ = render(engine, path, Fraction(2), DOG, BELL)
    assert len(decoded_pictures) == 1
    assert same(first, again)
    render(engine, path, Fraction(2), DOG, start_s=Fraction(1, 25))
    assert len(decoded_pictures) == 2


def test_changed_file_is_decoded_again(
    footage_folder: Path, tmp_path: Path, decoded_pictures: list[PictureRange]
) -> None:
    engine, path = build_engine(), tmp_path / "clip.mp4"
    shutil.copy(footage_folder / "bikes.mp4", path)
    [before] = render(engine, path, Fraction(1), DOG)
    shutil.copy(footage_folder / "bigbuckbunny.mp4", path)
    os.utime(path, ns=(1, 1))
    [after] = render(engine, path, Fraction(1), DOG)
    assert len(decoded_pictures) == 2
    assert not same(before, after)


def test_clip_too_long_for_memory_is_decoded_each_time_with_the_same_result(
    footage_folder: Path, decoded_pictures: list[PictureRange]
) -> None:
    engine, path = build_engine(), footage_folder / "bikes.mp4"
    engine._video_tokens._max_memory_bytes = 1
    [one] = render(engine, path, Fraction(1), DOG)
    [other] = render(engine, path, Fraction(1), DOG)
    assert len(decoded_pictures) == 2
    assert same(one, other)


def test_each_segment_and_each_bridge_is_encoded_once_whatever_the_windows(
    footage_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = build_engine(SHORT_WINDOWS_SPEC)
    encoder = engine._network.video_encoder
    encode, num_encoded = encoder.encode_segments, 0

    def counted(segments: torch.Tensor) -> torch.Tensor:
        nonlocal num_encoded
        num_encoded += len(segments)
        return encode(segments)

    monkeypatch.setattr(encoder, "encode_segments", counted)
    render(engine, footage_folder / "bikes.mp4", TWO_WINDOWS_S, DOG)
    plan = plan_windows(SHORT_WINDOWS_SPEC, TWO_WINDOWS_S)
    assert len(plan.windows) == 2
    num_borders_of_chunks = (plan.num_segments - 1) // token_encoder.CHUNK_SEGMENTS  # bridged in both chunks
    assert num_encoded == plan.num_segments + (plan.num_segments - 1) + num_borders_of_chunks


def test_cancelling_stops_within_one_step_and_the_engine_goes_on(
    engine: NetworkEngine, footage_folder: Path
) -> None:
    seen: list[RenderProgress] = []
    picture = PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(0), duration_s=Fraction(1))
    with pytest.raises(RenderCancelled):
        engine.render(
            picture,
            [DOG],
            settings=SamplingSettings(num_steps=20),
            on_progress=seen.append,
            is_cancelled=lambda: bool(seen) and seen[-1].step == 3,
        )
    assert seen[-1].step == 3
    assert render(engine, picture.path, Fraction(1), DOG)[0].samples.any()


def test_cancelling_is_noticed_while_frames_are_decoded(
    engine: NetworkEngine, numbered_video: MakeVideo
) -> None:
    path = numbered_video("n.mp4", num_frames=200)
    num_checks = 0
    seen: list[RenderProgress] = []

    def is_cancelled() -> bool:
        nonlocal num_checks
        num_checks += 1
        return num_checks > 5

    with pytest.raises(RenderCancelled):
        engine.render(
            PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(8)),
            [DOG],
            settings=TWO_STEPS,
            on_progress=seen.append,
            is_cancelled=is_cancelled,
        )
    assert {progress.stage for progress in seen} == {"picture"}


def test_progress_rises_through_all_stages_to_one(engine: NetworkEngine, footage_folder: Path) -> None:
    seen: list[RenderProgress] = []
    engine.render(
        PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(2), duration_s=Fraction(3)),
        [DOG, BELL],
        settings=SamplingSettings(num_steps=3),
        on_progress=seen.append,
        is_cancelled=lambda: False,
    )
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert list(dict.fromkeys(progress.stage for progress in seen)) == [
        "picture",
        "text",
        "sampling",
        "sound",
    ]
    steps = [progress.step for progress in seen if progress.stage == "sampling"]
    assert list(dict.fromkeys(steps)) == [0, 1, 2, 3]  # 0: the stage begins


def render_separated(
    engine: NetworkEngine, path: Path, *requests: StemRequest, weight: float
) -> list[Waveform]:
    return engine.render(
        PictureRange(path=path, start_s=Fraction(0), duration_s=TWO_WINDOWS_S),
        requests,
        settings=SamplingSettings(num_steps=2, separate=weight),
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )


def test_siblings_change_a_stem_only_where_it_is_separated_from_them(footage_folder: Path) -> None:
    engine, path = build_engine(SHORT_WINDOWS_SPEC), footage_folder / "bikes.mp4"
    beside_bell, alone = replace(DOG, siblings=("bell",)), DOG
    assert same(*render_separated(engine, path, beside_bell, alone, weight=0.0))
    apart, single = render_separated(engine, path, beside_bell, alone, weight=1.0)
    assert not same(apart, single)
    assert same(single, render_separated(engine, path, alone, weight=0.0)[0])


def test_a_separated_stem_is_bit_identical_whatever_else_is_rendered_with_it(footage_folder: Path) -> None:
    engine, path = build_engine(SHORT_WINDOWS_SPEC), footage_folder / "bikes.mp4"
    dog, bell = replace(DOG, siblings=("bell", "rain")), replace(BELL, siblings=("dog barking",))
    [single] = render_separated(engine, path, dog, weight=1.0)
    assert same(single, render_separated(engine, path, bell, dog, weight=1.0)[1])


@pytest.mark.parametrize("siblings", [("dog barking",), ("bell", " ")])
def test_a_stem_is_no_sibling_of_itself_and_no_sibling_is_empty(siblings: tuple[str, ...]) -> None:
    with pytest.raises(RequestError, match="other prompts"):
        replace(DOG, siblings=siblings)


def test_guidance_of_one_ignores_the_negative_prompt(engine: NetworkEngine, footage_folder: Path) -> None:
    waveforms = engine.render(
        PictureRange(path=footage_folder / "bikes.mp4", start_s=Fraction(0), duration_s=Fraction(1)),
        [DOG, StemRequest(prompt="dog barking", negative_prompt="bell")],
        settings=SamplingSettings(num_steps=2, guidance=1.0),
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )
    assert same(*waveforms)


def test_too_long_prompt_is_rendered_with_a_warning(engine: NetworkEngine, footage_folder: Path) -> None:
    request = StemRequest(prompt="dog " * 40)
    [waveform] = render(engine, footage_folder / "bikes.mp4", Fraction(1), request)
    assert waveform.warnings == (
        "the prompt is too long: the model reads the first 22 of its 40 pieces of text",
    )


def test_missing_picture_and_range_outside_it_are_refused(
    engine: NetworkEngine, footage_folder: Path
) -> None:
    with pytest.raises(MediaNotFoundError, match=r"gone\.mp4"):
        render(engine, footage_folder / "gone.mp4", Fraction(1), DOG)
    with pytest.raises(RangeOutsideMediaError, match=r"bikes\.mp4"):
        render(engine, footage_folder / "bikes.mp4", Fraction(20), DOG)
    [whole] = render(engine, footage_folder / "bikes.mp4", Fraction(1), DOG)
    assert len(whole.samples) == whole.sample_rate_hz


def test_no_request_gives_no_waveform_and_decodes_nothing(engine: NetworkEngine) -> None:
    assert render(engine, Path("gone.mp4"), Fraction(1)) == []


def test_weights_of_an_engine_live_until_it_is_closed_and_not_after() -> None:
    """But for the text towers, which an engine of another test may share."""
    engine = load_network_engine("selva-nano", device="cpu")
    presence = engine._loaded.presence
    assert presence is not None
    parts = [part for name, part in engine._network.parts().items() if name not in {"clip_text", "t5"}]
    weights = [
        weakref.ref(tensor)
        for held in (*(chain(part.parameters(), part.buffers()) for part in parts), vars(presence).values())
        for tensor in held
    ]
    del presence, parts
    gc.collect()
    assert all(weight() is not None for weight in weights)
    engine.close()
    assert not any(weight() is not None for weight in weights)


@pytest.mark.gpu
def test_gpu_renders_nearly_what_the_cpu_renders(engine: NetworkEngine, footage_folder: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    path = footage_folder / "bikes.mp4"
    on_gpu = load_network_engine("selva-nano", device="cuda")
    [one] = render(load_network_engine("selva-nano", device="cpu"), path, Fraction(9), DOG)
    [other] = render(on_gpu, path, Fraction(9), DOG)
    assert np.corrcoef(one.samples, other.samples)[0, 1] > 0.9

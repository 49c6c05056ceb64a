"""The network at any size: mel and waveform, refused shapes, training, saving and loading."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from selva_core.base.errors import WeightsMismatchError, WeightsMissingError
from selva_core.network import (
    MelSpectrogram,
    Network,
    bake_weights,
    build_network,
    cut_segments,
    join_conditions,
    load_network,
    save_part,
)
from tests.selva_core.network.tiny import LENGTHS, TINY, build_tiny, prepare


def test_mel_frames_and_latents_and_samples_go_together(network: Network) -> None:
    num_samples = LENGTHS.num_samples
    mel = MelSpectrogram(TINY.mel)(torch.randn(2, num_samples) * 0.1)
    assert mel.shape == (2, 80, num_samples // 256)
    latents = torch.randn(2, LENGTHS.num_latents, TINY.vae.latent_channels)
    decoded = network.vae.decode(latents)
    assert decoded.shape == mel.shape
    wave = network.vocoder(decoded)
    assert wave.shape == (2, num_samples)
    assert wave.abs().max() <= 1.0


def test_a_louder_waveform_raises_every_mel_band() -> None:
    wave = torch.randn(1, 8192) * 0.1
    mel = MelSpectrogram(TINY.mel)
    torch.testing.assert_close(mel(10 * wave), mel(wave) + 1.0, atol=1e-3, rtol=0.0)


def test_a_vae_without_its_encoder_refuses_to_encode(network: Network) -> None:
    mel = torch.randn(1, 80, 2 * LENGTHS.num_latents)
    with pytest.raises(RuntimeError, match="without its encoder"):
        network.vae.encode(mel)
    posterior = build_tiny(for_training=True).vae.encode(mel)
    assert posterior.mean.shape == (1, LENGTHS.num_latents, TINY.vae.latent_channels)
    noise = torch.ones_like(posterior.mean)
    torch.testing.assert_close(posterior.sample(noise) - posterior.mean, posterior.std)


def test_baked_weights_give_the_same_waveform() -> None:
    network = build_tiny()
    latents = torch.randn(1, 20, TINY.vae.latent_channels)
    before = network.vocoder(network.vae.decode(latents))
    bake_weights(network.vae)
    bake_weights(network.vocoder)
    bake_weights(network.vocoder)
    torch.testing.assert_close(network.vocoder(network.vae.decode(latents)), before)


FITTING: dict[str, tuple[int, ...]] = {
    "segments": (1, 16, 3, 32, 32),
    "text_states": (1, 4, 20),
    "latents": (2, 40, 4),
    "mel": (1, 80, 8),
    "waveform": (1, 4096),
    "token_ids": (1, 9),
}


def feed(network: Network, name: str, shape: tuple[int, ...]) -> None:
    """Give one public function a tensor of that shape, everything else as it should be."""
    x = torch.zeros(shape)
    feeders: dict[str, Callable[[], Any]] = {
        "segments": lambda: network.video_encoder.encode_segments(x),
        "text_states": lambda: network.video_encoder.steer(
            torch.zeros(1, 8, 4, 24), x, torch.ones(shape[:2])
        ),
        "latents": lambda: network.generator.flow(x, torch.tensor(0.5), prepare(network)),
        "mel": lambda: network.vocoder(x),
        "waveform": lambda: MelSpectrogram(TINY.mel)(x),
        "token_ids": lambda: network.clip_text(x.long()),
    }
    feeders[name]()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("segments", (1, 15, 3, 32, 32)),
        ("text_states", (1, 4, 21)),
        ("latents", (2, 39, 4)),
        ("mel", (1, 79, 8)),
        ("waveform", (4096,)),
        ("token_ids", (1, 8)),
    ],
)
def test_a_wrong_shape_is_refused_with_got_and_expected(
    network: Network, name: str, shape: tuple[int, ...]
) -> None:
    feed(network, name, FITTING[name])
    with pytest.raises(ValueError, match=rf"{name} has shape .*; got") as refusal:
        feed(network, name, shape)
    assert str(shape) in str(refusal.value)


def test_sync_that_fills_no_whole_segment_is_refused(network: Network) -> None:
    spec = TINY.generator
    with pytest.raises(ValueError, match="8 features per segment; got 12 features"):
        network.generator.prepare_conditions(
            text=torch.zeros(1, spec.num_text_tokens, spec.text_width),
            sync=torch.zeros(1, 12, spec.sync_width),
            num_clip_frames=1,
            num_latents=10,
        )


def test_every_weight_gets_a_gradient() -> None:
    network = build_tiny(for_training=True)
    encoder, generator = network.video_encoder, network.generator
    size = TINY.video_encoder.frame_size_px
    token_ids, mask = torch.randint(0, 50, (2, 5)), torch.ones(2, 5)
    sync = encoder(torch.rand(2, 3, 16, 3, size, size), network.t5(token_ids, mask), mask)
    text = network.clip_text(torch.randint(0, 50, (2, 9)))
    lengths: dict[str, Any] = {
        "num_clip_frames": LENGTHS.num_clip_frames,
        "num_latents": LENGTHS.num_latents,
    }
    conditions = generator.prepare_conditions(text=text, sync=sync, **lengths)
    null = generator.prepare_null_conditions(text=None, num_sync=LENGTHS.num_sync, **lengths)
    mel = MelSpectrogram(TINY.mel)(torch.randn(3, LENGTHS.num_samples) * 0.1)
    posterior = network.vae.encode(mel)
    latents = posterior.sample(torch.randn(posterior.mean.shape))
    velocity = generator.flow(
        generator.normalize(latents), torch.rand(3), join_conditions([conditions, null])
    )
    wave = network.vocoder(network.vae.decode(generator.unnormalize(velocity)))
    wave.square().mean().backward()
    still = [
        f"{name}.{key}"
        for name, part in network.parts().items()
        for key, parameter in part.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    # The last joint block asks nothing for clip and text; softmax ignores what all keys share.
    never = r"generator\.joint_blocks\.1\.(clip|text)_block\.attn\.q_norm\.weight|.*k_proj\.bias"
    assert [key for key in still if not re.fullmatch(never, key)] == []


def test_a_fresh_generator_starts_as_a_flow_of_zero() -> None:
    network = build_network(TINY, for_training=True)
    x = torch.randn(2, LENGTHS.num_latents, TINY.generator.latent_channels)
    assert not network.generator.flow(x, torch.tensor(0.5), prepare(network)).any()


def save_all(network: Network, folder: Path) -> dict[str, Path]:
    files = {name: folder / f"{name}.safetensors" for name in network.parts()}
    for name, part in network.parts().items():
        save_part(name, part, files[name])
    return files


def render(network: Network) -> Tensor:
    """Sound through every part, from the same inputs each time."""
    torch.manual_seed(8)
    size = TINY.video_encoder.frame_size_px
    frames = torch.rand(LENGTHS.num_frames, 3, size, size) * 2 - 1
    tokens = network.video_encoder.encode_segments(cut_segments(frames, TINY.video_encoder))
    token_ids, mask = torch.arange(5)[None], torch.ones(1, 5)
    conditions = network.generator.prepare_conditions(
        text=network.clip_text(torch.arange(9)[None]),
        sync=network.video_encoder.steer(tokens, network.t5(token_ids, mask), mask),
        num_clip_frames=LENGTHS.num_clip_frames,
        num_latents=LENGTHS.num_latents,
    )
    x = torch.randn(1, LENGTHS.num_latents, TINY.generator.latent_channels)
    latents = network.generator.unnormalize(network.generator.flow(x, torch.tensor(0.0), conditions))
    wave: Tensor = network.vocoder(network.vae.decode(latents))
    return wave


@pytest.mark.parametrize("is_v2", [False, True])
def test_a_trained_network_gives_the_same_after_saving_and_loading(tmp_path: Path, is_v2: bool) -> None:
    spec = replace(TINY, generator=replace(TINY.generator, is_v2=is_v2))
    trained = build_tiny(for_training=True, spec=spec)
    files = save_all(trained, tmp_path)
    loaded = load_network(TINY, files)
    assert loaded.spec == spec
    with torch.inference_mode():
        torch.testing.assert_close(render(loaded), render(trained))
    assert not any(p.requires_grad for part in loaded.parts().values() for p in part.parameters())


def test_a_loaded_network_can_be_trained_on(tmp_path: Path) -> None:
    files = save_all(build_tiny(for_training=True), tmp_path)
    loaded = load_network(TINY, files, for_training=True)
    assert all(part.training for part in loaded.parts().values())
    assert all(p.requires_grad for part in loaded.parts().values() for p in part.parameters())
    again = tmp_path / "again"
    again.mkdir()
    files_again = save_all(loaded, again)
    assert all(path.read_bytes() == files_again[name].read_bytes() for name, path in files.items())


def test_weights_stored_in_half_precision_run_in_the_requested_precision(tmp_path: Path) -> None:
    trained = build_tiny(for_training=True)
    for part in trained.parts().values():
        part.half()
    files = save_all(trained, tmp_path)
    for dtype in (torch.float32, torch.bfloat16):
        loaded = load_network(TINY, files, dtype=dtype)
        assert next(loaded.video_encoder.parameters()).dtype == dtype
        assert loaded.generator.latent_std.dtype == torch.float32
        assert loaded.vocoder.conv_pre.weight_in_use.dtype == torch.float32
        assert render(loaded).dtype == torch.float32


def test_a_baked_part_refuses_to_be_saved(tmp_path: Path) -> None:
    network = build_tiny()
    save_part("vocoder", network.vocoder, tmp_path / "vocoder.safetensors")
    bake_weights(network.vocoder)
    with pytest.raises(ValueError, match="a baked vocoder cannot be saved"):
        save_part("vocoder", network.vocoder, tmp_path / "vocoder.safetensors")


def test_a_network_without_one_of_its_files_is_refused(tmp_path: Path) -> None:
    files = save_all(build_tiny(for_training=True), tmp_path)
    del files["vae"]
    with pytest.raises(WeightsMissingError, match="no weights files are given for vae"):
        load_network(TINY, files)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    files = save_all(build_tiny(for_training=True), tmp_path)
    wider = replace(TINY, generator=replace(TINY.generator, width=32))
    with pytest.raises(WeightsMismatchError, match=r"generator\.safetensors do not fit .* wrong shape"):
        load_network(wider, files)

"""Latents are decoded in pieces that join without a seam."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from selva_core.base.errors import RenderCancelled
from selva_core.inference.audio_decoder import (
    count_context_frames,
    decode_span,
    iter_audio,
    iter_mel,
    iter_waveform,
)
from selva_core.inference.batching import BatchLimit
from selva_core.inference.dummy_weights import build_dummy_weights
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.part_specs import VocoderSpec
from selva_core.models.specs import VOCODER_16K, VOCODER_44K
from selva_core.network import Vae, Vocoder
from selva_core.network.vae import ResBlock


def narrow(spec: VocoderSpec) -> VocoderSpec:
    return replace(spec, initial_channels=2 ** (len(spec.up_rates) + 1))


VOCODERS = [narrow(VOCODER_16K), narrow(VOCODER_44K), NANO_SPEC.vocoder]


@pytest.mark.parametrize("spec", VOCODERS)
@torch.inference_mode()
def test_vocoder_in_blocks_gives_what_it_gives_for_the_whole_mel(spec: VocoderSpec) -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(spec).eval()
    mel = torch.randn(spec.num_mels, 350)
    whole = vocoder(mel[None])[0]
    mel_pieces = [mel[:, :1], mel[:, 1:171], mel[:, 171:180], mel[:, 180:]]
    blocks = list(iter_waveform(vocoder, mel_pieces, limit=BatchLimit(1)))
    pieces = torch.from_numpy(np.concatenate(blocks))
    assert len(blocks) > 1
    assert pieces.shape == whole.shape
    assert (pieces - whole).abs().max() <= 1e-5 * whole.abs().max()


@pytest.mark.parametrize("spec", VOCODERS)
@torch.inference_mode()
def test_vocoder_reaches_no_further_than_its_context(spec: VocoderSpec) -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(spec).eval()
    mel = torch.randn(1, spec.num_mels, 200)
    changed = mel.clone()
    changed[:, :, 100] += 1.0
    moved = (vocoder(mel)[0] - vocoder(changed)[0]).abs().nonzero()
    context = count_context_frames(spec)
    assert moved.min() >= (100 - context) * spec.hop_samples
    assert moved.max() < (101 + context) * spec.hop_samples


@torch.inference_mode()
def test_long_latents_are_decoded_as_their_runs_with_no_gap() -> None:
    torch.manual_seed(0)
    vae = Vae(NANO_SPEC.vae, has_encoder=False).eval()
    latents = torch.randn(600, NANO_SPEC.vae.latent_channels)
    mel = torch.cat(list(iter_mel(vae, latents, window_latents=250)), dim=1)
    assert mel.shape == (NANO_SPEC.vae.num_mels, 1200)
    first_run = vae.decode(latents[None, :250])[0]
    assert torch.allclose(mel[:, :300], first_run[:, :300], atol=1e-5)
    [single] = iter_mel(vae, latents[:250], window_latents=250)
    assert torch.equal(single, vae.decode(latents[None, :250])[0])


def test_a_cancel_is_heard_between_the_blocks_of_one_window_of_the_vae() -> None:
    """One window of a published size takes seconds on a CPU, which is too long for a person who has cancelled."""
    torch.manual_seed(0)
    vae = Vae(NANO_SPEC.vae, has_encoder=False).eval()
    latents = torch.randn(250, NANO_SPEC.vae.latent_channels)
    num_checks = 0

    def check() -> None:
        nonlocal num_checks
        num_checks += 1

    [mel] = iter_mel(vae, latents, window_latents=250, check=check)
    assert torch.equal(mel, vae.decode(latents[None])[0])
    num_blocks = sum(isinstance(module, ResBlock) for module in vae.decoder.modules())
    assert num_checks >= 2 * num_blocks

    def cancel() -> None:
        nonlocal num_checks
        num_checks -= 1
        if num_checks == 0:
            raise RenderCancelled("the render was cancelled")

    num_checks = num_blocks // 2
    with pytest.raises(RenderCancelled):
        next(iter_mel(vae, latents, window_latents=250, check=cancel))


@pytest.mark.parametrize("span", [slice(0, 20), slice(300, 330), slice(90, 520), slice(590, 600)])
@torch.inference_mode()
def test_some_latents_are_decoded_as_they_are_in_the_whole(span: slice) -> None:
    torch.manual_seed(0)
    network = build_dummy_weights(NANO_SPEC)
    latents = torch.randn(600, NANO_SPEC.vae.latent_channels)
    limit = BatchLimit(2)
    whole = np.concatenate(list(iter_audio(network, latents, limit=limit, check=lambda: None)))
    hop = NANO_SPEC.latent_hop_samples
    expected = whole[span.start * hop : span.stop * hop]
    found = decode_span(network, latents, span, limit=limit, check=lambda: None)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(whole).max()

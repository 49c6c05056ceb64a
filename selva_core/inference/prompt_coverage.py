"""Whether a small model was trained for a prompt: its similarity to the phrasings of the training set.

A phrase is the mean of its T5 states, at unit length; its similarity to the known ones is the largest cosine.

Dimensions: B prompts, K known phrases, L text tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.base.command_line import selva_command
from selva_core.inference.lexicon import Lexicon, find_negations
from selva_core.models.checkpoints import check_tensors, read_tensors


@dataclass(frozen=True)
class PromptCoverage:
    """phrases: float32 (K, D), unit length. min_similarity: (), what a prompt must reach to count as known. lexicon: the words
    of training; None where they are not known.
    """

    phrases: Tensor
    min_similarity: Tensor
    lexicon: Lexicon | None = None

    def similarity(self, t5_states: Tensor) -> float:
        """t5_states (1, L, D) of one prompt without padding -> -1..1."""
        return float((self.phrases @ average_states(t5_states)[0].to(self.phrases.device)).max())

    def strangers(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that were not in training, where most were not."""
        return () if self.lexicon is None else self.lexicon.strangers(prompt)

    def is_known(self, t5_states: Tensor) -> bool:
        """Whether the prompt is similar enough to a phrasing that the model was trained for."""
        return self.similarity(t5_states) >= float(self.min_similarity)


def iter_prompt_warnings(
    model_id: str, coverage: PromptCoverage, prompt: str, t5_states: Tensor
) -> Iterator[str]:
    """What of a prompt (t5_states: (1, L, D)) the model was not trained for, in sentences."""
    strangers = coverage.strangers(prompt)
    if strangers or not coverage.is_known(t5_states):
        named = f" ({', '.join(map(repr, strangers))})" if strangers else ""
        yield (
            f"{model_id} was not trained for this prompt{named}, and may make no sound or another one; "
            f"a published model knows more; see: {selva_command('models', 'list')}"
        )
    negations = find_negations(prompt)
    if negations:
        yield (
            f"{model_id} makes what a prompt names, also after {negations[0]!r}; name in the prompt what is heard, and in "
            "the negative prompt what is not"
        )


def average_states(t5_states: Tensor) -> Tensor:
    """t5_states (B, L, D) without padding -> phrases (B, D), float32, unit length."""
    return F.normalize(t5_states.float().mean(dim=1), dim=-1)


def load_prompt_coverage(path: Path, *, text_width: int, lexicon: Lexicon | None = None) -> PromptCoverage:
    """Read the phrases of a model's training set.

    Raises WeightsMissingError, WeightsMismatchError.
    """
    tensors = read_tensors(path)
    num_phrases = len(tensors["phrases"]) if "phrases" in tensors else 0
    expected = {"phrases": torch.empty(num_phrases, text_width), "least_likeness": torch.empty(())}
    check_tensors(expected, tensors, source=path.name)
    return PromptCoverage(
        phrases=tensors["phrases"].float(),
        min_similarity=tensors["least_likeness"].float(),
        lexicon=lexicon,
    )

"""Whether a small model was trained for a prompt: its similarity to the phrasings of the training set.

A phrase is the mean of its T5 states, at unit length; its similarity to the known ones is the largest cosine.

Dimensions: B prompts, K known phrases, L text tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.models.checkpoints import check_tensors, read_tensors


@dataclass(frozen=True)
class PromptCoverage:
    """phrases: float32 (K, D), unit length. min_similarity: (), what a prompt must reach to count as known."""

    phrases: Tensor
    min_similarity: Tensor

    def similarity(self, t5_states: Tensor) -> float:
        """t5_states (1, L, D) of one prompt without padding -> -1..1."""
        return float((self.phrases @ average_states(t5_states)[0].to(self.phrases.device)).max())

    def is_known(self, t5_states: Tensor) -> bool:
        """Whether the prompt is similar enough to a phrasing that the model was trained for."""
        return self.similarity(t5_states) >= float(self.min_similarity)


def average_states(t5_states: Tensor) -> Tensor:
    """t5_states (B, L, D) without padding -> phrases (B, D), float32, unit length."""
    return F.normalize(t5_states.float().mean(dim=1), dim=-1)


def load_prompt_coverage(path: Path, *, text_width: int) -> PromptCoverage:
    """Read the phrases of a model's training set.

    Raises WeightsMissingError, WeightsMismatchError.
    """
    tensors = read_tensors(path)
    num_phrases = len(tensors["phrases"]) if "phrases" in tensors else 0
    expected = {"phrases": torch.empty(num_phrases, text_width), "least_likeness": torch.empty(())}
    check_tensors(expected, tensors, source=path.name)
    return PromptCoverage(
        phrases=tensors["phrases"].float(), min_similarity=tensors["least_likeness"].float()
    )

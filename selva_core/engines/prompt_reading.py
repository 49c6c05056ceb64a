"""Reading prompts with both text towers, one tower after the other, so that neither has to be in memory with anything else.

Dimensions: L text tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from selva_core.inference.prompt_coverage import PromptCoverage, iter_prompt_warnings
from selva_core.inference.tokenizer import PromptTokenizer, TokenizedPrompt
from selva_core.network import Network, host_copy


@dataclass(frozen=True, kw_only=True)
class ReadPrompts:
    """States by prompt. steering: T5's (1, L, D). conditioning: CLIP's (1, L, D). warnings: sentences for the user."""

    steering: Mapping[str, Tensor]
    conditioning: Mapping[str, Tensor]
    warnings: Mapping[str, tuple[str, ...]]


class PromptReader:
    """Reads with one network. coverage: of a model that was trained for a few sounds."""

    def __init__(
        self, network: Network, tokenizer: PromptTokenizer, *, model_id: str, coverage: PromptCoverage | None
    ) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._model_id = model_id
        self._coverage = coverage

    def read(self, *, steering: Iterable[str], conditioning: Iterable[str]) -> ReadPrompts:
        """steering: prompts that the video encoder reads. conditioning: those that the generator reads; empty ones are left out.

        Each prompt is read once and by itself, so that its states do not depend on what else is read.
        """
        tokens = {
            prompt: self._tokenizer.tokenize(prompt) for prompt in dict.fromkeys((*steering, *conditioning))
        }
        self._network.residency.need("t5")
        t5_states = {prompt: self._t5_states(tokens[prompt]) for prompt in dict.fromkeys(steering)}
        warnings = {
            prompt: tuple(self._iter_warnings(prompt, tokens[prompt], states))
            for prompt, states in t5_states.items()
        }
        conditioning = [prompt for prompt in dict.fromkeys(conditioning) if prompt.strip()]
        if conditioning:
            self._network.residency.need("clip_text")
        return ReadPrompts(
            steering=t5_states,
            conditioning={prompt: self._clip_states(tokens[prompt]) for prompt in conditioning},
            warnings=warnings,
        )

    def _t5_states(self, tokens: TokenizedPrompt) -> Tensor:
        ids = host_copy.send_indices(tokens.t5_ids, self._network.device)[None]
        states: Tensor = self._network.t5(ids, torch.ones_like(ids))
        return states

    def _clip_states(self, tokens: TokenizedPrompt) -> Tensor:
        ids = host_copy.send_indices(tokens.clip_ids, self._network.device)[None]
        states: Tensor = self._network.clip_text(ids)
        return states

    def _iter_warnings(self, prompt: str, tokens: TokenizedPrompt, t5_states: Tensor) -> Iterable[str]:
        if tokens.num_pieces > tokens.num_read:
            yield (
                f"the prompt is too long: the model reads the first {tokens.num_read} of its {tokens.num_pieces} "
                "pieces of text"
            )
        if self._coverage is not None:
            yield from iter_prompt_warnings(self._model_id, self._coverage, prompt, t5_states)

"""Whether a model sees what a prompt names.

A small network reads the steered features of one time step and how narrow the attention behind them is. It is fitted
after the model, on scenes with seeds of their own (`selva_core.training.stages.presence`), and does not change the sound.

Dimensions: T time steps, H heads, P patches, D width, F features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.models.checkpoints import check_tensors, read_tensors
from selva_core.models.part_specs import VideoEncoderSpec

NUM_HIDDEN = 32


@dataclass(frozen=True, kw_only=True)
class PresenceModel:
    """hidden_weight (NUM_HIDDEN, F), hidden_bias, score_weight (NUM_HIDDEN,), score_bias (): features to a logit."""

    hidden_weight: Tensor
    hidden_bias: Tensor
    score_weight: Tensor
    score_bias: Tensor

    def to(self, device: torch.device) -> PresenceModel:
        """The same model on a device."""
        return PresenceModel(**{row.name: getattr(self, row.name).to(device) for row in fields(self)})

    def presence(self, features: Tensor) -> Tensor:
        """features (T, F) -> (T,), 0..1."""
        hidden = F.gelu(features @ self.hidden_weight.T + self.hidden_bias)
        return (hidden @ self.score_weight + self.score_bias).sigmoid()


def presence_features(sync: Tensor, attention: Tensor) -> Tensor:
    """sync (T, D), attention (T, H, P) -> features (T, D + H + 1), float32."""
    per_head = narrowness(attention)
    together = narrowness(attention.mean(dim=1))
    return torch.cat([sync.float(), per_head, together[:, None]], dim=1)


def narrowness(attention: Tensor) -> Tensor:
    """attention (..., P), summing to 1 -> (...): 1 minus its entropy in units of that of an even one."""
    entropy = -(attention * attention.clamp_min(1e-9).log()).sum(dim=-1)
    return 1.0 - entropy / math.log(max(attention.shape[-1], 2))


def load_presence_model(path: Path, spec: VideoEncoderSpec) -> PresenceModel:
    """Read what was fitted for a model. Raises WeightsMissingError, WeightsMismatchError."""
    tensors = read_tensors(path)
    num_features = spec.width + spec.num_heads + 1
    expected = {
        "hidden_weight": torch.empty(NUM_HIDDEN, num_features),
        "hidden_bias": torch.empty(NUM_HIDDEN),
        "score_weight": torch.empty(NUM_HIDDEN),
        "score_bias": torch.empty(()),
    }
    check_tensors(expected, tensors, source=path.name)
    return PresenceModel(**{name: tensors[name].float() for name in expected})

"""Whether a model sees what a prompt names.

A small network reads the steered features of one time step and how narrow the attention behind them is. It is fitted
after the model, on scenes with seeds of their own (`selva_core.training.stages.presence`), and does not change the sound.

Dimensions: T time steps, H heads, P patches, D width, F features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.models.checkpoints import check_tensors, read_tensors
from selva_core.models.part_specs import VideoEncoderSpec

NUM_HIDDEN = 32
_LEAST = 1e-4
_TRUST, _CHANGE = 0.35, 0.05
"""Trust in one time step, which is not independent of its neighbours in the same segment, and how likely a thing comes or goes
between two: chosen on 60 scenes in which a thing leaves (seeds 4300000 on), where 57 are followed from 0.25 to 0.7 and from 0.1
to 0.01.
"""


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


def follow_presence(presence: Sequence[float]) -> list[float]:
    """The probability that a thing is there at each time step (one or more), given what is seen of it at all of them.

    A thing comes and goes seldom, so that a moment in which it is missed, or something else is taken for it, counts little, and
    where it does come or go the change stays sharp, which a mean over time would blur: forward-backward over two states.
    """
    stay, change = math.log1p(-_CHANGE), math.log(_CHANGE)
    gains = [_TRUST * _log_odds(each) for each in presence]

    def carried(odds: float) -> float:
        """Log odds of being there one step on."""
        return _log_add(odds + stay, change) - _log_add(odds + change, stay)

    before, after = [0.0], [0.0]
    for gain in gains[:-1]:
        before.append(carried(before[-1] + gain))
    for gain in gains[:0:-1]:
        after.append(carried(after[-1] + gain))
    odds = (sum(parts) for parts in zip(before, gains, reversed(after), strict=True))
    return [1 / (1 + math.exp(-each)) for each in odds]


def _log_odds(value: float) -> float:
    value = min(max(value, _LEAST), 1 - _LEAST)
    return math.log(value / (1 - value))


def _log_add(one: float, other: float) -> float:
    return max(one, other) + math.log1p(math.exp(-abs(one - other)))


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

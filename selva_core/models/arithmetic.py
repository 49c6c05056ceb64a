"""The arithmetic of each part of a render by model, from which the share of each stage is expected before any was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """GFLOP of matrix products and convolutions: encoding a segment, steering a segment by a prompt, encoding a prompt, a step of
    a window with both sides of guidance, and the sound of a window of 8 s.
    """

    segment: float
    steering: float
    prompt: float
    step: float
    window: float


_PUBLISHED = {"segment": 371.1, "steering": 18.88, "prompt": 47.9}

_BY_MODEL = {
    "selva-small-16k": Arithmetic(**_PUBLISHED, step=114.4, window=954.4),
    "selva-small-44k": Arithmetic(**_PUBLISHED, step=156.5, window=2618.0),
    "selva-medium-44k": Arithmetic(**_PUBLISHED, step=612.0, window=2618.0),
    "selva-large-44k": Arithmetic(**_PUBLISHED, step=1027.0, window=2618.0),
}
"""As bench/stage_flop.py counts it. selva-nano's time goes into reading frames and into calls of small layers: its arithmetic
says little about it (654 s were expected of a job of 22 s).
"""


def arithmetic_of(model_id: str) -> Arithmetic | None:
    """Of a model; None for one whose time is not that of its arithmetic, or is not known."""
    return _BY_MODEL.get(model_id)

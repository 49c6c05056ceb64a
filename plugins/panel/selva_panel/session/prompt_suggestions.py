"""Prompts that a model is known to make, to be suggested where nothing was typed yet."""

from __future__ import annotations

from collections.abc import Mapping

_BY_MODEL: Mapping[str, tuple[str, ...]] = {
    # Of each sound that selva-nano was trained for (docs/models/selva-nano.md), one phrasing of its training.
    "selva-nano": (
        "small dog barking", "a ball bouncing", "a hammer hitting an anvil", "dripping tap", "footsteps on gravel",
        "footsteps on wood", "knocking on a door", "a clock ticking", "a bell ringing", "a bird chirping",
        "a car engine", "a siren wailing", "rain falling", "wind blowing", "sawing wood",
    ),
}  # fmt: skip
_EFFECTS = (
    "footsteps on gravel", "door closing", "glass breaking", "dog barking", "car passing by", "rain on a roof",
    "waves on a beach", "typing on a keyboard", "wood creaking", "crowd cheering", "fire crackling", "hammering nails",
)  # fmt: skip
"""For the published models, which know sound effects of all kinds."""


def suggest_prompts(model: str | None) -> tuple[str, ...]:
    """Those of a model; none while it is not known which one renders, or for one without a network."""
    if model is None or model == "selva-echo":
        return ()
    return _BY_MODEL.get(model, _EFFECTS)

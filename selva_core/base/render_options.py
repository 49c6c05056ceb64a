"""How stems are made: the value that the command line, request bundles, host forms and watch folders fill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from selva_core.base.errors import RequestError
from selva_core.base.limits import (
    DEFAULT_GUIDANCE,
    DEFAULT_SAMPLE_RATE_HZ,
    DEFAULT_SEED,
    DEFAULT_SEPARATION,
    DEFAULT_STEPS,
    MAX_GUIDANCE,
    MAX_SAMPLE_RATE_HZ,
    MAX_SEED,
    MAX_SEPARATION,
    MAX_STEPS,
    MAX_TAKES,
    MIN_GUIDANCE,
    MIN_SAMPLE_RATE_HZ,
    MIN_STEPS,
)

PRIORITIES = ("interactive", "batch")
PRECISIONS = ("auto", "float32", "bfloat16")
"""Of the network's large parts. auto: what the device that renders does best (see `selva daemon status`)."""
SILENT, KEEP = "silent", "keep"
ABSENCES = (SILENT, KEEP)
OFF, ENVELOPE, STEREO = "off", "envelope", "stereo"
PANS = (OFF, ENVELOPE, STEREO)
"""envelope: a mono file, and a curve for the host that plays it. stereo: the file itself is panned."""

QUALITIES = ("final", "draft")
"""final: the recipe that a model sounds best with. draft: fewer steps, and guidance only where it matters, for a first look."""


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How the sampler integrates from noise to audio (arXiv 2512.02650: 25 Euler steps, guidance 4.5).

    quality: one of QUALITIES; in a draft the last steps are not guided. separate: how far each stem is led away from its
    siblings (see `StemRequest.siblings`), 0 for not at all.
    """

    num_steps: int = DEFAULT_STEPS
    guidance: float = DEFAULT_GUIDANCE
    quality: str = "final"
    separate: float = DEFAULT_SEPARATION

    def __post_init__(self) -> None:
        _check_sampling(self.num_steps, self.guidance, self.quality, self.separate)


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How stems are to be sampled, before it is known with which model. num_steps: None for what is usual for the model; the
    others as in SamplingSettings.
    """

    num_steps: int | None = None
    guidance: float = DEFAULT_GUIDANCE
    quality: str = "final"
    separate: float = DEFAULT_SEPARATION

    def __post_init__(self) -> None:
        _check_sampling(self.num_steps, self.guidance, self.quality, self.separate)

    def settle(self, usual_steps: Mapping[str, int]) -> SamplingSettings:
        """The settings for a model. usual_steps: its number of steps, by quality."""
        num_steps = usual_steps[self.quality] if self.num_steps is None else self.num_steps
        return SamplingSettings(
            num_steps=num_steps, guidance=self.guidance, quality=self.quality, separate=self.separate
        )


def siblings_of(prompt: str, prompts: Iterable[str]) -> tuple[str, ...]:
    """The other prompts of a picture, each once and in one order, whatever that of `prompts`."""
    return tuple(sorted(set(prompts) - {prompt}))


def separation_provenance(weight: float, siblings: Sequence[str]) -> dict[str, str]:
    """What a stem's file says of the siblings that it was led away from; nothing where there were none."""
    if not weight or not siblings:
        return {}
    return {
        "separate": f"{weight:g}",
        "separated_from": json.dumps(list(siblings), ensure_ascii=False),
    }


def _check_sampling(num_steps: int | None, guidance: float, quality: str, separate: float) -> None:
    if num_steps is not None and not MIN_STEPS <= num_steps <= MAX_STEPS:
        raise RequestError(f"the number of steps is {MIN_STEPS} to {MAX_STEPS}; got {num_steps}")
    if not MIN_GUIDANCE <= guidance <= MAX_GUIDANCE:
        raise RequestError(f"guidance is {MIN_GUIDANCE:g} to {MAX_GUIDANCE:g}; got {guidance}")
    if quality not in QUALITIES:
        raise RequestError(f"a quality is one of {', '.join(QUALITIES)}; got {quality!r}")
    if not 0.0 <= separate <= MAX_SEPARATION:
        raise RequestError(f"stems are separated by 0 to {MAX_SEPARATION:g}; got {separate}")


@dataclass(frozen=True, kw_only=True)
class PanOptions:
    """Whether a stem is heard from where the model saw its source.

    mode: one of PANS. width: 0 to 1, how far left and right the edges of the picture are. distance: whether the level of the
    file follows how large the source is seen, which works in every mode.
    """

    mode: str = OFF
    width: float = 1.0
    distance: bool = False

    def __post_init__(self) -> None:
        if self.mode not in PANS:
            raise RequestError(f"a pan is one of {', '.join(PANS)}; got {self.mode!r}")
        if not 0.0 <= self.width <= 1.0:
            raise RequestError(f"a pan width is 0 to 1, 1 for hard left and right; got {self.width}")


NOT_PANNED = PanOptions()


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """How stems are made. Take n has the seed `seed + n - 1`, on every clip and track.

    model: None for the largest one that is installed where the stems are made. precision: of the network's large parts, one of
    PRECISIONS; "auto" leaves it to the daemon. priority: jobs of the priority "batch" wait for
    "interactive" ones. absent: whether the stem of a sound source that the picture does not show is silent, where the model is
    calibrated to know that, or kept as it is made. pan: from where it is heard.

    All clips share their seeds on purpose: a stem then depends on nothing but its own picture and prompt, so that a clip
    that is inserted before it changes nothing and the stem comes from the cache.
    """

    model: str | None = None
    num_takes: int = 1
    seed: int = DEFAULT_SEED
    sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    precision: str = "auto"
    priority: str = "interactive"
    absent: str = SILENT
    pan: PanOptions = NOT_PANNED

    def __post_init__(self) -> None:
        if not 1 <= self.num_takes <= MAX_TAKES:
            raise RequestError(f"takes are 1 to {MAX_TAKES}; got {self.num_takes}")
        if not 0 <= self.seed <= MAX_SEED - self.num_takes + 1:
            raise RequestError(f"a seed is an integer from 0 to {MAX_SEED}; got {self.seed}")
        if not MIN_SAMPLE_RATE_HZ <= self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise RequestError(
                f"a sample rate is {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; got {self.sample_rate_hz}"
            )
        if self.precision not in PRECISIONS:
            raise RequestError(f"a precision is one of {', '.join(PRECISIONS)}; got {self.precision!r}")
        if self.priority not in PRIORITIES:
            raise RequestError(f"a priority is one of {', '.join(PRIORITIES)}; got {self.priority!r}")
        if self.absent not in ABSENCES:
            raise RequestError(f"absent things are one of {', '.join(ABSENCES)}; got {self.absent!r}")

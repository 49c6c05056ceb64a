"""The interface of an engine, which makes audio from video and prompts, and the values that go in and come out.

An engine serves a row of `selva_core.models.catalog.MODELS`: the SelVA network at some size, or the echo engine that tests
use. This module is light: it imports neither torch nor av.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.evidence import Evidence
from selva_core.base.limits import DEFAULT_SEED, MAX_SEED
from selva_core.base.media import PictureRange
from selva_core.base.render_options import SamplingSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "REDO_MARGIN_S",
    "BatchRequest",
    "Engine",
    "Evidence",
    "Extension",
    "FeatureStore",
    "RedoneStretch",
    "RenderProgress",
    "SamplingSettings",
    "StemRequest",
    "Waveform",
]

REDO_MARGIN_S = Fraction(1, 4)
"""How far beside a stretch that is made anew, or added, an engine gives samples too: a cross-over needs both."""


@dataclass(frozen=True, kw_only=True)
class StemRequest:
    """One stem to render: the sound to make, the sound to avoid, and the seed of its noise.

    siblings: the prompts of the other stems over the same picture, which `SamplingSettings.separate` leads this one away from.
    redo: set where this makes a stretch of an earlier stem anew, not a whole stem. extends: set where it goes on with an earlier
    stem before its start and after its end.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = DEFAULT_SEED
    siblings: tuple[str, ...] = ()
    redo: RedoneStretch | None = None
    extends: Extension | None = None

    def __post_init__(self) -> None:
        if self.redo is not None and self.extends is not None:
            raise RequestError(
                "a stem goes on with an earlier one or has a stretch of it made anew, not both"
            )
        if not self.prompt.strip():
            raise RequestError("a prompt names the sound to make; got an empty text")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"a seed is an integer from 0 to {MAX_SEED}; got {self.seed}")
        if self.prompt in self.siblings or not all(sibling.strip() for sibling in self.siblings):
            raise RequestError(
                f"siblings are the other prompts of a picture; got {list(self.siblings)} beside {self.prompt!r}"
            )


@dataclass(frozen=True, kw_only=True)
class RedoneStretch:
    """A stretch of an earlier stem of the same picture that is made anew, and fits to what is before and after it.

    base: how the earlier stem was made. start_s, end_s: the stretch, in seconds after the range begins. base_latents: of the
    earlier stem, as its Waveform had them; None where they are lost and have to be made again from `base`.
    """

    base: StemRequest
    start_s: Fraction
    end_s: Fraction
    base_latents: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise RequestError(
                f"a stretch begins at 0 s or later and before it ends; got {float(self.start_s):g} s to "
                f"{float(self.end_s):g} s"
            )


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An earlier stem that goes on, of a picture that lies in the one that is rendered.

    base: how the earlier stem was made. head_s, tail_s: how far the range reaches before and after the one that it was made
    for. base_latents: of the earlier stem, as its Waveform had them; an engine with latents needs them, because it sees another
    picture than the earlier stem was made for.
    """

    base: StemRequest
    head_s: Fraction
    tail_s: Fraction
    base_latents: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.head_s < 0 or self.tail_s < 0 or not self.head_s + self.tail_s:
            raise RequestError(
                f"a stem is extended by 0 s or more before and after, and not by 0 s altogether; got "
                f"{float(self.head_s):g} s and {float(self.tail_s):g} s"
            )

    def inner_range(self, picture: PictureRange) -> PictureRange:
        """The range of the earlier stem in the whole one. Raises RequestError where nothing of it is left."""
        return picture.part(self.head_s, picture.duration_s - self.head_s - self.tail_s)


@dataclass(frozen=True, kw_only=True)
class RenderProgress:
    """The progress of a render.

    stage: "picture", "text", "sampling" or "sound", as on the wire. fraction: 0..1, of the whole render. step, num_steps: of
    the sampler, in the stage "sampling". work_left: what is left of each stage, in units of cost that take about as long in
    one stage as in another.
    """

    stage: str
    fraction: float
    step: int = 0
    num_steps: int = 0
    work_left: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """Mono audio as an engine makes it.

    samples: float32 (num_samples,), about -1..1, at `sample_rate_hz`; their number is the range's duration in samples,
    rounded half up. warnings: sentences for the user, such as a prompt unlike everything the model was trained on. evidence:
    where and when the model saw what the prompt names; None for an engine that does not look for it. latents: float32, what
    the samples were decoded from, for a later RedoneStretch or Extension; None for an engine without latents.

    Of a request with `redo` or `extends`, only the samples from REDO_MARGIN_S before what is new to as long after it are made;
    the others are silence, in place of which those of the earlier stem belong.
    """

    samples: npt.NDArray[np.float32]
    sample_rate_hz: int
    warnings: tuple[str, ...] = ()
    evidence: Evidence | None = None
    latents: npt.NDArray[np.float32] | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the picture does not show what the prompt names, as far as that is known."""
        return self.evidence is not None and self.evidence.is_absent

    def silenced(self) -> Waveform:
        """The same without sound."""
        import numpy as np  # noqa: PLC0415 - the server imports this module too

        return replace(self, samples=np.zeros(len(self.samples), np.float32))


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """The stems to render over one picture, where several pictures are rendered in one call.

    on_progress: called with the progress of this request. is_cancelled: asked whether to stop this request.
    """

    picture: PictureRange
    requests: Sequence[StemRequest]
    on_progress: Callable[[RenderProgress], None]
    is_cancelled: Callable[[], bool]

    def __post_init__(self) -> None:
        if not self.requests:
            raise RequestError("a batch request is for at least one stem; got none")


class FeatureStore(Protocol):
    """Stores what is costly and depends on no prompt, under keys of 64 hex digits; an entry may be evicted at any time."""

    def has(self, key: str) -> bool: ...

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, blob: bytes) -> None: ...


class Engine(Protocol):
    """Turns picture ranges and prompts into one waveform per prompt."""

    @property
    def model_id(self) -> str: ...

    @property
    def weights_sha256(self) -> str:
        """Hash over all weights files (hex); part of every cache key and of provenance."""
        ...

    @property
    def licence(self) -> str: ...

    @property
    def device_report(self) -> str:
        """One sentence: the device in use and why it was chosen."""
        ...

    @property
    def key_precision(self) -> str:
        """The precision of the network's large parts as keys of cached stems hold it: "" for the one that the kind of
        device has always had (see `selva_core.inference.device.DeviceChoice`).
        """
        ...

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences that every result of this engine must carry, such as that its weights are untrained dummies."""
        ...

    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        """Render all requests over the same picture, which is decoded and encoded once.

        Raises RenderCancelled within one sampling step after `is_cancelled()` becomes true; MediaError, ModelError,
        OutOfMemoryError.
        """
        ...

    @property
    def max_batch_pictures(self) -> int:
        """How many pictures of one call are rendered faster than one by one; 1 where batching gains nothing."""
        ...

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """Render several pictures of the same duration, their stems in the same batches.

        Returns for each request its waveforms, or its error (MediaError, RenderCancelled), which does not stop the others.
        Every request is asked within one sampling step whether it is cancelled, also while the picture of another is
        decoded. Raises RequestError for pictures of different durations; OutOfMemoryError.
        """
        ...

    def look(self, request: BatchRequest) -> list[Evidence | None]:
        """What the picture shows of each request's prompt, without making a sound; None from an engine that does not look.

        Raises RenderCancelled, MediaError, OutOfMemoryError.
        """
        ...

    def close(self) -> None:
        """Free the device's memory."""
        ...

"""What every engine that makes sound from picture offers, and the values that go in and come out.

An engine is a row of `selva_core.models.catalog.MODELS`: the SelVA network at some size, or the echo engine that tests use. This
module is light: it imports neither torch nor av.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.limits import DEFAULT_SEED, MAX_SEED
from selva_core.base.media import PictureRange
from selva_core.base.render_options import SamplingSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "BatchRequest",
    "Engine",
    "FeatureStore",
    "RenderProgress",
    "SamplingSettings",
    "StemRequest",
    "Waveform",
]


@dataclass(frozen=True, kw_only=True)
class StemRequest:
    """One stem wanted from a picture: what to hear, what not to hear, and the seed of its noise."""

    prompt: str
    negative_prompt: str = ""
    seed: int = DEFAULT_SEED

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise RequestError("a prompt must say what is heard; got an empty text")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"a seed is an integer from 0 to {MAX_SEED}; got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class RenderProgress:
    """Where a render is: `stage` is one of picture, text, sampling, sound; `fraction` (0..1) is of the whole render."""

    stage: str
    fraction: float
    step: int = 0
    num_steps: int = 0


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """Mono sound as an engine makes it.

    samples: float32 (num_samples,), about -1..1, at `sample_rate_hz`; its length is the range's duration, rounded half up.
    warnings: sentences for the user, such as a prompt that is far from everything the model was trained on.
    """

    samples: npt.NDArray[np.float32]
    sample_rate_hz: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """The stems wanted of one picture, where several pictures are rendered in one call.

    on_progress hears how far this order is; is_cancelled says whether nobody wants it any more.
    """

    picture: PictureRange
    requests: Sequence[StemRequest]
    on_progress: Callable[[RenderProgress], None]
    is_cancelled: Callable[[], bool]

    def __post_init__(self) -> None:
        if not self.requests:
            raise RequestError("an order is for at least one stem; got none")


class FeatureStore(Protocol):
    """Keeps what is costly and depends on no prompt, under keys of 64 hex digits; an entry may vanish any time."""

    def has(self, key: str) -> bool: ...

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, blob: bytes) -> None: ...


class Engine(Protocol):
    """Something that turns one picture range and some prompts into one waveform per prompt."""

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
    def notices(self) -> tuple[str, ...]:
        """Sentences that every result of this engine must carry (for instance: weights are untrained stand-ins)."""
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
        """Render all requests over the same picture; the picture is decoded and encoded once.

        Raises RenderCancelled within one sampling step once `is_cancelled()` is true; MediaError, ModelError,
        OutOfMemoryError as their names say.
        """
        ...

    @property
    def max_batch_pictures(self) -> int:
        """Up to how many pictures gain from being rendered in one call; 1 where nothing is gained."""
        ...

    def render_batch(
        self, orders: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """Render several pictures that last equally long, their stems in the same batches.

        Returns for each order its waveforms, or why there are none (MediaError, RenderCancelled); it does not
        stop the others. Every order is asked within one sampling step whether it is cancelled, also while
        another's picture is read. Raises RequestError for pictures that do not last equally long;
        OutOfMemoryError.
        """
        ...

    def close(self) -> None:
        """Give the device's memory back."""
        ...

"""What every engine that makes sound from picture offers, and the values that go in and come out.

An engine is a row of `selva_core.models.MODELS`: the SelVA network at some size, or the echo engine that tests use. This
module is light: it imports neither torch nor av.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from selva_core.errors import RequestError, SelvaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_SEED = 2**63 - 1
MISSING_IMAGE_POLICIES = ("error", "hold", "black")


@dataclass(frozen=True, kw_only=True)
class ImageSequence:
    """Numbered pictures that are played as one moving picture, `rate_hz` of them a second.

    The path beside it is a pattern with the number as printf has it, `frame.%04d.png` ("%%" is a percent sign). Picture k,
    from 0, is the file with the number `first + k * step`. first, last: None for the lowest and the highest that lie there.
    missing: what is seen in place of a file that is not there: nothing, which is an error; the picture before it (hold);
    or black.
    """

    rate_hz: Fraction
    first: int | None = None
    last: int | None = None
    step: int = 1
    missing: str = "error"

    def __post_init__(self) -> None:
        if self.rate_hz <= 0:
            raise RequestError(f"an image sequence has a rate above 0; got {float(self.rate_hz):g}")
        if self.step < 1:
            raise RequestError(f"an image sequence goes on by 1 or more numbers; got {self.step}")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise RequestError(f"an image sequence ends after it begins; got {self.first} to {self.last}")
        if self.missing not in MISSING_IMAGE_POLICIES:
            allowed = ", ".join(MISSING_IMAGE_POLICIES)
            raise RequestError(f"missing images are one of {allowed}; got {self.missing!r}")


@dataclass(frozen=True, kw_only=True)
class PictureRange:
    """Which instants of a media file are seen.

    At t seconds after the range begins, the picture shows media time `start_s + speed * t`: the last frame that begins by
    then. Times are exact seconds on the file's own clock, zero at its first frame (an embedded timecode is not in them).
    `speed` is 1 for ordinary clips, 2 for twice as fast, 0 for a freeze frame. Negative is reverse: `start_s` is then the
    start of the frame seen first, and at t the first frame is seen that begins at or after that media time, so that every
    frame lasts as long as it does forwards. images: where `path` is the pattern of an image sequence.
    """

    path: Path
    start_s: Fraction
    duration_s: Fraction
    speed: Fraction = Fraction(1)
    images: ImageSequence | None = None

    def __post_init__(self) -> None:
        if self.duration_s <= 0:
            raise RequestError(f"a picture range lasts longer than 0 s; got {float(self.duration_s):g} s")
        if self.start_s < 0:
            raise RequestError(f"a picture range starts at 0 s or later; got {float(self.start_s):g} s")


@dataclass(frozen=True, kw_only=True)
class StemRequest:
    """One stem wanted from a picture: what to hear, what not to hear, and the seed of its noise."""

    prompt: str
    negative_prompt: str = ""
    seed: int = 42

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise RequestError("a prompt must say what is heard; got an empty text")
        if not 0 <= self.seed <= MAX_SEED:
            raise RequestError(f"a seed is an integer from 0 to {MAX_SEED}; got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How the sampler walks from noise to sound (arXiv 2512.02650: 25 Euler steps, guidance 4.5)."""

    num_steps: int = 25
    guidance: float = 4.5

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000:
            raise RequestError(f"the number of steps is 1 to 1000; got {self.num_steps}")
        if not 0.0 <= self.guidance <= 100.0:
            raise RequestError(f"guidance is 0 to 100; got {self.guidance}")


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
class RenderOrder:
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
    def pictures_together(self) -> int:
        """Up to how many pictures gain from being rendered in one call; 1 where nothing is gained."""
        ...

    def render_together(
        self, orders: Sequence[RenderOrder], *, settings: SamplingSettings
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

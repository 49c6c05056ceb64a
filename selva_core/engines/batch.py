"""Several pictures in one engine call: each may fail, or be cancelled, without stopping the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction

from selva_core.base.errors import OutOfMemoryError, RenderCancelled, RequestError, SelvaError
from selva_core.base.evidence import Evidence
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.inference.progress import ProgressTracker, Stage


class BatchItem:
    """One request of a batch while it is rendered: its progress, and its result or error.

    weights: of the costs, see ProgressTracker. evidence: by prompt, what was seen of it. picture_warnings: sentences about the
    picture, for every result.
    """

    def __init__(
        self,
        request: BatchRequest,
        costs: Mapping[Stage, float],
        *,
        weights: Mapping[Stage, float] | None = None,
    ) -> None:
        self.request = request
        self.progress = ProgressTracker(
            costs, weights=weights, on_progress=request.on_progress, is_cancelled=request.is_cancelled
        )
        self.evidence: dict[str, Evidence] = {}
        self.picture_warnings: tuple[str, ...] = ()
        self.waveforms: list[Waveform] = []
        self.error: SelvaError | None = None

    @property
    def outcome(self) -> list[Waveform] | SelvaError:
        return self.waveforms if self.error is None else self.error

    @contextmanager
    def isolate_errors(self) -> Iterator[None]:
        """Errors in this block end this item only; a device without memory ends the whole batch."""
        try:
            yield
        except OutOfMemoryError:
            raise
        except SelvaError as error:
            self.error = error


class RenderBatch:
    """The items of one engine call."""

    def __init__(self, items: Sequence[BatchItem]) -> None:
        self.items = tuple(items)

    @property
    def active(self) -> list[BatchItem]:
        """The items that have neither failed nor been cancelled."""
        return [item for item in self.items if item.error is None]

    @property
    def outcomes(self) -> list[list[Waveform] | SelvaError]:
        return [item.outcome for item in self.items]

    def check(self, current: BatchItem | None = None) -> None:
        """Take cancelled items out of the batch.

        Raises the error of `current`, or RenderCancelled when no item is active any more.
        """
        for item in self.active:
            with item.isolate_errors():
                item.progress.check()
        if current is not None and current.error is not None:
            raise current.error
        if not self.active:
            raise RenderCancelled("the render was cancelled")


def common_duration_s(requests: Sequence[BatchRequest]) -> Fraction:
    """The duration that all pictures of a batch have. Raises RequestError when they differ, or there are none."""
    durations_s = {request.picture.duration_s for request in requests}
    if len(durations_s) != 1:
        found = ", ".join(f"{float(duration_s):g}" for duration_s in sorted(durations_s)) or "none"
        raise RequestError(f"pictures of one batch have the same duration; got, in seconds: {found}")
    return durations_s.pop()


class BatchEngine(ABC):
    """An engine whose work is done in `render_batch`; a single picture is a batch of one."""

    @abstractmethod
    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """See `selva_core.engine.Engine.render_batch`."""

    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        """See `selva_core.engine.Engine.render`."""
        if not requests:
            return []
        request = BatchRequest(
            picture=picture, requests=requests, on_progress=on_progress, is_cancelled=is_cancelled
        )
        [outcome] = self.render_batch([request], settings=settings)
        if isinstance(outcome, SelvaError):
            raise outcome
        return outcome

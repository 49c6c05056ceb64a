"""Several orders in one engine call: each may fail, or be cancelled, without stopping the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction

from selva_core.base.errors import OutOfMemoryError, RenderCancelled, RequestError, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, Engine, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.inference.progress import ProgressTracker, Stage


class BatchItem:
    """One order on its way: how far it is, and how it ended."""

    def __init__(self, order: BatchRequest, costs: Mapping[Stage, float]) -> None:
        self.order = order
        self.meter = ProgressTracker(costs, on_progress=order.on_progress, is_cancelled=order.is_cancelled)
        self.waveforms: list[Waveform] = []
        self.error: SelvaError | None = None

    @property
    def outcome(self) -> list[Waveform] | SelvaError:
        return self.waveforms if self.error is None else self.error

    @contextmanager
    def isolate_errors(self) -> Iterator[None]:
        """What goes wrong in here ends this order only; a device without memory ends all."""
        try:
            yield
        except OutOfMemoryError:
            raise
        except SelvaError as error:
            self.error = error


class RenderBatch:
    """The orders of one call."""

    def __init__(self, renderings: Sequence[BatchItem]) -> None:
        self.renderings = tuple(renderings)

    @property
    def present(self) -> list[BatchItem]:
        """Those that have neither failed nor been cancelled."""
        return [rendering for rendering in self.renderings if rendering.error is None]

    @property
    def outcomes(self) -> list[list[Waveform] | SelvaError]:
        return [rendering.outcome for rendering in self.renderings]

    def check(self, current: BatchItem | None = None) -> None:
        """Let the cancelled ones go. Raises the error of `current`, or RenderCancelled when nobody is left."""
        for rendering in self.present:
            with rendering.isolate_errors():
                rendering.meter.check()
        if current is not None and current.error is not None:
            raise current.error
        if not self.present:
            raise RenderCancelled("the render was cancelled")


def common_duration_s(orders: Sequence[BatchRequest]) -> Fraction:
    """How long all these pictures last. Raises RequestError when they differ, or there are none."""
    durations_s = {order.picture.duration_s for order in orders}
    if len(durations_s) != 1:
        found = ", ".join(f"{float(duration_s):g}" for duration_s in sorted(durations_s)) or "none"
        raise RequestError(f"pictures rendered together last equally long; got, in seconds: {found}")
    return durations_s.pop()


def render_alone(
    engine: Engine,
    picture: PictureRange,
    requests: Sequence[StemRequest],
    *,
    settings: SamplingSettings,
    on_progress: Callable[[RenderProgress], None],
    is_cancelled: Callable[[], bool],
) -> list[Waveform]:
    """`Engine.render` for engines whose `render_batch` does the work."""
    if not requests:
        return []
    order = BatchRequest(
        picture=picture, requests=requests, on_progress=on_progress, is_cancelled=is_cancelled
    )
    [outcome] = engine.render_batch([order], settings=settings)
    if isinstance(outcome, SelvaError):
        raise outcome
    return outcome

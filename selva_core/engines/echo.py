"""The echo engine: every flash of the picture becomes a click, where the retimed flash is seen.

A public test seam. It has the shape of a real engine, needs neither weights nor torch, and answers in the
time it takes to decode the clip, so that a whole way (timeline, daemon, placement, WAV) can be measured to
the sample. A different prompt gives a different tone after each click; a different seed another level and
phase of that tone; the click never moves.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from selva_core.base.errors import RequestError, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.engines.batch import BatchItem, RenderBatch, common_duration_s, render_alone
from selva_core.inference.progress import Stage
from selva_core.video.frame_source import check_range, open_picture

ECHO_MODEL_ID = "selva-echo"
SAMPLE_RATE_VARIABLE = "SELVA_ECHO_SAMPLE_RATE_HZ"
STEP_DELAY_VARIABLE = "SELVA_ECHO_STEP_DELAY_S"
TOGETHER_VARIABLE = "SELVA_ECHO_PICTURES_TOGETHER"

FLASH_RISE = 0.25  # of full scale, from one shown frame to the next
CLICK_LEVEL = 0.7
TONE_LEVEL = 0.2
TONE_DECAY_S = 0.010
TONE_LENGTH_S = 0.060

_LUMA_SIZE_PX = 16
_COSTS: Mapping[Stage, float] = {"picture": 0.5, "sampling": 0.4, "sound": 0.1}


class EchoEngine:
    """Clicks for flashes, behind the same interface as the network."""

    model_id = ECHO_MODEL_ID
    weights_sha256 = hashlib.sha256(b"selva-echo 1").hexdigest()
    licence = "Apache-2.0"
    device_report = "cpu: the echo engine runs no network"
    notices = ("Test signal: a click where the picture flashes. No model was run.",)

    def __init__(
        self, *, sample_rate_hz: int = 48_000, step_delay_s: float = 0.0, max_batch_pictures: int = 1
    ) -> None:
        """Make an engine that answers at `sample_rate_hz` and waits `step_delay_s` in every step, which up to
        `max_batch_pictures` pictures share.
        """
        if not 8_000 <= sample_rate_hz <= 192_000:
            raise RequestError(f"the echo engine's sample rate is 8000 to 192000 Hz; got {sample_rate_hz}")
        if not 0 <= step_delay_s <= 60:
            raise RequestError(f"the echo engine's step delay is 0 to 60 s; got {step_delay_s}")
        if max_batch_pictures < 1:
            raise RequestError(
                f"the echo engine renders at least 1 picture at once; got {max_batch_pictures}"
            )
        self.sample_rate_hz = sample_rate_hz
        self.step_delay_s = step_delay_s
        self.max_batch_pictures = max_batch_pictures

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> EchoEngine:
        """Make an engine as SELVA_ECHO_SAMPLE_RATE_HZ, _STEP_DELAY_S and _PICTURES_TOGETHER say."""
        try:
            sample_rate_hz = int(environ.get(SAMPLE_RATE_VARIABLE, "48000"))
            step_delay_s = float(environ.get(STEP_DELAY_VARIABLE, "0"))
            together = int(environ.get(TOGETHER_VARIABLE, "1"))
        except ValueError as exc:
            raise RequestError(
                f"{SAMPLE_RATE_VARIABLE} and {TOGETHER_VARIABLE} are integers, "
                f"{STEP_DELAY_VARIABLE} is a number: {exc}"
            ) from exc
        return cls(sample_rate_hz=sample_rate_hz, step_delay_s=step_delay_s, max_batch_pictures=together)

    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        """Find the flashes once and answer each request with its clicks; see `Engine.render`."""
        return render_alone(
            self, picture, requests, settings=settings, on_progress=on_progress, is_cancelled=is_cancelled
        )

    def render_batch(
        self, orders: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """All orders take their steps together; see `Engine.render_together`."""
        common_duration_s(orders)
        company = RenderBatch([BatchItem(order, _COSTS) for order in orders])
        flashes_s: dict[BatchItem, list[Fraction]] = {}
        for rendering in company.renderings:
            with rendering.isolate_errors():
                flashes_s[rendering] = find_flashes(
                    rendering.order.picture, check=partial(company.check, rendering)
                )
                rendering.meter.finish("picture")
        for step in range(1, settings.num_steps + 1):
            if not company.present:
                break
            time.sleep(self.step_delay_s)
            for rendering in company.present:
                with rendering.isolate_errors():
                    cost = _COSTS["sampling"] / settings.num_steps
                    rendering.meter.spend("sampling", cost, step=step, num_steps=settings.num_steps)
        for rendering in company.present:
            with rendering.isolate_errors():
                rendering.waveforms = self._clicks(rendering.order, flashes_s[rendering])
                rendering.meter.finish("sound")
        return company.outcomes

    def _clicks(self, order: BatchRequest, flashes_s: Sequence[Fraction]) -> list[Waveform]:
        return [
            Waveform(
                samples=clicks_at(flashes_s, order.picture.duration_s, request, self.sample_rate_hz),
                sample_rate_hz=self.sample_rate_hz,
            )
            for request in order.requests
        ]

    def close(self) -> None:
        """Nothing is held."""


def find_flashes(picture: PictureRange, *, check: Callable[[], None] = lambda: None) -> list[Fraction]:
    """Return when flashes are seen, in seconds after the range begins, ascending.

    A flash is a frame whose mean luma lies FLASH_RISE of full scale above that of the frame shown before it;
    the first frame of the range is compared with the darkest one. A frame with media time p is seen at (p -
    start_s) / speed; a freeze frame never flashes. `check` may raise to stop.
    """
    lumas = _shown_lumas(picture, check)
    if not lumas:
        return []
    before = min(luma for _, luma in lumas)
    flashes_s = []
    for seen_s, luma in lumas:
        if luma - before > FLASH_RISE:
            flashes_s.append(seen_s)
        before = luma
    return flashes_s


def clicks_at(
    flashes_s: Sequence[Fraction], duration_s: Fraction, request: StemRequest, sample_rate_hz: int
) -> npt.NDArray[np.float32]:
    """Return float32 (num_samples,): a click and a tone per flash, the click at round-half-up of its time."""
    samples = np.zeros(_round_half_up(duration_s * sample_rate_hz), dtype=np.float32)
    tone = _tone(request, sample_rate_hz)
    starts = [_round_half_up(at_s * sample_rate_hz) for at_s in flashes_s]
    for start in starts:
        stretch = samples[start : start + len(tone)]
        stretch += tone[: len(stretch)]
    for start in starts:
        if start < len(samples):
            samples[start] = CLICK_LEVEL
    return samples


def _shown_lumas(picture: PictureRange, check: Callable[[], None]) -> list[tuple[Fraction, float]]:
    """When each frame of the range is first seen, and its mean luma (0..1), in the order of play."""
    if picture.speed == 0:
        return []
    far_s = picture.start_s + picture.speed * picture.duration_s
    first_s, last_s = min(picture.start_s, far_s), max(picture.start_s, far_s)
    lumas = []
    with open_picture(picture) as reader:
        check_range(reader, picture)
        for shown in reader.iter_shown(first_s):
            check()
            if shown.start_s > last_s:
                break
            seen_s = max((shown.start_s - picture.start_s) / picture.speed, Fraction(0))
            if seen_s < picture.duration_s:
                lumas.append((seen_s, _mean_luma(shown.frame)))
    return lumas if picture.speed > 0 else lumas[::-1]


def _tone(request: StemRequest, sample_rate_hz: int) -> npt.NDArray[np.float32]:
    digest = hashlib.sha256(request.prompt.encode()).digest()
    tone_hz = 400.0 + 2600.0 * int.from_bytes(digest[:4], "big") / 2**32
    seeded = hashlib.sha256(request.seed.to_bytes(8, "big")).digest()
    phase = 2 * math.pi * seeded[0] / 256
    level = TONE_LEVEL * (0.5 + 0.5 * seeded[1] / 255)
    t_s = np.arange(round(TONE_LENGTH_S * sample_rate_hz)) / sample_rate_hz
    tone = level * np.exp(-t_s / TONE_DECAY_S) * np.sin(2 * np.pi * tone_hz * t_s + phase)
    return tone.astype(np.float32)


def _mean_luma(frame: VideoFrame) -> float:
    """Mean luma of a picture, 0..1."""
    small = frame.reformat(
        width=_LUMA_SIZE_PX, height=_LUMA_SIZE_PX, format="gray", interpolation=Interpolation.AREA
    )
    return float(small.to_ndarray().mean()) / 255.0


def _round_half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))

"""The echo engine: every flash of the video becomes a click at the moment where the retimed flash is seen.

A public test engine. It has the interface of a real engine, needs neither weights nor torch, and takes as long as decoding
the clip, so that everything between timeline and WAV (daemon, placement, files) can be measured to the sample. The prompt
decides the pitch of a tone after each click, the seed its level and phase; the click never moves.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import MediaUnreadableError, RequestError, SelvaError
from selva_core.base.limits import DEFAULT_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ, MIN_SAMPLE_RATE_HZ
from selva_core.base.media import PictureRange
from selva_core.base.rational import round_half_up
from selva_core.engine import (
    REDO_MARGIN_S,
    BatchRequest,
    Evidence,
    Extension,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.batch import BatchEngine, BatchItem, RenderBatch, common_duration_s
from selva_core.inference.progress import Stage
from selva_core.video.colour import SdrConverter, has_alpha, is_hd_frame
from selva_core.video.frame_source import check_range, open_picture
from selva_core.video.notes.transparency import note_transparent

ECHO_MODEL_ID = "selva-echo"
SAMPLE_RATE_VARIABLE = "SELVA_ECHO_SAMPLE_RATE_HZ"
LUMAS_SUFFIX = ".lumas"
STEP_DELAY_VARIABLE = "SELVA_ECHO_STEP_DELAY_S"
MAX_BATCH_PICTURES_VARIABLE = "SELVA_ECHO_PICTURES_TOGETHER"

FLASH_RISE = 0.25  # of full scale, from one shown frame to the next
CLICK_LEVEL = 0.7
TONE_LEVEL = 0.2
TONE_DECAY_S = 0.010
TONE_LENGTH_S = 0.060

_LUMA_SIZE_PX = 16
_COSTS: Mapping[Stage, float] = {"picture": 0.5, "sampling": 0.4, "sound": 0.1}


class EchoEngine(BatchEngine):
    """Makes clicks from flashes, behind the same interface as the network."""

    model_id = ECHO_MODEL_ID
    weights_sha256 = hashlib.sha256(b"selva-echo 1").hexdigest()
    licence = "Apache-2.0"
    device_report = "cpu: the echo engine runs no network"
    key_precision = ""
    notices = ("Test signal: a click where the picture flashes. No model was run.",)

    def __init__(
        self,
        *,
        sample_rate_hz: int = DEFAULT_SAMPLE_RATE_HZ,
        step_delay_s: float = 0.0,
        max_batch_pictures: int = 1,
    ) -> None:
        """sample_rate_hz: of its waveforms. step_delay_s: how long each sampling step takes, for all pictures of a batch
        together. max_batch_pictures: how many pictures it claims to batch. Raises RequestError.
        """
        if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
            raise RequestError(
                f"the echo engine's sample rate is {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; got {sample_rate_hz}"
            )
        if not 0 <= step_delay_s <= 60:
            raise RequestError(f"the echo engine's step delay is 0 to 60 s; got {step_delay_s}")
        if max_batch_pictures < 1:
            raise RequestError(f"the echo engine's batches hold at least 1 picture; got {max_batch_pictures}")
        self.sample_rate_hz = sample_rate_hz
        self.step_delay_s = step_delay_s
        self.max_batch_pictures = max_batch_pictures

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> EchoEngine:
        """An engine set up by SELVA_ECHO_SAMPLE_RATE_HZ, SELVA_ECHO_STEP_DELAY_S and SELVA_ECHO_PICTURES_TOGETHER.

        Raises RequestError.
        """
        try:
            sample_rate_hz = int(environ.get(SAMPLE_RATE_VARIABLE, DEFAULT_SAMPLE_RATE_HZ))
            step_delay_s = float(environ.get(STEP_DELAY_VARIABLE, "0"))
            max_batch_pictures = int(environ.get(MAX_BATCH_PICTURES_VARIABLE, "1"))
        except ValueError as exc:
            raise RequestError(
                f"{SAMPLE_RATE_VARIABLE} and {MAX_BATCH_PICTURES_VARIABLE} are integers, "
                f"{STEP_DELAY_VARIABLE} is a number: {exc}"
            ) from exc
        return cls(
            sample_rate_hz=sample_rate_hz, step_delay_s=step_delay_s, max_batch_pictures=max_batch_pictures
        )

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """All pictures share the delay of each step; see `Engine.render_batch`."""
        common_duration_s(requests)
        batch = RenderBatch([BatchItem(request, _COSTS) for request in requests])
        flashes_s: dict[BatchItem, list[Fraction]] = {}
        for item in batch.items:
            with item.isolate_errors():
                flashes_s[item] = find_flashes(item.request.picture, check=partial(batch.check, item))
                item.progress.finish("picture")
        for step in range(1, settings.num_steps + 1):
            if not batch.active:
                break
            time.sleep(self.step_delay_s)
            for item in batch.active:
                with item.isolate_errors():
                    cost = _COSTS["sampling"] / settings.num_steps
                    item.progress.spend("sampling", cost, step=step, num_steps=settings.num_steps)
        for item in batch.active:
            with item.isolate_errors():
                item.waveforms = self._clicks(item.request, flashes_s[item])
                item.progress.finish("sound")
        return batch.outcomes

    def _clicks(self, batch_request: BatchRequest, flashes_s: Sequence[Fraction]) -> list[Waveform]:
        return [
            Waveform(
                samples=self._samples(request, flashes_s, batch_request.picture.duration_s),
                sample_rate_hz=self.sample_rate_hz,
            )
            for request in batch_request.requests
        ]

    def _samples(
        self, request: StemRequest, flashes_s: Sequence[Fraction], duration_s: Fraction
    ) -> npt.NDArray[np.float32]:
        """Of a stretch that is made anew: its clicks, and beside it what the earlier stem has there."""
        made = clicks_at(flashes_s, duration_s, request, self.sample_rate_hz)
        if request.extends is not None:
            return self._beside_earlier(made, request.extends, duration_s)
        if request.redo is None:
            return made
        base = self._samples(request.redo.base, flashes_s, duration_s)
        edges_s = (request.redo.start_s - REDO_MARGIN_S, request.redo.start_s)
        ends_s = (request.redo.end_s, request.redo.end_s + REDO_MARGIN_S)
        reach, first, end, last = (
            max(round_half_up(edge_s * self.sample_rate_hz), 0) for edge_s in (*edges_s, *ends_s)
        )
        samples = np.zeros_like(made)
        samples[reach:last] = base[reach:last]
        samples[first:end] = made[first:end]
        return samples

    def _beside_earlier(
        self, made: npt.NDArray[np.float32], extends: Extension, duration_s: Fraction
    ) -> npt.NDArray[np.float32]:
        """The clicks before and after an earlier stem, and the margins inside it."""
        first_s = extends.head_s + REDO_MARGIN_S if extends.head_s else Fraction(0)
        end_s = duration_s - extends.tail_s - REDO_MARGIN_S if extends.tail_s else duration_s
        first, end = (round_half_up(edge_s * self.sample_rate_hz) for edge_s in (first_s, end_s))
        made[first : max(end, first)] = 0.0
        return made

    def look(self, request: BatchRequest) -> list[Evidence | None]:
        """Nothing: the engine reads no prompt."""
        return [None] * len(request.requests)

    def close(self) -> None:
        """Does nothing: the engine holds no memory of a device."""


def find_flashes(picture: PictureRange, *, check: Callable[[], None] = lambda: None) -> list[Fraction]:
    """The times at which flashes are seen, in seconds after the range begins, ascending.

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
    """float32 (num_samples,): a click and a tone per flash, the click at its time in samples, rounded half up."""
    samples = np.zeros(round_half_up(duration_s * sample_rate_hz), dtype=np.float32)
    tone = _tone(request, sample_rate_hz)
    starts = [round_half_up(at_s * sample_rate_hz) for at_s in flashes_s]
    for start in starts:
        after_click = samples[start : start + len(tone)]
        after_click += tone[: len(after_click)]
    for start in starts:
        if start < len(samples):
            samples[start] = CLICK_LEVEL
    return samples


def write_lumas(picture: PictureRange, target: Path, *, check: Callable[[], None] = lambda: None) -> None:
    """Write all that the engine sees of a range, for another machine: read as a picture of the same duration, such a file
    gives the same clicks. `check` may raise to stop. Raises MediaError, OutputError.
    """
    rows = [[seen_s.numerator, seen_s.denominator, luma] for seen_s, luma in _shown_lumas(picture, check)]
    write_atomic(target, json.dumps(rows).encode("ascii"))


def read_lumas(file: Path) -> list[tuple[Fraction, float]]:
    """What `write_lumas` wrote. Raises MediaUnreadableError."""
    try:
        return [
            (Fraction(numerator, denominator), float(luma))
            for numerator, denominator, luma in json.loads(file.read_bytes())
        ]
    except (OSError, ValueError, TypeError, ZeroDivisionError) as exc:
        raise MediaUnreadableError(f"{file} cannot be read: {exc}", path=str(file)) from exc


def _shown_lumas(picture: PictureRange, check: Callable[[], None]) -> list[tuple[Fraction, float]]:
    """For each frame of the range, when it is first seen and its mean luma (0..1), in playing order."""
    if picture.speed == 0:
        return []
    if picture.path.suffix == LUMAS_SUFFIX:
        return read_lumas(picture.path)
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
                luma, is_transparent = _measure_luma(shown.frame)
                lumas.append((seen_s, luma))
                if is_transparent:
                    note_transparent(picture.path, shown.start_s)
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


def _measure_luma(frame: VideoFrame) -> tuple[float, bool]:
    """Mean luma of a frame over black, 0..1, and whether the frame is transparent in places."""
    converter = SdrConverter()
    if has_alpha(frame):
        frame = converter.convert(frame, is_hd=is_hd_frame(frame))
    small = frame.reformat(
        width=_LUMA_SIZE_PX, height=_LUMA_SIZE_PX, format="gray", interpolation=Interpolation.AREA
    )
    return float(small.to_ndarray().mean()) / 255.0, converter.was_transparent

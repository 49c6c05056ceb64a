"""Several pictures in one call: each stem as if it were alone, and nobody suffers from another's fate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from selva_core.base.errors import (
    MediaNotFoundError,
    OutOfMemoryError,
    RenderCancelled,
    RequestError,
    SelvaError,
)
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, Engine, RenderProgress, SamplingSettings, StemRequest, Waveform
from selva_core.engines.echo import EchoEngine
from selva_core.engines.network import LoadedModel, NetworkEngine
from selva_core.inference.device import choose_device
from selva_core.inference.dummy_weights import build_dummy_tokenizer, build_dummy_weights
from selva_core.models.catalog import find_model
from selva_core.models.nano_spec import NANO_SPEC

MakeVideo = Callable[..., Path]
MakeEngine = Callable[[], Engine]
THREE_STEPS = SamplingSettings(num_steps=3)
DOG, BELL = StemRequest(prompt="dog barking"), StemRequest(prompt="bell", seed=7)
# Half a second more than a window here, so that the clip has two.
SHORT_WINDOWS_SPEC = replace(NANO_SPEC, window_s=Fraction(3, 2))
DURATION_S = Fraction(2)


def build_network() -> NetworkEngine:
    model = replace(find_model("selva-nano"), spec=SHORT_WINDOWS_SPEC)
    return NetworkEngine(
        LoadedModel(
            model=model,
            network=build_dummy_weights(SHORT_WINDOWS_SPEC),
            tokenizer=build_dummy_tokenizer(SHORT_WINDOWS_SPEC),
            choice=choose_device("cpu"),
            weights_sha256="0" * 64,
        )
    )


@pytest.fixture(params=[build_network, EchoEngine])
def engine(request: pytest.FixtureRequest) -> Engine:
    make: MakeEngine = request.param
    return make()


@pytest.fixture
def clips(flashing_video: MakeVideo) -> list[Path]:
    return [flashing_video(f"{n}.mp4", num_frames=60, flashes={5 + 7 * n}) for n in range(3)]


class Watcher:
    """Hears an order's progress, and cancels the order when `cancel_when` says so."""

    def __init__(self, cancel_when: Callable[[list[RenderProgress]], bool] = lambda seen: False) -> None:
        self.seen: list[RenderProgress] = []
        self._cancel_when = cancel_when

    def is_cancelled(self) -> bool:
        return self._cancel_when(self.seen)

    def order(self, clip: Path, *requests: StemRequest, duration_s: Fraction = DURATION_S) -> BatchRequest:
        return BatchRequest(
            picture=PictureRange(path=clip, start_s=Fraction(0), duration_s=duration_s),
            requests=requests,
            on_progress=self.seen.append,
            is_cancelled=self.is_cancelled,
        )


def alone(engine: Engine, clip: Path, *requests: StemRequest) -> list[Waveform]:
    return engine.render(
        PictureRange(path=clip, start_s=Fraction(0), duration_s=DURATION_S),
        requests,
        settings=THREE_STEPS,
        on_progress=lambda progress: None,
        is_cancelled=lambda: False,
    )


def same(ones: list[Waveform] | SelvaError, others: list[Waveform] | SelvaError) -> bool:
    assert isinstance(ones, list)
    assert isinstance(others, list)
    return all(np.array_equal(one.samples, other.samples) for one, other in zip(ones, others, strict=True))


def test_stems_of_pictures_rendered_together_are_those_of_each_alone_to_the_bit(
    engine: Engine, clips: list[Path]
) -> None:
    orders = [
        Watcher().order(clips[0], DOG, BELL),
        Watcher().order(clips[1], DOG),
        Watcher().order(clips[2], BELL),
    ]
    together = engine.render_batch(orders, settings=THREE_STEPS)
    assert same(together[0], alone(engine, clips[0], DOG, BELL))
    assert same(together[1], alone(engine, clips[1], DOG))
    assert same(together[2], alone(engine, clips[2], BELL))
    assert not same(together[1], alone(engine, clips[0], DOG))


def test_shared_batches_as_on_a_gpu_change_a_stem_by_no_more_than_rounding(clips: list[Path]) -> None:
    engine = build_network()
    expected = [alone(engine, clip, DOG) for clip in clips]
    engine._batch_across_stems = True
    assert engine.max_batch_pictures > 1
    together = engine.render_batch([Watcher().order(clip, DOG) for clip in clips], settings=THREE_STEPS)
    for ones, others in zip(together, expected, strict=True):
        assert isinstance(ones, list)
        np.testing.assert_allclose(ones[0].samples, others[0].samples, atol=1e-5)


def test_missing_picture_fails_its_own_order_only(engine: Engine, clips: list[Path]) -> None:
    orders = [Watcher().order(clips[0].with_name("gone.mp4"), DOG), Watcher().order(clips[1], DOG)]
    gone, there = engine.render_batch(orders, settings=THREE_STEPS)
    assert isinstance(gone, MediaNotFoundError)
    assert same(there, alone(engine, clips[1], DOG))


def test_cancelled_order_takes_no_further_step_and_the_others_end(engine: Engine, clips: list[Path]) -> None:
    leaver = Watcher(lambda seen: bool(seen) and seen[-1].step == 2)
    stayer = Watcher()
    orders = [stayer.order(clips[0], DOG), leaver.order(clips[1], DOG, BELL)]
    ended, cancelled = engine.render_batch(orders, settings=THREE_STEPS)
    assert isinstance(cancelled, RenderCancelled)
    assert leaver.seen[-1].step == 2
    assert stayer.seen[-1].fraction == 1.0
    assert same(ended, alone(engine, clips[0], DOG))


def test_cancel_is_heard_while_the_picture_of_another_is_read(engine: Engine, clips: list[Path]) -> None:
    """The second order is cancelled from the start; that is noticed before its own turn comes."""
    asked_while_first_had_not_begun = []
    first = Watcher()

    def is_cancelled() -> bool:
        asked_while_first_had_not_begun.append(not first.seen)
        return True

    second = replace(Watcher().order(clips[1], DOG), is_cancelled=is_cancelled)
    ended, cancelled = engine.render_batch([first.order(clips[0], DOG), second], settings=THREE_STEPS)
    assert asked_while_first_had_not_begun[0]
    assert isinstance(cancelled, RenderCancelled)
    assert same(ended, alone(engine, clips[0], DOG))


def test_all_orders_cancelled_end_the_call_at_once(engine: Engine, clips: list[Path]) -> None:
    watchers = [Watcher(lambda seen: bool(seen) and seen[-1].step == 1) for _ in clips]
    orders = [watcher.order(clip, DOG) for watcher, clip in zip(watchers, clips, strict=True)]
    outcomes = engine.render_batch(orders, settings=THREE_STEPS)
    assert all(isinstance(outcome, RenderCancelled) for outcome in outcomes)
    assert [watcher.seen[-1].step for watcher in watchers] == [1, 1, 1]


def test_each_order_hears_its_own_progress_rise_to_one(engine: Engine, clips: list[Path]) -> None:
    watchers = [Watcher() for _ in clips]
    orders = [watcher.order(clip, DOG) for watcher, clip in zip(watchers, clips, strict=True)]
    engine.render_batch(orders, settings=THREE_STEPS)
    for watcher in watchers:
        fractions = [progress.fraction for progress in watcher.seen]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        assert [progress.step for progress in watcher.seen if progress.stage == "sampling"] == [1, 2, 3]


def test_pictures_of_different_length_are_refused(engine: Engine, clips: list[Path]) -> None:
    orders = [Watcher().order(clips[0], DOG), Watcher().order(clips[1], DOG, duration_s=Fraction(1))]
    with pytest.raises(RequestError, match="last equally long; got, in seconds: 1, 2"):
        engine.render_batch(orders, settings=THREE_STEPS)


def test_order_for_no_stem_is_refused(clips: list[Path]) -> None:
    with pytest.raises(RequestError, match="at least one stem"):
        Watcher().order(clips[0])


def test_device_without_memory_fails_the_call_not_one_order(
    clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = build_network()

    def full(*_: object) -> None:
        raise MemoryError("CPU out of memory")

    monkeypatch.setattr(engine._network.generator, "flow", full)
    with pytest.raises(OutOfMemoryError):
        engine.render_batch([Watcher().order(clip, DOG) for clip in clips], settings=THREE_STEPS)

"""Several pictures in one engine call: the same stems as in a call each, and no error of one reaches another."""

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
# The clips last half a second more than a window of this model, so that they have two.
SHORT_WINDOWS_SPEC = replace(NANO_SPEC, window_s=Fraction(3, 2))
DURATION_S = Fraction(2)


def build_network() -> NetworkEngine:
    model = replace(find_model("selva-nano"), spec=SHORT_WINDOWS_SPEC)
    return NetworkEngine(
        LoadedModel(
            model=model,
            network=build_dummy_weights(SHORT_WINDOWS_SPEC),
            tokenizer=build_dummy_tokenizer(SHORT_WINDOWS_SPEC),
            device_choice=choose_device("cpu"),
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
    """Records the progress of a batch request, and cancels it when `cancel_when` becomes true."""

    def __init__(self, cancel_when: Callable[[list[RenderProgress]], bool] = lambda seen: False) -> None:
        self.seen: list[RenderProgress] = []
        self._cancel_when = cancel_when

    def is_cancelled(self) -> bool:
        return self._cancel_when(self.seen)

    def request(self, clip: Path, *requests: StemRequest, duration_s: Fraction = DURATION_S) -> BatchRequest:
        return BatchRequest(
            picture=PictureRange(path=clip, start_s=Fraction(0), duration_s=duration_s),
            requests=requests,
            on_progress=self.seen.append,
            is_cancelled=self.is_cancelled,
        )


def render_single(engine: Engine, clip: Path, *requests: StemRequest) -> list[Waveform]:
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


def test_stems_of_a_batch_are_bit_identical_to_those_rendered_singly(
    engine: Engine, clips: list[Path]
) -> None:
    requests = [
        Watcher().request(clips[0], DOG, BELL),
        Watcher().request(clips[1], DOG),
        Watcher().request(clips[2], BELL),
    ]
    outcomes = engine.render_batch(requests, settings=THREE_STEPS)
    assert same(outcomes[0], render_single(engine, clips[0], DOG, BELL))
    assert same(outcomes[1], render_single(engine, clips[1], DOG))
    assert same(outcomes[2], render_single(engine, clips[2], BELL))
    assert not same(outcomes[1], render_single(engine, clips[0], DOG))


def test_shared_batches_as_on_a_gpu_change_a_stem_by_no_more_than_rounding(clips: list[Path]) -> None:
    engine = build_network()
    expected = [render_single(engine, clip, DOG) for clip in clips]
    engine._sampler.batch_across_stems = True
    assert engine.max_batch_pictures > 1
    outcomes = engine.render_batch([Watcher().request(clip, DOG) for clip in clips], settings=THREE_STEPS)
    for ones, others in zip(outcomes, expected, strict=True):
        assert isinstance(ones, list)
        np.testing.assert_allclose(ones[0].samples, others[0].samples, atol=1e-5)


def test_missing_picture_fails_its_own_request_only(engine: Engine, clips: list[Path]) -> None:
    requests = [Watcher().request(clips[0].with_name("gone.mp4"), DOG), Watcher().request(clips[1], DOG)]
    missing, rendered = engine.render_batch(requests, settings=THREE_STEPS)
    assert isinstance(missing, MediaNotFoundError)
    assert same(rendered, render_single(engine, clips[1], DOG))


def test_cancelled_request_takes_no_further_step_and_the_others_finish(
    engine: Engine, clips: list[Path]
) -> None:
    cancelling = Watcher(lambda seen: bool(seen) and seen[-1].step == 2)
    staying = Watcher()
    requests = [staying.request(clips[0], DOG), cancelling.request(clips[1], DOG, BELL)]
    finished, cancelled = engine.render_batch(requests, settings=THREE_STEPS)
    assert isinstance(cancelled, RenderCancelled)
    assert cancelling.seen[-1].step == 2
    assert staying.seen[-1].fraction == 1.0
    assert same(finished, render_single(engine, clips[0], DOG))


def test_cancelling_is_noticed_while_the_picture_of_another_is_decoded(
    engine: Engine, clips: list[Path]
) -> None:
    """The second request is cancelled from the start, which is noticed before its own picture is decoded."""
    stages_when_asked = []
    first = Watcher()

    def is_cancelled() -> bool:
        stages_when_asked.append({progress.stage for progress in first.seen})
        return True

    second = replace(Watcher().request(clips[1], DOG), is_cancelled=is_cancelled)
    finished, cancelled = engine.render_batch([first.request(clips[0], DOG), second], settings=THREE_STEPS)
    assert stages_when_asked[0] <= {"picture"}
    assert isinstance(cancelled, RenderCancelled)
    assert same(finished, render_single(engine, clips[0], DOG))


def test_call_ends_within_a_step_when_all_requests_are_cancelled(engine: Engine, clips: list[Path]) -> None:
    watchers = [Watcher(lambda seen: bool(seen) and seen[-1].step == 1) for _ in clips]
    requests = [watcher.request(clip, DOG) for watcher, clip in zip(watchers, clips, strict=True)]
    outcomes = engine.render_batch(requests, settings=THREE_STEPS)
    assert all(isinstance(outcome, RenderCancelled) for outcome in outcomes)
    assert [watcher.seen[-1].step for watcher in watchers] == [1, 1, 1]


def test_progress_of_each_request_rises_to_one(engine: Engine, clips: list[Path]) -> None:
    watchers = [Watcher() for _ in clips]
    requests = [watcher.request(clip, DOG) for watcher, clip in zip(watchers, clips, strict=True)]
    engine.render_batch(requests, settings=THREE_STEPS)
    steps = [0, 1, 2, 3] if isinstance(engine, NetworkEngine) else [1, 2, 3]  # 0: the stage begins
    for watcher in watchers:
        fractions = [progress.fraction for progress in watcher.seen]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        seen_steps = [progress.step for progress in watcher.seen if progress.stage == "sampling"]
        assert list(dict.fromkeys(seen_steps)) == steps


def test_pictures_of_different_durations_are_refused(engine: Engine, clips: list[Path]) -> None:
    requests = [Watcher().request(clips[0], DOG), Watcher().request(clips[1], DOG, duration_s=Fraction(1))]
    with pytest.raises(RequestError, match="have the same duration; got, in seconds: 1, 2"):
        engine.render_batch(requests, settings=THREE_STEPS)


def test_request_for_no_stem_is_refused(clips: list[Path]) -> None:
    with pytest.raises(RequestError, match="at least one stem"):
        Watcher().request(clips[0])


def test_device_without_memory_fails_the_whole_call(
    clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = build_network()

    def full(*_: object) -> None:
        raise MemoryError("CPU out of memory")

    monkeypatch.setattr(engine._network.generator, "flow", full)
    with pytest.raises(OutOfMemoryError, match="memory"):
        engine.render_batch([Watcher().request(clip, DOG) for clip in clips], settings=THREE_STEPS)

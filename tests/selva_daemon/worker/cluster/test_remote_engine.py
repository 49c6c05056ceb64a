"""Calls to a device that is far away, with a real actor and no Ray between."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from selva_core.base.errors import MediaNotFoundError, RenderCancelled
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, RedoneStretch, RenderProgress, SamplingSettings, StemRequest
from selva_core.engines.echo import STEP_DELAY_VARIABLE, EchoEngine
from selva_daemon.protocol.errors import InternalError
from selva_daemon.protocol.worker_link import WorkerEvent
from selva_daemon.worker.cluster import device_actor, remote_device
from selva_daemon.worker.cluster.messages import DeviceSetup, StemMessage, Versions, decode, encode
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.cluster.remote_device import DeviceRefusedError, Limits, RemoteDevice
from selva_daemon.worker.cluster.remote_engine import KnownWeights, RemoteEngines
from selva_daemon.worker.cluster.sent_pictures import SentPictures
from selva_daemon.worker.device_lost import CRASHED, LOST, REQUEUED, DeviceLostError
from tests.selva_daemon.worker.cluster.near_cluster import RAY, NearActor, NearCluster

PLACE = DevicePlace(node_id="n1", index=0, name="node 1", num_gpus=0, num_cpus=1, resources={}, num_threads=1)
SETUP = DeviceSetup(
    device="cpu",
    precision="auto",
    acceleration="plain",
    feature_cache_bytes=0,
    folder="t-n1-0",
    num_threads=1,
)
LIMITS = Limits(stall_s=30.0, cancel_s=30.0)
STEPS = SamplingSettings(num_steps=3)


class Heard:
    def __init__(self) -> None:
        self.events: list[WorkerEvent] = []

    def send(self, event: WorkerEvent) -> None:
        self.events.append(event)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[NearCluster]:
    monkeypatch.setattr(remote_device, "POLL_S", 0.01)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    near = NearCluster()
    yield near
    near.close()


def started(cluster: NearCluster, *, limits: Limits = LIMITS) -> RemoteDevice:
    device = RemoteDevice(cluster, PLACE, SETUP, limits=limits)
    device.start()
    return device


def engines_of(
    device: RemoteDevice, refusals: list[str] | None = None, *, pictures: SentPictures | None = None
) -> RemoteEngines:
    found: list[str] = [] if refusals is None else refusals
    return RemoteEngines(
        device,
        events=Heard(),
        weights=KnownWeights(),
        pictures=SentPictures() if pictures is None else pictures,
        on_refusal=found.append,
    )


def request(
    path: Path, *, is_cancelled: Any = lambda: False, on_progress: Any = lambda _: None
) -> BatchRequest:
    return BatchRequest(
        picture=PictureRange(path=path, start_s=Fraction(0), duration_s=Fraction(2, 5)),
        requests=[StemRequest(prompt="dog", seed=3), StemRequest(prompt="door", seed=4)],
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )


def test_waveforms_from_afar_are_those_made_here_and_progress_comes_with_them(
    cluster: NearCluster, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STEP_DELAY_VARIABLE, "0.05")
    progress: list[RenderProgress] = []
    engine = engines_of(started(cluster)).engine_for("selva-echo")
    [there] = engine.render_batch([request(clip, on_progress=progress.append)], settings=STEPS)
    [here] = EchoEngine().render_batch([request(clip)], settings=STEPS)
    assert isinstance(there, list)
    assert isinstance(here, list)
    for one, other in zip(there, here, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert "sampling" in {each.stage for each in progress}
    assert cluster.num_put == 1


def test_a_picture_is_read_and_sent_once_until_its_media_changes(cluster: NearCluster, clip: Path) -> None:
    pictures = SentPictures()
    one, other = (engines_of(started(cluster), pictures=pictures).engine_for("selva-echo") for _ in range(2))
    first, again = (engine.render_batch([request(clip)], settings=STEPS)[0] for engine in (one, other))
    assert cluster.num_put == 1, "other devices fetch what lies there"
    assert isinstance(first, list)
    assert isinstance(again, list)
    np.testing.assert_array_equal(again[0].samples, first[0].samples)
    os.utime(clip, ns=(0, 0))
    one.render_batch([request(clip)], settings=STEPS)
    assert cluster.num_put == 2


def test_pictures_beyond_the_room_for_them_are_sent_again(cluster: NearCluster, clip: Path) -> None:
    engine = engines_of(started(cluster), pictures=SentPictures(max_bytes=10)).engine_for("selva-echo")
    for _ in range(2):
        assert isinstance(engine.render_batch([request(clip)], settings=STEPS)[0], list)
    assert cluster.num_put == 2


def test_pictures_of_a_call_that_failed_are_sent_again(
    cluster: NearCluster, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray may have lost them, and the device cannot say so."""
    engine = engines_of(started(cluster)).engine_for("selva-echo")
    with monkeypatch.context() as patch:
        patch.setattr(device_actor, "_fetch", lambda reference: reference.lost)
        with pytest.raises(InternalError, match="while rendering"):
            engine.render_batch([request(clip)], settings=STEPS)
    assert isinstance(engine.render_batch([request(clip)], settings=STEPS)[0], list)
    assert cluster.num_put == 2


def test_a_device_whose_node_cannot_write_the_picture_is_refused_and_its_job_goes_to_another(
    cluster: NearCluster, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reference: Any) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    device, refusals = started(cluster), list[str]()
    engine = engines_of(device, refusals).engine_for("selva-echo")
    monkeypatch.setattr(device_actor, "_fetch", refuse)
    with pytest.raises(DeviceLostError, match="the disk is full") as caught:
        engine.render_batch([request(clip)], settings=STEPS)
    assert caught.value.outcome == REQUEUED
    assert device.is_lost
    [refusal] = refusals
    assert refusal.startswith("on its node: cannot write the picture of a job into ")


def test_a_cache_that_was_cleared_under_a_device_does_no_harm(cluster: NearCluster, clip: Path) -> None:
    device = started(cluster)
    engine = engines_of(device).engine_for("selva-echo")
    shutil.rmtree(device._actor._folder)
    assert isinstance(engine.render_batch([request(clip)], settings=STEPS)[0], list)


def test_media_that_cannot_be_read_fails_its_own_job_only(
    cluster: NearCluster, clip: Path, tmp_path: Path
) -> None:
    engine = engines_of(started(cluster)).engine_for("selva-echo")
    missing, fine = engine.render_batch([request(tmp_path / "none.mov"), request(clip)], settings=STEPS)
    assert isinstance(missing, MediaNotFoundError)
    assert isinstance(fine, list)


def test_a_cancel_reaches_the_device_between_two_steps(
    cluster: NearCluster, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STEP_DELAY_VARIABLE, "0.02")
    cancelled = threading.Event()
    device = started(cluster)
    engine = engines_of(device).engine_for("selva-echo")
    wanted = request(
        clip,
        is_cancelled=cancelled.is_set,
        on_progress=lambda progress: cancelled.set() if progress.stage == "sampling" else None,
    )
    [outcome] = engine.render_batch([wanted], settings=SamplingSettings(num_steps=1000))
    assert isinstance(outcome, RenderCancelled)
    assert not device.is_lost


def test_a_device_that_ignores_a_cancel_is_given_up_and_the_job_is_cancelled(
    cluster: NearCluster, clip: Path
) -> None:
    device, engine, release = stuck(cluster, Limits(stall_s=30.0, cancel_s=0.05))
    wanted = request(clip, is_cancelled=lambda: bool(cluster.num_put))
    with pytest.raises(RenderCancelled):
        engine.render_batch([wanted], settings=STEPS)
    assert device.is_lost
    release.set()


def test_a_device_without_progress_is_given_up_and_its_job_may_be_the_cause(
    cluster: NearCluster, clip: Path
) -> None:
    device, engine, release = stuck(cluster, Limits(stall_s=0.1, cancel_s=30.0))
    for _ in range(2):  # jobs that shared the batch are tried again one by one, and have the same cause
        with pytest.raises(DeviceLostError, match=r"node 1: it made no progress for 0\.1 s") as caught:
            engine.render_batch([request(clip)], settings=STEPS)
        assert caught.value.outcome == CRASHED
    assert device.is_lost
    release.set()


def stuck(cluster: NearCluster, limits: Limits) -> tuple[RemoteDevice, Any, threading.Event]:
    """A device whose engine hangs, until the event is set."""
    release = threading.Event()
    device = started(cluster, limits=limits)
    engine = engines_of(device).engine_for("selva-echo")
    actor = device._actor
    actor._perform = lambda call, parts: release.wait(30)
    return device, engine, release


def test_a_node_that_dies_under_a_job_loses_it_without_blame(cluster: NearCluster, clip: Path) -> None:
    device, engine, release = stuck(cluster, LIMITS)
    threading.Timer(0.1, cluster.kill, (device._actor, DeviceLostError("its node is gone"))).start()
    with pytest.raises(DeviceLostError, match="node 1: its node is gone") as caught:
        engine.render_batch([request(clip)], settings=STEPS)
    assert caught.value.outcome == LOST
    release.set()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"selva": "9.9"}, "Selva Bridge 9.9 there and"),
        ({"ray": "2.1"}, f"Ray 2.1 there and {RAY} here"),
        ({"python": "3.99"}, r"Python 3\.99 there and"),
        ({"messages": 99}, "another state of Selva Bridge"),
        ({}, None),
    ],
)
def test_other_versions_are_refused_in_words(
    changes: dict[str, object], named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(NearActor):
        def versions(self) -> bytes:
            return encode(msgspec.structs.replace(Versions.here(RAY), **changes))

    cluster = NearCluster(Other)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    device = RemoteDevice(cluster, PLACE, SETUP, limits=LIMITS)
    if named is None:
        device.start()
    else:
        with pytest.raises(DeviceRefusedError, match=named):
            device.start()
    cluster.close()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_node_that_pictures_do_not_reach_gets_no_jobs(
    arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job there was "3 % picture" until the limit for jobs that hang, again and again."""
    received: list[int] = []

    class FarAway(NearActor):
        def count_received(self, references: Sequence[Any]) -> int:
            if not arrives:
                raise TimeoutError("the device does not answer")
            received.append(super().count_received(references))
            return received[-1]

    cluster = NearCluster(FarAway)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    device = RemoteDevice(cluster, PLACE, SETUP, limits=LIMITS)
    if arrives:
        device.start()
        assert received == [1 << 20]
    else:
        with pytest.raises(DeviceRefusedError, match="pictures do not reach it: 1 MiB did not arrive"):
            device.start()
    cluster.close()


def test_a_device_with_other_weights_is_refused_and_its_job_goes_to_another(cluster: NearCluster) -> None:
    refusals: list[str] = []
    device = started(cluster)
    engines = engines_of(device, refusals)
    engines._weights._hashes["selva-echo"] = "f" * 64
    with pytest.raises(DeviceLostError) as caught:
        engines.info_of("selva-echo")
    assert caught.value.outcome == REQUEUED
    assert device.is_lost
    [problem] = refusals
    assert "are not those here (ffffffffffff…)" in problem
    assert engines_of(started(cluster), refusals).info_of("selva-echo").model_id == "selva-echo"
    assert len(refusals) == 1


@pytest.mark.parametrize("redone", [False, True])
def test_a_request_is_the_same_after_the_way(redone: bool) -> None:
    base = StemRequest(prompt="dog", negative_prompt="cat", seed=2**40, siblings=("door",))
    latents = np.arange(6, dtype=np.float32).reshape(3, 2)
    sent = base
    if redone:
        sent = StemRequest(
            prompt="bird",
            redo=RedoneStretch(base=base, start_s=Fraction(1, 3), end_s=Fraction(2, 3), base_latents=latents),
        )
    received = decode(encode(StemMessage.of(sent)), StemMessage).to_request()
    assert received == sent
    if received.redo is not None:
        assert received.redo.base_latents is not None
        np.testing.assert_array_equal(received.redo.base_latents, latents)


def test_what_is_read_again_is_found_under_the_same_name_and_time(
    cluster: NearCluster, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features that an engine keeps of a picture are found by them."""
    seen: list[tuple[str, int]] = []
    device = started(cluster)
    engine = engines_of(device).engine_for("selva-echo")
    render = EchoEngine.render_batch

    def spy(self: EchoEngine, requests: Sequence[BatchRequest], *, settings: SamplingSettings) -> Any:
        path = requests[0].picture.path
        seen.append((str(path), path.stat().st_mtime_ns))
        return render(self, requests, settings=settings)

    monkeypatch.setattr(EchoEngine, "render_batch", spy)
    for _ in range(2):
        engine.render_batch([request(clip)], settings=STEPS)
    assert seen[0] == seen[1]
    assert not Path(seen[0][0]).exists()

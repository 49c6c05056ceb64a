"""Use a Ray cluster through its Ray Client server, as the worker of a daemon does: ray_client.py ray://HOST:PORT MOVIE

Prints a JSON object: "lengths" of the stems of a job on the cluster, "steps" that were heard of while it ran, "cancelled": how a
job of a thousand steps ended that was cancelled at its first.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import BatchRequest, RenderProgress, SamplingSettings, StemRequest
from selva_daemon.protocol.worker_link import WorkerEvent
from selva_daemon.worker.cluster.messages import DeviceSetup
from selva_daemon.worker.cluster.placement import DevicePlace
from selva_daemon.worker.cluster.ray_environment import prepare
from selva_daemon.worker.cluster.remote_device import Limits, RemoteDevice
from selva_daemon.worker.cluster.remote_engine import KnownWeights, RemoteEngines
from selva_daemon.worker.cluster.sent_pictures import SentPictures


class _Unheard:
    def send(self, event: WorkerEvent) -> None:
        """The result has what matters."""


def _start_device(cluster: Any) -> RemoteDevice:
    """On the first node. It reserves nothing, so that it runs beside the device of a daemon there."""
    [node, *_] = cluster.nodes()
    place = DevicePlace(
        node_id=node.node_id, index=0, name="n", num_gpus=0, num_cpus=0, resources={}, num_threads=1
    )
    setup = DeviceSetup(
        device="cpu",
        precision="auto",
        acceleration="plain",
        feature_cache_bytes=0,
        folder="client-0",
        num_threads=1,
    )
    device = RemoteDevice(cluster, place, setup, limits=Limits(stall_s=60.0, cancel_s=60.0))
    device.start()
    return device


def main(executor: str, movie: str) -> None:
    prepare(executor)
    from selva_daemon.worker.cluster.ray_cluster import RayCluster  # noqa: PLC0415 - after `prepare`

    cluster = RayCluster(executor, owner="test")
    device = _start_device(cluster)
    engines = RemoteEngines(
        device,
        events=_Unheard(),
        weights=KnownWeights(),
        pictures=SentPictures(),
        on_refusal=sys.exit,
    )
    engine = engines.engine_for("selva-echo")
    steps: set[int] = set()

    def request(is_cancelled: bool) -> BatchRequest:
        def on_progress(progress: RenderProgress) -> None:
            if progress.stage == "sampling":
                steps.add(progress.step)

        return BatchRequest(
            picture=PictureRange(path=Path(movie), start_s=Fraction(0), duration_s=Fraction(1)),
            requests=[StemRequest(prompt="a dog barking")],
            on_progress=on_progress,
            is_cancelled=lambda: is_cancelled and bool(steps),
        )

    [outcome] = engine.render_batch([request(False)], settings=SamplingSettings(num_steps=20))
    lengths = [] if isinstance(outcome, SelvaError) else [len(waveform.samples) for waveform in outcome]
    num_steps = len(steps)
    steps.clear()
    [cancelled] = engine.render_batch([request(True)], settings=SamplingSettings(num_steps=1000))
    device.end()
    cluster.close()
    sys.stdout.write(
        json.dumps({"lengths": lengths, "steps": num_steps, "cancelled": type(cancelled).__name__})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

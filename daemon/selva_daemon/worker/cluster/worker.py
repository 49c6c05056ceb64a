"""The process that renders on a Ray cluster: like any worker it is a child of the server, and its end ends no daemon.

It reads media, plans, caches and publishes as the worker of a device does; only what the network does happens elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings.checks import OWN_RAY
from selva_daemon.protocol.worker_link import WorkerReady, take_over_standard_streams
from selva_daemon.worker.cluster.messages import DeviceSetup
from selva_daemon.worker.cluster.placement import DevicePlace, Node, plan_devices
from selva_daemon.worker.cluster.ray_environment import prepare
from selva_daemon.worker.cluster.remote_device import Limits, RemoteDevice
from selva_daemon.worker.cluster.remote_engine import KnownWeights, RemoteEngines
from selva_daemon.worker.cluster.sent_pictures import SentPictures
from selva_daemon.worker.cluster.slots import DeviceSlot, Roster
from selva_daemon.worker.server_link import Commands, EventLogHandler, Events
from selva_daemon.worker.worker import build_parser, build_renderer, send_heartbeats

if TYPE_CHECKING:
    from selva_daemon.worker.cluster.ray_cluster import RayCluster

NODES_EVERY_S = 2.0
BETWEEN_UPDATES_S = 0.1
HEAD_PATIENCE_S = 15.0
"""Less than Ray's own, after which it ends this process with a message of its own."""
CLOSE_S = 2.0
EXIT_NO_CLUSTER = 3
_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _build_parser().parse_args(argv)
    command_stream, event_stream = take_over_standard_streams()
    events = Events(event_stream)
    log_handler = EventLogHandler(events)
    log_handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=arguments.log_level.upper(), handlers=[log_handler], force=True)
    threading.Thread(target=send_heartbeats, args=(events,), name="heartbeat", daemon=True).start()
    commands = Commands(command_stream)
    try:
        cluster = _connect(arguments)
    except (ConfigurationError, ConnectionError) as exc:
        sys.stderr.write(f"{exc}\n")  # the server shows the last line that a worker has printed
        return EXIT_NO_CLUSTER
    builder = _SlotBuilder(arguments, cluster, commands=commands, events=events, log_handler=log_handler)
    roster = Roster(start_slot=builder.start, events=events, stall_s=arguments.stall_timeout)
    builder.num_devices = lambda: roster.num_devices
    watch = threading.Thread(
        target=_watch_nodes, args=(cluster, roster, arguments.device), name="nodes", daemon=True
    )
    roster.update([])
    events.send(WorkerReady(pid=os.getpid()))
    watch.start()
    while (command := commands.next_work()) is not None:
        roster.assign(command)
    roster.close(CLOSE_S)
    cluster.close()
    return 0


def _connect(arguments: argparse.Namespace) -> RayCluster:
    """Raises ConfigurationError where Ray is not installed, ConnectionError with a sentence."""
    own_folder = prepare(arguments.executor)
    from selva_daemon.worker.cluster.ray_cluster import RayCluster  # noqa: PLC0415 - loads Ray, if it is there

    cluster = RayCluster(arguments.executor, owner=_owner(arguments), own_folder=own_folder)
    if arguments.executor != OWN_RAY and not cluster.is_authenticated:
        _log.warning(
            "the Ray cluster at %s takes programs from anybody who reaches its ports; start it with RAY_AUTH_MODE=token "
            "(docs/how-to/several-machines.md)",
            arguments.executor,
        )
    return cluster


def _owner(arguments: argparse.Namespace) -> str:
    """A name for this daemon, the same at each start."""
    return hashlib.sha256(f"{platform.node()} {arguments.stem_cache}".encode()).hexdigest()[:8]


class _SlotBuilder:
    """Makes a slot for a place."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        cluster: RayCluster,
        *,
        commands: Commands,
        events: Events,
        log_handler: EventLogHandler,
    ) -> None:
        self._arguments = arguments
        self._cluster = cluster
        self._commands = commands
        self._events = events
        self._log_handler = log_handler
        self._weights = KnownWeights()
        self._pictures = SentPictures()
        self.num_devices: Callable[[], int] = lambda: 1
        self._limits = Limits(stall_s=arguments.stall_timeout, cancel_s=arguments.cancel_grace)

    def start(self, place: DevicePlace, on_change: Callable[[], None]) -> DeviceSlot:
        arguments = self._arguments
        setup = DeviceSetup(
            device=arguments.device if arguments.device != "cuda" else "cuda:0",
            precision=arguments.precision,
            acceleration=arguments.acceleration,
            memory=arguments.memory,
            feature_cache_bytes=arguments.feature_cache_bytes,
            folder=f"{_owner(arguments)}-{place.node_id[:8]}-{place.index}",
            num_threads=place.num_threads,
        )
        device = RemoteDevice(self._cluster, place, setup, limits=self._limits, num_devices=self.num_devices)
        slot = DeviceSlot(
            device,
            build_renderer=lambda slot: build_renderer(
                arguments,
                RemoteEngines(
                    device,
                    events=slot,
                    weights=self._weights,
                    pictures=self._pictures,
                    on_refusal=slot.refuse,
                ),
            ),
            commands=self._commands,
            events=self._events,
            log_handler=self._log_handler,
            on_change=on_change,
        )
        slot.thread.start()
        return slot


def _watch_nodes(cluster: RayCluster, roster: Roster, device: str) -> None:
    """For ever. Ends the process when the head of the cluster is gone: the server starts another, which waits for it."""
    nodes: list[Node] = []
    answered_s = time.monotonic()

    def ask() -> None:
        nonlocal nodes, answered_s
        while True:
            try:
                nodes = cluster.nodes()
                answered_s = time.monotonic()
            except Exception as exc:  # what a lost head raises differs with the version of Ray
                _log.warning("the head of the Ray cluster does not answer: %s", exc)
            time.sleep(NODES_EVERY_S)

    threading.Thread(target=ask, name="head", daemon=True).start()
    while True:
        if time.monotonic() - answered_s > HEAD_PATIENCE_S:
            sys.stderr.write(
                f"the head of the Ray cluster ({cluster.address}) has not answered for {HEAD_PATIENCE_S:g} s; "
                "its jobs wait in the queue until it is back\n"
            )
            sys.stderr.flush()
            os._exit(EXIT_NO_CLUSTER)
        roster.update(plan_devices(nodes, device))
        roster.wait(NODES_EVERY_S)
        time.sleep(BETWEEN_UPDATES_S)


def _build_parser() -> argparse.ArgumentParser:
    parser = build_parser()
    parser.add_argument("--executor", required=True)
    parser.add_argument("--stall-timeout", type=float, required=True)
    parser.add_argument("--cancel-grace", type=float, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

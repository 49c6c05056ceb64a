"""The server process: owns the sockets, the queue and the workers, and never loads torch or a media library.

One thread does everything in turn: messages of workers, control requests, subscriptions, job requests, and the clock. Nothing
it does waits for a client or a worker.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from socket import socketpair
from typing import Any

import zmq

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError, LockHeldError, SelvaError
from selva_core.base.file_lock import FileLock
from selva_core.base.paths import AppPaths, ensure_folder, ensure_private_folder
from selva_daemon.jobs.dispatcher import Dispatcher
from selva_daemon.jobs.events import EventPublisher
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.jobs.scheduling import FairScheduler
from selva_daemon.jobs.stage_rates import StageRates
from selva_daemon.jobs.supervisor import Supervisor
from selva_daemon.jobs.worker_process import (
    WorkerProcess,
    open_inbox,
    resident_bytes,
    worker_arguments,
    worker_program,
)
from selva_daemon.protocol.connection import Connection, remove_connection
from selva_daemon.protocol.envelope import (
    MAX_REPLY_BYTES,
    PROTOCOL_VERSION,
    Envelope,
    new_id,
    pack,
    parse,
)
from selva_daemon.protocol.errors import (
    ALREADY_RUNNING,
    DaemonRefusedError,
    DaemonRunningError,
    InternalError,
    ProtocolError,
    to_wire,
)
from selva_daemon.protocol.keys import DaemonKeys, ensure_keys
from selva_daemon.protocol.requests import CONTROL, JOBS
from selva_daemon.protocol.status import JOB_TOPIC, RUNNING, DaemonStatus, ProcessStatus
from selva_daemon.server.authorized_keys import AuthorizedKeys
from selva_daemon.server.handlers import RequestHandlers
from selva_daemon.server.logs import RepeatedWarning
from selva_daemon.server.metrics import RequestCounter, build_metrics
from selva_daemon.server.reply_sender import ReplySender
from selva_daemon.server.sockets import ZapAuthenticator, open_listener, replace_listener
from selva_daemon.server.watch_process import WatchProcess
from selva_daemon.settings import DaemonSettings

TICK_S = 0.25
MAX_MESSAGES_IN_A_ROW = 10
STOP_WORKER_S = 8.0
EVENTS = "events"
_log = logging.getLogger(__name__)


class Server:
    """`open` binds and publishes, `run` serves until `begin_shutdown` is called, `close` releases everything."""

    def __init__(
        self, paths: AppPaths, settings: DaemonSettings, *, worker_program: Sequence[str] | None = None
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._worker_program, self._instance = worker_program, new_id()
        self.endpoints: dict[str, str] = {}
        self._started_s = time.monotonic()
        self._poller = zmq.Poller()
        self._stop_requested = False
        self._wakeup_sender, self._wakeup_receiver = socketpair()
        for end in (self._wakeup_sender, self._wakeup_receiver):
            end.setblocking(False)
        self._stop_by_s: float | None = None
        self._replies = ReplySender()
        self._dropped_replies = RepeatedWarning(_log)
        self._faults = RepeatedWarning(_log, level=logging.ERROR)
        self._closers: list[Callable[[], object]] = [self._wakeup_sender.close, self._wakeup_receiver.close]

    def open(self) -> None:
        """Raises DaemonRunningError, StorageError, ConfigurationError; then nothing is left open."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for folder in (self._paths.state, self._paths.config):
            ensure_private_folder(folder)
        ensure_folder(self._paths.cache)
        self._take_lock()
        keys = ensure_keys(self._paths)
        self._authorized_keys = AuthorizedKeys(self._paths.clients_folder, owner_key=keys.owner.public)
        if not self._settings.listens_on_loopback and not self._authorized_keys.has_others:
            raise ConfigurationError(
                f"listening on {self._settings.listen} needs the keys of the clients that may connect; "
                f"make one with: {selva_command('daemon', 'invite', 'NAME')} (docs/how-to/another-machine.md)"
            )
        self._queue = JobQueue(
            self._paths.queue_file,
            max_queued_jobs=self._settings.max_queued_jobs,
            max_finished_jobs=self._settings.max_finished_jobs,
        )
        self._closers.append(self._queue.close)
        self._open_sockets(keys)
        self._start_work()
        self._publish_connection(keys)
        self._watch = WatchProcess(self._paths, is_wanted=bool(self._settings.watch_folders))
        self._closers.append(self._watch.close)
        _log.info("listening on %s, %s, %s", *self.endpoints.values())

    def _take_lock(self) -> None:
        """One daemon a state folder. Raises DaemonRunningError."""
        lock = FileLock(self._paths.lock_file)
        try:
            lock.acquire()
        except LockHeldError as exc:
            raise DaemonRunningError(
                f"{ALREADY_RUNNING}; see: {selva_command('daemon', 'status')}",
                path=str(self._paths.lock_file),
            ) from exc
        self._closers.append(lock.release)

    def _open_sockets(self, keys: DaemonKeys) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._closers.append(lambda: self._context.destroy(linger=200))
        self._authenticator = ZapAuthenticator(self._context, self._authorized_keys)
        self._closers.append(self._authenticator.close)
        self._inbox = open_inbox(self._context)
        self._open_listener = functools.partial(
            open_listener, self._context, keys=keys, address=self._settings.listen
        )
        ports = dict(zip((JOBS, CONTROL, EVENTS), self._settings.ports, strict=True))
        sockets = {
            name: self._open_listener(zmq.XPUB if name == EVENTS else zmq.ROUTER, port=port)
            for name, port in ports.items()
        }
        self._channels = {name: sockets[name][0] for name in (CONTROL, JOBS)}
        self.endpoints = {name: endpoint for name, (_, endpoint) in sockets.items()}
        self._events = EventPublisher(sockets[EVENTS][0], session=self._instance)

    def _publish_connection(self, keys: DaemonKeys) -> None:
        """Last of all: the file leads to a daemon that answers."""
        file = self._paths.own_connection_file
        Connection(
            protocol=PROTOCOL_VERSION,
            version=selva_core.__version__,
            instance=self._instance,
            pid=os.getpid(),
            jobs=self.endpoints[JOBS],
            control=self.endpoints[CONTROL],
            events=self.endpoints[EVENTS],
            server_key=keys.server.public,
            client=keys.owner,
        ).write(file)
        self._closers.append(lambda: remove_connection(file, instance=self._instance))

    def _start_work(self) -> None:
        self._dispatcher = Dispatcher(
            self._queue,
            self._events,
            scheduler=FairScheduler(interactive_in_a_row=self._settings.interactive_in_a_row),
            rates=StageRates(self._paths.state / "stage_rates.json"),
        )
        self._closers.append(self._dispatcher.close)
        self._dispatcher.recover()
        self._supervisors = {
            f"{index}": self._supervisor(device, index)
            for index, device in enumerate(self._settings.device.split(","))
        }
        self._dispatcher.workers = list(self._supervisors.values())
        self._closers.append(self._stop_workers)
        self._handlers = RequestHandlers(
            dispatcher=self._dispatcher,
            queue=self._queue,
            daemon_status=self._daemon_status,
            metrics=self._metrics_text,
            begin_shutdown=self.begin_shutdown,
            instance=self._instance,
            loads_in_advance=self._settings.prewarm,
        )
        self._request_counter = RequestCounter(self._handlers.request_types)
        if not self._dispatcher.is_device_released:
            for worker in self._dispatcher.workers:
                worker.start()

    def _supervisor(self, device: str, index: int) -> Supervisor:
        generations = iter(range(1, sys.maxsize))
        program = self._worker_program or worker_program(self._settings)
        command = [*program, *worker_arguments(self._paths, self._settings, device=device.strip())]

        def launch() -> WorkerProcess:
            return WorkerProcess(
                self._context,
                command,
                generation=f"{index}:{next(generations)}".encode("ascii"),
                folder=self._paths.state,
                output_file=self._paths.worker_output_file,
            )

        return Supervisor(launch, self._dispatcher, settings=self._settings)

    def run(self) -> None:
        """Serve until `begin_shutdown` was called and running jobs have ended or the drain time is over."""
        for socket in (self._inbox, self._events.socket, *self._channels.values(), self._wakeup_receiver):
            self._poller.register(socket, zmq.POLLIN)
        next_tick_s = time.monotonic()
        while not self._is_drained():
            next_s = min(next_tick_s, self._dispatcher.dispatch_at_s)
            if self._dispatcher.has_unpublished:
                next_s = 0.0
                self._guarded(self._dispatcher.publish_some)
            ready = dict(self._poller.poll(max(0, math.ceil((next_s - time.monotonic()) * 1000))))
            self._handle_ready(ready)
            if time.monotonic() >= self._dispatcher.dispatch_at_s:
                self._guarded(self._dispatcher.dispatch)
            if time.monotonic() >= next_tick_s:
                self._guarded(self._dispatcher.tick)
                self._guarded(self._reload_keys)
                if not self._stop_requested:
                    self._guarded(self._watch.tick)
                next_tick_s = time.monotonic() + TICK_S

    def _reload_keys(self) -> None:
        """Notice keys that came or went. Requests with a revoked key are refused one by one; a subscription is not seen again
        once it is made, so all subscribers must connect anew.
        """
        revoked = self._authorized_keys.reload()
        if revoked:
            _log.warning("access was revoked: %s", ", ".join(revoked))
        elif self._events.has_too_many_topics:
            _log.warning("too many subscriptions; all subscribers must connect anew")
        else:
            return
        port = int(self.endpoints[EVENTS].rpartition(":")[2])
        old = self._events.socket
        self._events.use(replace_listener(old, lambda: self._open_listener(zmq.XPUB, port=port)[0]))
        self._poller.unregister(old)
        self._poller.register(self._events.socket, zmq.POLLIN)
        old.close()

    def begin_shutdown(self) -> None:
        """Take no new jobs, let running ones end for a while, then stop. Safe in signal handlers and threads."""
        self._stop_requested = True
        with contextlib.suppress(OSError):
            self._wakeup_sender.send(b"!")  # the loop may be waiting in poll, which goes on after a signal

    def _begin_drain(self) -> None:
        self._stop_by_s = time.monotonic() + self._settings.drain_timeout_s
        self._dispatcher.draining = True
        self._dispatcher.publish_daemon()
        _log.info("draining")

    def close(self) -> None:
        """Give back what `open` took, newest first."""
        for closer in reversed(self._closers):
            self._guarded(closer)
        self._closers.clear()

    def _is_drained(self) -> bool:
        if self._stop_by_s is None:
            if self._stop_requested:
                self._guarded(self._begin_drain)
            return False
        return time.monotonic() >= self._stop_by_s or self._queue.counts()[RUNNING] == 0

    def _handle_ready(self, ready: dict[Any, int]) -> None:
        if self._wakeup_receiver.fileno() in ready:
            self._wakeup_receiver.recv(16)
        if self._inbox in ready:
            self._drain(self._inbox, self._on_worker_message)
        for channel, socket in self._channels.items():
            if socket in ready:
                self._drain(socket, functools.partial(self._on_request, channel, socket))
        if self._events.socket in ready:
            self._drain(self._events.socket, self._on_subscription)

    def _drain(self, socket: zmq.Socket[bytes], handle: Callable[[], None]) -> None:
        """Handle waiting messages, but not so many that other sockets starve."""
        for _ in range(MAX_MESSAGES_IN_A_ROW):
            if not socket.poll(0):
                return
            self._guarded(handle)

    def _on_worker_message(self) -> None:
        generation, packed = self._inbox.recv_multipart()
        self._supervisors[generation.decode("ascii").partition(":")[0]].on_message(generation, packed)

    def _on_subscription(self) -> None:
        topic = self._events.next_subscription()
        if topic is not None and topic.startswith(JOB_TOPIC) and topic != JOB_TOPIC:
            self._dispatcher.publish_state_of(topic.removeprefix(JOB_TOPIC))

    def _on_request(self, channel: str, socket: zmq.Socket[bytes]) -> None:
        route, *frames = socket.recv_multipart(copy=False)
        request_id = request_type = ""
        client: str | None = None
        try:
            if not frames:
                raise ProtocolError("a message is one frame; got none")
            envelope = parse([frame.bytes for frame in frames])
            request_id, request_type = envelope.request_id, envelope.type
            # First of all: a client that was revoked before it sent this request must not get an answer.
            if self._authorized_keys.has_changed:
                self._reload_keys()
            client = self._authorized_keys.name_of(str(frames[0].get("User-Id")))
            if client is None:
                raise DaemonRefusedError(
                    "the access of this key was taken away; ask for a new connection file"
                )
            reply, kind = (
                self._pack(self._handlers.handle(channel, envelope, client=client), request_id),
                "reply",
            )
        except SelvaError as exc:
            reply, kind = self._pack(to_wire(exc), request_id, kind="error"), "error"
        except Exception:  # one bad request must not stop the service
            _log.exception("a fault while answering a request")
            fault = InternalError(f"a fault in the daemon; details: {selva_command('daemon', 'logs')}")
            reply, kind = self._pack(to_wire(fault), request_id, kind="error"), "error"
        self._request_counter.count(channel, request_type, kind)
        if not self._replies.send(socket, route.bytes, reply, client=client or ""):
            self._dropped_replies.add("a reply was dropped: its client does not read")

    def _pack(self, body: object, request_id: str, *, kind: str = "reply") -> bytes:
        """Raises ProtocolError for a reply that is too large."""
        reply = Envelope(type=kind, request_id=request_id, session=self._instance, body=body)
        return pack(reply, max_bytes=MAX_REPLY_BYTES)

    def _guarded(self, step: Callable[[], object]) -> None:
        """One bad message must not stop the service: what goes wrong is logged, and the loop goes on."""
        try:
            step()
        except Exception as exc:
            self._faults.add("a fault in the server's loop", exc=exc)

    def _stop_workers(self) -> None:
        for worker in self._dispatcher.workers:
            worker.stop(STOP_WORKER_S)

    def _processes(self) -> list[ProcessStatus]:
        pid = os.getpid()
        server = ProcessStatus(role="server", pid=pid, state="running", memory_bytes=resident_bytes(pid))
        workers = (worker.process_status() for worker in self._dispatcher.workers)
        return [server, *workers, *self._watch.status()]

    def _metrics_text(self) -> str:
        return build_metrics(
            uptime_s=time.monotonic() - self._started_s,
            queue=self._queue.counts(),
            finished=self._dispatcher.finished_since_start,
            processes=self._processes(),
            requests=self._request_counter,
            refused_connections=self._authenticator.refused,
        )

    def _daemon_status(self) -> DaemonStatus:
        workers = self._dispatcher.workers
        models = tuple(model for worker in workers if (model := worker.loaded_model()) is not None)
        return DaemonStatus(
            version=selva_core.__version__,
            protocol=PROTOCOL_VERSION,
            instance=self._instance,
            uptime_s=time.monotonic() - self._started_s,
            endpoints=self.endpoints,
            processes=tuple(self._processes()),
            device=models[0].device_report if models else f"{self._settings.device} (no model loaded yet)",
            models=models,
            queue=self._queue.counts(),
            max_queued_jobs=self._settings.max_queued_jobs,
            paused=self._dispatcher.is_paused,
            yielded=self._dispatcher.is_device_released,
            draining=self._dispatcher.draining,
            keep_alive_s=self._settings.keep_alive_s,
            drain_timeout_s=self._settings.drain_timeout_s,
            state_folder=str(self._paths.state),
            cache_folder=str(self._paths.cache),
            log_file=str(self._paths.log_file),
        )

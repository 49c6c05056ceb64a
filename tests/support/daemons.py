"""Servers in a thread, and what tests of them share."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import zmq

from selva_core.base.paths import AppPaths
from selva_daemon.protocol.connection import Connection, process_is_alive
from selva_daemon.protocol.envelope import Envelope, new_id, pack, parse
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.keys import KeyPair
from selva_daemon.server.server import Server
from selva_daemon.settings import DaemonSettings

PATIENCE_S = 30.0

JobMaker = Callable[..., JobRequest]
StartServer = Callable[..., Server]
StartDaemon = Callable[[], int]


@contextmanager
def serving(
    paths: AppPaths, settings: DaemonSettings | None = None, *, worker_program: Sequence[str] | None = None
) -> Iterator[Server]:
    """A server in a thread of this process, with a real worker process; stopped at the end."""
    chosen = settings or DaemonSettings(drain_timeout_s=0.2)
    server = Server(paths, chosen, worker_program=worker_program)
    opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def serve() -> None:
        try:
            server.open()
        except BaseException as exc:
            opened.put(exc)
            return
        opened.put(None)
        server.run()
        server.close()

    thread = threading.Thread(target=serve, name="server")
    thread.start()
    refusal = opened.get(timeout=PATIENCE_S)
    if refusal is not None:
        thread.join(PATIENCE_S)
        raise refusal
    try:
        yield server
    finally:
        server.begin_shutdown()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def worker_with_libraries_in(folder: Path) -> Sequence[str]:
    """The real worker, which finds what is in `folder` before anything that is installed."""
    program = (
        f"import runpy, sys; sys.path.insert(0, {str(folder)!r}); "
        "runpy.run_module('selva_daemon.worker.worker', run_name='__main__')"
    )
    return sys.executable, "-c", program


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again; fails after PATIENCE_S."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"waited in vain for: {what}"
        time.sleep(0.01)


def kill_hard(pid: int) -> None:
    """As a crash would: no handler runs."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        return
    wait_until(lambda: not process_is_alive(pid), f"the end of process {pid}")


def end_process_tree(pid: int) -> None:
    """Kill a daemon and its worker, whatever their state."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return
    for process in family:
        kill_hard(process.pid)


@contextmanager
def raw_dealer(
    connection: Connection, *, channel: str = "jobs", keys: KeyPair | None
) -> Iterator[zmq.Socket[bytes]]:
    """A socket of our own making; `keys` None speaks no CURVE at all."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.sndtimeo = int(PATIENCE_S * 1000)
    if keys is not None:
        dealer.curve_serverkey = connection.server_key.encode()
        dealer.curve_publickey, dealer.curve_secretkey = keys.public.encode(), keys.secret.encode()
    dealer.connect(getattr(connection, channel))
    try:
        yield dealer
    finally:
        context.destroy(linger=0)


def hello(request_id: str | None = None, session: str = "s") -> bytes:
    """For a raw dealer: the message with which a client begins."""
    return pack(Envelope(type="hello", request_id=request_id or new_id(), session=session))


def answer(dealer: zmq.Socket[bytes], timeout_ms: int = 5_000) -> Envelope | None:
    """What a raw dealer receives; None when nothing comes."""
    return parse(dealer.recv_multipart()) if dealer.poll(timeout_ms) else None

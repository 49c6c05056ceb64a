"""The server process: binds to loopback, prints the link, and serves until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from selva_core.base.paths import AppPaths, ensure_private_folder, write_private_file
from selva_core.base.regular_file import read_bounded
from selva_panel.delivery.targets import PlaceTarget
from selva_panel.http.app import build_app
from selva_panel.http.security import AccessControl
from selva_panel.http.services import Services
from selva_panel.session.store import session_id_of
from selva_panel.timeline.cut import Cut

LOOPBACK = "127.0.0.1"
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024
MAX_CONNECTIONS = 200
SHUTDOWN_S = 3
OVER_POLL_S = 0.5
LINK_TIMEOUT_S = 5.0
_MAX_RUNNING_BYTES = 4096


def serve_panel(
    cut: Cut,
    *,
    paths: AppPaths,
    on_ready: Callable[[dict[str, Any]], None],
    hosts: Sequence[PlaceTarget] = (),
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Serve a cut until SIGINT or SIGTERM, or until `is_over()`. on_ready: called with url, port and session when the server
    listens. hosts: that stems can be placed in.

    Raises StorageError.
    """
    loop = new_event_loop()
    try:
        loop.run_until_complete(_serve(cut, paths, on_ready, hosts, is_over))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def new_event_loop(platform: str = sys.platform) -> asyncio.AbstractEventLoop:
    """On Windows the selector loop, which ZeroMQ needs; the server needs nothing that only the other has."""
    return asyncio.SelectorEventLoop() if platform == "win32" else asyncio.new_event_loop()


def find_running_link(cut_identity: str, paths: AppPaths) -> dict[str, Any] | None:
    """A new link of the panel that serves a cut already; None where none does."""
    session_id = session_id_of(cut_identity)
    try:
        values = json.loads(read_bounded(_running_file(paths, session_id), _MAX_RUNNING_BYTES))
        port, secret = int(values["port"]), str(values["secret"])
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=LINK_TIMEOUT_S)
        try:
            connection.request("POST", "/api/links", headers={"X-Selva-Owner": secret})
            reply = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return {"url": str(reply["url"]), "port": port, "session": session_id}
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None


def _running_file(paths: AppPaths, session_id: str) -> Path:
    """Where a running panel says how this user's other programs reach it; for its owner only."""
    return paths.state / "panel" / "running" / f"{session_id}.json"


@contextlib.contextmanager
def _announced(paths: AppPaths, session_id: str, access: AccessControl) -> Iterator[None]:
    file = _running_file(paths, session_id)
    ensure_private_folder(file.parent)
    write_private_file(file, json.dumps({"port": access.port, "secret": access.owner_secret}).encode())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


async def _serve(
    cut: Cut,
    paths: AppPaths,
    on_ready: Callable[[dict[str, Any]], None],
    hosts: Sequence[PlaceTarget],
    is_over: Callable[[], bool],
) -> None:
    session_id = session_id_of(cut.identity)
    with bound_socket() as listener, contextlib.ExitStack() as running:
        port = listener.getsockname()[1]
        services = Services.open(cut, paths=paths, session_id=session_id, port=port, hosts=hosts)
        access = services.access
        server = _Server(
            uvicorn.Config(
                build_app(services),
                ws="wsproto",
                ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
                limit_concurrency=MAX_CONNECTIONS,
                h11_max_incomplete_event_size=MAX_SOCKET_MESSAGE_BYTES,
                timeout_graceful_shutdown=SHUTDOWN_S,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                proxy_headers=False,
            ),
            on_started=lambda: on_ready({"url": access.new_link(), "port": port, "session": session_id}),
            on_stopping=services.session.hub.close,
        )
        try:
            services.start()
            running.enter_context(_announced(paths, session_id, access))
            watching = asyncio.create_task(_stop_when_over(server, is_over))
            await server.serve(sockets=[listener])
        finally:
            watching.cancel()
            await services.close()


async def _stop_when_over(server: uvicorn.Server, is_over: Callable[[], bool]) -> None:
    while not is_over():
        await asyncio.sleep(OVER_POLL_S)
    server.should_exit = True


class _Server(uvicorn.Server):
    """Says when it listens, and closes the pages' sockets before it waits for its connections to end."""

    def __init__(
        self, config: uvicorn.Config, *, on_started: Callable[[], None], on_stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_started, self._on_stopping = on_started, on_stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and go on after the server has stopped: uvicorn raises the signal once more, which would end the
        process before the session is saved.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = [name for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
        before = {
            getattr(signal, name): signal.signal(getattr(signal, name), self.handle_exit) for name in names
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stopping()
        await super().shutdown(sockets)


@contextlib.contextmanager
def bound_socket() -> Iterator[socket.socket]:
    """A socket on a free port of loopback. On Windows, where another program could otherwise share the port, it is ours alone."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        listener.bind((LOOPBACK, 0))
        yield listener
    finally:
        listener.close()

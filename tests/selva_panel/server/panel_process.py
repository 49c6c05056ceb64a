"""A panel in a process of its own, as the command starts it, and a client that speaks HTTP to it byte by byte."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonError

PATIENCE_S = 60.0
THERE_ALREADY = "⚠ lies there already, and is not placed twice"
"""As the page's table says it of a stem that was placed before."""


@dataclass(kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Panel:
    """A running panel. cookie: what a browser that opened the link sends."""

    port: int
    url: str
    process: subprocess.Popen[str] | None = None
    cookie: str = ""
    folder: Path = Path()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        raw: bytes | None = None,
    ) -> Reply:
        """As the panel's own page sends it; a header of None is left out."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        sent: dict[str, str | None] = {"Host": self.host, "Cookie": self.cookie}
        if method not in ("GET", "HEAD"):
            sent |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        sent |= headers or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if data is not None and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            response = connection.getresponse()
            return Reply(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str | None) -> Reply:
        return self.request(
            "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    def state(self) -> dict[str, Any]:
        reply = self.get("/api/state")
        assert reply.status == 200, reply.body
        state: dict[str, Any] = reply.json()
        return state

    def put_rows(self, *rows: Mapping[str, object]) -> None:
        body = {"revision": self.state()["revision"], "rows": list(rows)}
        reply = self.request("PUT", "/api/rows", body)
        assert reply.status == 200, reply.body

    def post(self, path: str, body: object = None) -> Any:
        """The JSON of a request that is accepted."""
        reply = self.request("POST", path, {} if body is None else body)
        assert reply.status == 200, reply.body
        return reply.json()

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The state, once it is as it should be."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not condition(state := self.state()):
            assert time.monotonic() < give_up_s, f"waited in vain for: {what}; jobs: {state['jobs']}"
            time.sleep(0.05)
        return state

    def open_link(self) -> None:
        """Follow the link once, as a browser does."""
        reply = self.get(self.url.partition(self.host)[2])
        assert reply.status == 303, reply.body
        self.cookie = reply.headers["set-cookie"].partition(";")[0]

    def upgrade(self, path: str = "/api/events", **changes: str | None) -> tuple[int, socket.socket]:
        """Ask for a socket; the status of the answer, 101 where it is one now."""
        sent: dict[str, str | None] = {
            "Host": self.host,
            "Origin": f"http://{self.host}",
            "Cookie": self.cookie,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
        sent |= changes
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value)]
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status_line = _read_head(connection).partition(b"\r\n")[0]
        return int(status_line.split()[1]), connection

    @contextmanager
    def events(self) -> Iterator[Iterator[dict[str, Any]]]:
        """What the server sends to a page."""
        status, connection = self.upgrade()
        assert status == 101
        try:
            yield _iter_messages(connection)
        finally:
            connection.close()


def _read_head(connection: socket.socket) -> bytes:
    """Byte by byte, so that nothing of what follows is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = connection.recv(count - len(content))
        if not piece:
            raise ConnectionError("the socket was closed")
        content += piece
    return content


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Opcode and payload of one frame that the server sends."""
    first, second = _read_exactly(connection, 2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(_read_exactly(connection, 2), "big")
    elif length == 127:
        length = int.from_bytes(_read_exactly(connection, 8), "big")
    return first & 0x0F, _read_exactly(connection, length)


def client_frame(payload: bytes, *, opcode: int = 1) -> bytes:
    """A masked frame, as browsers send it; the mask is zero."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 1 << 16:
        size = bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([0x80 | 127]) + length.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


def _iter_messages(connection: socket.socket) -> Iterator[dict[str, Any]]:
    while True:
        opcode, payload = read_frame(connection)
        if opcode == 1:
            yield json.loads(payload)
        elif opcode == 9:
            connection.sendall(client_frame(payload, opcode=10))
        elif opcode == 8:
            return


@contextmanager
def running_panel(*arguments: str | Path, folder: Path) -> Iterator[Panel]:
    """A panel that is open, with state, cache and settings below `folder`; ended as Ctrl-C ends it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SELVA_")}
    for name in ("STATE", "CACHE", "CONFIG"):
        environment[f"SELVA_{name}_DIR"] = str(folder / name.lower())
    paths = AppPaths.find(environment)
    process = subprocess.Popen(
        [sys.executable, "-m", "selva_cli", "panel", *map(str, arguments), "--no-browser", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the panel did not start: {process.communicate()[1]}")
        link = json.loads(line)
        panel = Panel(port=link["port"], url=link["url"], process=process, folder=folder)
        panel.open_link()
        yield panel
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        stop_daemon(paths)


def choose_echo(panel: Panel) -> str:
    """Have a click made of each flash, which takes no time; a new link of the panel."""
    assert panel.request("PUT", "/api/model", {"name": "selva-echo"}).status == 200
    url: str = panel.request("POST", "/api/links", {}).json()["url"]
    return url


def stop_daemon(paths: AppPaths) -> None:
    """End the daemon that a panel has started, and wait until it is gone."""
    with suppress(DaemonError), Client.connect(paths=paths) as client:
        server = psutil.Process(
            next(p.pid for p in client.status().processes if p.role == "server" and p.pid)
        )
        client.shutdown()
        give_up_s = time.monotonic() + PATIENCE_S
        # A daemon whose parent has ended is a zombie until the system's first process gets to it.
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < give_up_s, "the daemon does not end"
            time.sleep(0.05)

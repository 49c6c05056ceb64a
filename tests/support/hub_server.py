"""A server on loopback that answers as the Hugging Face hub and the storage behind it do, and fails on request."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Fault:
    """What goes wrong with one answer to a GET (or, with `on_head`, a HEAD).

    status, headers: instead of the file. after_bytes: the connection breaks there. page: this text with status 200. flip: the
    byte at this position of the file is another one. hold: the answer stops at `after_bytes` until the event is set.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int | None = None
    page: str | None = None
    flip: int | None = None
    hold: threading.Event | None = None
    on_head: bool = False


@dataclass
class Request:
    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class HubServer:
    """files: by repository and path. linked: whether content comes from a storage server by redirect, as large files do.
    renamed: new names of repositories by their old ones. storage_address: of another server that redirects lead to.
    """

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    linked: bool = True
    ignores_ranges: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    address: str = ""
    storage_address: str = ""

    def publish(self, repository: str, path: str, content: bytes) -> None:
        self.files[repository, path] = content

    def fail(self, path: str, *faults: Fault) -> None:
        self.faults.setdefault(path, []).extend(faults)

    def ranges(self) -> list[str]:
        """The ranges of content that were asked of a server that has it, in their order."""
        return [each.range for each in self.requests if each.range and not self._redirects(each.path)]

    def _redirects(self, path: str) -> bool:
        return self.linked and "/resolve/" in path

    def environment(self) -> dict[str, str]:
        """For a process that is to use this server, whatever proxies the machine has."""
        return {"HF_ENDPOINT": self.address, "NO_PROXY": "*", "no_proxy": "*"}

    def take_fault(self, path: str, *, is_head: bool) -> Fault | None:
        waiting = self.faults.get(path, [])
        for fault in waiting:
            if fault.on_head == is_head:
                waiting.remove(fault)
                return fault
        return None

    @contextmanager
    def running(self) -> Iterator[HubServer]:
        handler = type("Handler", (_Handler,), {"hub": self})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            for fault in (fault for faults in self.faults.values() for fault in faults):
                if fault.hold is not None:
                    fault.hold.set()
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.0"

    def do_HEAD(self) -> None:
        self._answer(is_head=True)

    def do_GET(self) -> None:
        self._answer(is_head=False)

    def _answer(self, *, is_head: bool) -> None:
        self.path = re.sub(r"^http://[^/]+", "", self.path)  # a proxy is asked for whole addresses
        request = Request(self.command, self.path, self.headers["Range"], self.headers["Authorization"])
        self.hub.requests.append(request)
        if match := re.fullmatch(r"/api/models/(.+)", self.path):
            names = [path for repository, path in self.hub.files if repository == match[1]]
            self._send(200, {}, json.dumps({"siblings": [{"rfilename": name} for name in names]}).encode())
            return
        if match := re.fullmatch(r"/storage/([^/]+/[^/]+)/(.+)", self.path):
            self._send_content(match[1], match[2], is_head=is_head)
            return
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/main/(.+)", self.path)
        assert match is not None, self.path
        self._resolve(match[1], match[2], is_head=is_head)

    def _resolve(self, repository: str, path: str, *, is_head: bool) -> None:
        if new := self.hub.renamed.get(repository):
            self._send(307, {"Location": f"/{new}/resolve/main/{path}"}, b"")
            return
        if is_head and (fault := self.hub.take_fault(path, is_head=True)) and self._fail_whole(fault):
            return
        content = self.hub.files.get((repository, path))
        if content is None:
            known = any(name == repository for name, _ in self.hub.files)
            reason, status = ("EntryNotFound", 404) if known else ("RepoNotFound", 401)
            self._send(status, {"X-Error-Code": reason}, b"")
        elif self.hub.linked:
            headers = {
                "Location": f"{self.hub.storage_address}/storage/{repository}/{path}",
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
                "X-Repo-Commit": COMMIT,
            }
            self._send(302, headers, b"")
        else:
            self._send_content(repository, path, is_head=is_head)

    def _send_content(self, repository: str, path: str, *, is_head: bool) -> None:
        content = self.hub.files[repository, path]
        fault = None if is_head else self.hub.take_fault(path, is_head=False)
        if fault is not None and self._fail_whole(fault):
            return
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        start, end, status = 0, len(content), 200
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if_range = self.headers["If-Range"]
        if match and not self.hub.ignores_ranges and if_range in (None, etag):
            start, end, status = int(match[1]), min(int(match[2]) + 1, len(content)), 206
            if start >= len(content):
                self._send(416, {}, b"")
                return
        if fault is not None and fault.flip is not None:
            changed = bytearray(content)
            changed[fault.flip] ^= 0xFF
            content = bytes(changed)
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(end - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        if not is_head:
            self._send_body(content[start:end], fault)

    def _send_body(self, body: bytes, fault: Fault | None) -> None:
        first = body if fault is None or fault.after_bytes is None else body[: fault.after_bytes]
        try:
            self.wfile.write(first)
            self.wfile.flush()
            if fault is not None and fault.hold is not None:
                fault.hold.wait(60)
        except OSError:  # the client has gone
            pass

    def _fail_whole(self, fault: Fault) -> bool:
        """Whether the answer is something other than the file."""
        if fault.page is not None:
            self._send(200, {"Content-Type": "text/html", **fault.headers}, fault.page.encode())
        elif fault.status is not None:
            self._send(fault.status, fault.headers, b"")
        else:
            return False
        return True

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass

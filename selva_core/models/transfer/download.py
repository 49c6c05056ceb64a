"""Copy what is wanted of a remote file into a partial file, range by range, and go on after every interruption."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from selva_core.base.errors import DownloadError
from selva_core.models.tensors.excerpt import CopiedSpan, CopyPlan
from selva_core.models.transfer.http_client import ConnectionTroubleError, Response
from selva_core.models.transfer.hub import BusyServerError, Hub, RemoteFile, check_status
from selva_core.models.transfer.partial_file import PartialFile

_CHUNK_BYTES = 1 << 18
_MAX_GAP_BYTES = 1 << 20
"""Wanted ranges with less between them are one request: a request takes as long as a megabyte or more."""
_MAX_FAILURES = 5
_FIRST_WAIT_S = 1.0
_MAX_WAIT_S = 300.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class ChangedOnHubError(Exception):
    """The file on the hub is another than the one that was begun."""


@dataclass(kw_only=True)
class Transfer:
    """A transfer from one hub: counts what it fetches, and waits after failures.

    on_fetched: called with the bytes that reached the disk since the last call. on_wait: called with a reason and seconds
    before a pause. num_fetched_bytes: all that came over the network, also what was passed over.
    """

    hub: Hub
    on_fetched: Callable[[int], None] = lambda _: None
    on_wait: Callable[[str, float], None] = lambda _reason, _seconds: None
    sleep: Callable[[float], None] = time.sleep
    num_fetched_bytes: int = field(default=0, init=False)

    def patiently(self, attempt: Callable[[], bool], *, name: str) -> None:
        """Call `attempt` until it returns, waiting after failures that may pass; one that made progress (the call counts
        bytes) starts the count again. Raises DownloadError after too many.
        """
        failures = 0
        while True:
            before = self.num_fetched_bytes
            try:
                if attempt():
                    return
                failures = 0
                continue
            except (BusyServerError, ConnectionTroubleError) as exc:
                trouble: BusyServerError | ConnectionTroubleError = exc
            failures = 1 if self.num_fetched_bytes > before else failures + 1
            asked_s = trouble.retry_after_s if isinstance(trouble, BusyServerError) else None
            wait_s = _FIRST_WAIT_S * 2 ** (failures - 1) if asked_s is None else asked_s
            if failures > _MAX_FAILURES or wait_s > _MAX_WAIT_S:
                raise _give_up(name, trouble, wait_s if asked_s is not None else None) from trouble
            self.on_wait(str(trouble), wait_s)
            self.sleep(wait_s)

    def look_up(self, repository: str, paths: tuple[str, ...]) -> RemoteFile:
        """`Hub.look_up`, patiently. Raises DownloadError."""
        found: list[RemoteFile] = []

        def attempt() -> bool:
            found.append(self.hub.look_up(repository, paths))
            return True

        self.patiently(attempt, name=f"{paths[0]} of {repository}")
        return found[0]

    def copy(self, remote: RemoteFile, plan: CopyPlan, partial: PartialFile) -> None:
        """Fetch what `partial` lacks. Raises DownloadError, OutputError, ChangedOnHubError."""

        def attempt() -> bool:
            if partial.position < plan.size_bytes:
                self._copy_group(remote, plan, partial)
            return partial.position >= plan.size_bytes

        self.patiently(attempt, name=remote.name)

    def _copy_group(self, remote: RemoteFile, plan: CopyPlan, partial: PartialFile) -> None:
        left = [span for span in plan.spans if span.target_end > partial.position]
        group = list(_first_group(left))
        start = left[0].source_start + max(0, partial.position - left[0].target_start)
        with self.open_range(remote, start, group[-1].source_end) as (response, body_start):
            at = body_start
            for span in left:
                from_here = span.source_start + max(0, partial.position - span.target_start)
                if response.status == HTTPStatus.PARTIAL_CONTENT and from_here >= group[-1].source_end:
                    return
                self._skip(response, from_here - at)
                at = span.source_end
                for chunk in self._iter_body(response, span.source_end - from_here):
                    partial.write(chunk)
                    self.on_fetched(len(chunk))

    def open_range(self, remote: RemoteFile, start: int, end: int) -> _OpenRange:
        """The bytes from `start` up to `end`; where the server ignores ranges, the whole file from its first byte on."""
        return _OpenRange(self.hub, remote, start, end)

    def read_at(self, remote: RemoteFile, offset: int, num_bytes: int) -> bytes:
        """A small range, patiently. Raises DownloadError, ChangedOnHubError."""
        content = b""

        def attempt() -> bool:
            nonlocal content
            with self.open_range(remote, offset, offset + num_bytes) as (response, at):
                if response.status != HTTPStatus.PARTIAL_CONTENT and num_bytes < remote.size_bytes:
                    raise RangesIgnoredError
                self._skip(response, offset - at)
                content = b"".join(self._iter_body(response, num_bytes))
            return True

        self.patiently(attempt, name=remote.name)
        return content

    def _iter_body(self, response: Response, num_bytes: int) -> Iterator[bytes]:
        while num_bytes > 0:
            chunk = response.read(min(_CHUNK_BYTES, num_bytes))
            if not chunk:
                raise ConnectionTroubleError("the connection broke before the end")
            self.num_fetched_bytes += len(chunk)
            num_bytes -= len(chunk)
            yield chunk

    def _skip(self, response: Response, num_bytes: int) -> None:
        for _ in self._iter_body(response, num_bytes):
            pass


class RangesIgnoredError(Exception):
    """The server sends whole files only, so that the directory of one cannot be read before it."""


class _OpenRange:
    """Opens a range and checks that the answer is a part of the right file."""

    def __init__(self, hub: Hub, remote: RemoteFile, start: int, end: int) -> None:
        headers = {"Range": f"bytes={start}-{end - 1}"}
        if remote.etag and not remote.is_linked:
            # Storage servers behind the hub have ETags of their own; those of linked files are compared below instead.
            headers["If-Range"] = f'"{remote.etag}"'
        self._remote, self._start = remote, start
        self._opening = hub.client.open(remote.url, headers=headers)

    def __enter__(self) -> tuple[Response, int]:
        response = self._opening.__enter__()
        try:
            return response, self._check(response)
        except BaseException as exc:
            self._opening.__exit__(type(exc), exc, exc.__traceback__)
            raise

    def __exit__(self, *details: object) -> None:
        self._opening.__exit__(None, None, None)

    def _check(self, response: Response) -> int:
        """Where the body begins in the file."""
        remote = self._remote
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ChangedOnHubError
        check_status(response, repository=remote.repository, path=remote.path)
        etag = response.header("X-Linked-Etag") if remote.is_linked else response.headers.get("ETag")
        if etag is not None and etag.strip().removeprefix("W/").strip('"') != remote.etag:
            raise ChangedOnHubError
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(str(response.headers.get("Content-Range") or "").strip())
            if match is None or int(match[1]) != self._start:
                raise ConnectionTroubleError("the server sent another range than the one requested")
            if match[3] != "*" and int(match[3]) != remote.size_bytes:
                raise ChangedOnHubError
            return self._start
        length = response.headers.get("Content-Length")
        if str(response.headers.get("Content-Type") or "").startswith("text/html") or (
            length is not None and length.isdecimal() and int(length) != remote.size_bytes
        ):
            raise DownloadError(
                f"{remote.name} was answered with something else ({length or 'unknown'} bytes instead of {remote.size_bytes}): "
                "a login page of this network or a proxy's refusal; open the hub in a browser on this machine",
                repository=remote.repository,
                path=remote.path,
            )
        return 0


def _first_group(spans: list[CopiedSpan]) -> Iterator[CopiedSpan]:
    """The spans from the first on that one request fetches."""
    end = spans[0].source_start
    for span in spans:
        if span.source_start - end > _MAX_GAP_BYTES:
            return
        end = span.source_end
        yield span


def _give_up(name: str, trouble: Exception, asked_s: float | None) -> DownloadError:
    if asked_s is not None:
        advice = f"it asks to wait {asked_s:.0f} s; run the command again after that"
    else:
        advice = "check the network and the proxy, and run the command again"
    return DownloadError(
        f"{name} could not be fetched: {trouble}. What was fetched is kept; {advice}", retry_after_s=asked_s
    )

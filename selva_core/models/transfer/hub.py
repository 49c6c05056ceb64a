"""Files on the Hugging Face hub or a mirror of it: where they are, how large, and why one cannot be had.

Honours HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_TOKEN_PATH and HF_HOME as the hub's own client does.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path

from selva_core.base.command_line import selva_command
from selva_core.base.errors import DownloadError
from selva_core.models.transfer.http_client import (
    MAX_PAGE_BYTES,
    ConnectionTroubleError,
    HttpClient,
    Response,
)

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = ("1", "true", "yes", "on")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUM_SUGGESTIONS = 3


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file as it lies on the hub now.

    etag: identifies its content. sha256: hex, where the hub states it (it does for large files). is_linked: whether the
    content comes from another server than the one that states the ETag.
    """

    repository: str
    path: str
    url: str
    size_bytes: int
    etag: str
    commit: str
    sha256: str | None
    is_linked: bool

    @property
    def name(self) -> str:
        return f"{self.path} of {self.repository}"


class BusyServerError(Exception):
    """The server asks for patience (429) or has a fault of its own (5xx). retry_after_s: as it asked."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MissingOnHubError(DownloadError):
    """The hub has no file of that name (404)."""


class Hub:
    """Looks files up; raises DownloadError with what to do where one cannot be had."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        values = os.environ if environment is None else environment
        self._is_offline = values.get("HF_HUB_OFFLINE", "").strip().lower() in _TRUE
        self.endpoint = (values.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        self.client = HttpClient(token=_find_token(values), token_host=_find_token_host(self.endpoint))

    def require_online(self) -> None:
        """Raises DownloadError where HF_HUB_OFFLINE forbids the network."""
        if self._is_offline:
            raise DownloadError(
                "HF_HUB_OFFLINE is set, so nothing is fetched; unset it, or add files that were fetched elsewhere: "
                f"{selva_command('models', 'import', 'FOLDER')}",
                offline=True,
            )

    def url(self, repository: str, path: str) -> str:
        return f"{self.endpoint}/{repository}/resolve/main/{urllib.parse.quote(path)}"

    def look_up(self, repository: str, paths: Sequence[str]) -> RemoteFile:
        """The first of the paths that the repository has: authors publish one file under several names.

        Raises DownloadError, BusyServerError, ConnectionTroubleError.
        """
        for path in paths:
            try:
                return self._look_up_one(repository, path)
            except MissingOnHubError:
                continue
        raise self._explain_missing(repository, paths)

    def _look_up_one(self, repository: str, path: str) -> RemoteFile:
        url = self.url(repository, path)
        # The redirect to the storage server says all; its signed address often takes GET alone.
        with self.client.open(url, method="HEAD", is_enough=_names_linked_file) as response:
            linked = response.header("X-Linked-Etag")
            if not _names_linked_file(response.headers):
                check_status(response, repository=repository, path=path)
            etag = (linked or response.header("ETag") or "").strip().removeprefix("W/").strip('"')
            size = response.header("X-Linked-Size") or response.headers.get("Content-Length")
            content_type = str(response.headers.get("Content-Type") or "")
            if size is None or not size.isdecimal() or content_type.startswith("text/html"):
                raise DownloadError(
                    f"{_host(self.endpoint)} answers with a page of text instead of {path} of {repository}: a login page of this "
                    "network or a proxy's refusal; open it in a browser on this machine, and check HF_ENDPOINT",
                    repository=repository,
                    path=path,
                )
            return RemoteFile(
                repository=repository,
                path=path,
                url=url,
                size_bytes=int(size),
                etag=etag,
                commit=response.header("X-Repo-Commit") or "",
                sha256=etag if linked and _SHA256.fullmatch(etag) else None,
                is_linked=linked is not None,
            )

    def _explain_missing(self, repository: str, paths: Sequence[str]) -> DownloadError:
        present = self._list_files(repository)
        similar = [
            name
            for path in paths
            for name in difflib.get_close_matches(path, present, n=_NUM_SUGGESTIONS, cutoff=0.6)
        ]
        names = list(dict.fromkeys(similar))[:_NUM_SUGGESTIONS]
        hint = f"; similar files there: {', '.join(names)}" if names else ""
        advice = "update Selva Bridge, or fetch the file by hand and add it with: " + selva_command(
            "models", "import", "FOLDER"
        )
        return DownloadError(
            f"{repository} no longer has {' or '.join(paths)}: it was renamed or removed{hint}. To go on, {advice}",
            repository=repository,
            path=paths[0],
            status=int(HTTPStatus.NOT_FOUND),
            similar=names,
        )

    def _list_files(self, repository: str) -> list[str]:
        """The repository's files; none where the list cannot be had, which only shortens a message."""
        try:
            with self.client.open(f"{self.endpoint}/api/models/{repository}") as response:
                if response.status != HTTPStatus.OK:
                    return []
                page = json.loads(response.read(MAX_PAGE_BYTES))
            return [str(row["rfilename"]) for row in page["siblings"]]
        except (ConnectionTroubleError, DownloadError, ValueError, KeyError, TypeError):
            return []


def _names_linked_file(headers: Message) -> bool:
    return "X-Linked-Etag" in headers and "X-Linked-Size" in headers


def check_status(response: Response, *, repository: str, path: str) -> None:
    """Raises what a status that is no success means: MissingOnHubError, BusyServerError, or DownloadError with the remedy."""
    status = response.status
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    where = f"{path} of {repository}"
    reason = response.header("X-Error-Code") or ""
    if status == HTTPStatus.NOT_FOUND and reason != "RepoNotFound":
        raise MissingOnHubError(f"there is no {where}", repository=repository, path=path, status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        what = (
            "has too many requests" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "has a fault of its own"
        )
        raise BusyServerError(
            f"{_host(response.url)} {what} (status {status})",
            retry_after_s=_parse_retry_after(response.headers.get("Retry-After")),
        )
    raise DownloadError(
        f"{where} cannot be fetched: {_explain_refusal(status, reason, repository, response)} (status {status})",
        repository=repository,
        path=path,
        status=status,
    )


def _explain_refusal(status: int, reason: str, repository: str, response: Response) -> str:
    page = f"{DEFAULT_ENDPOINT}/{repository}"
    if reason == "GatedRepo":
        return f"its authors want their conditions accepted first, on {page}; then set HF_TOKEN to a token of that account"
    if reason == "RepoNotFound" or status == HTTPStatus.NOT_FOUND:
        return f"the hub has no {repository}, or not for this token; look at {page} and update Selva Bridge if it has moved"
    if status == HTTPStatus.UNAUTHORIZED:
        return "the token in HF_TOKEN is not valid, or the repository is private; unset HF_TOKEN or make a new token"
    if status == HTTPStatus.FORBIDDEN:
        return f"{_host(response.url)} refuses it; try without HF_TOKEN, without a proxy or VPN, or with a mirror in HF_ENDPOINT"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "the proxy wants a name and password; write them into HTTPS_PROXY"
    return f"{_host(response.url)} answers {_reason_phrase(status)}"


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "with an unknown status"


def _parse_retry_after(value: str | None) -> float | None:
    """Seconds; a date is left out, as the hub writes none."""
    return float(value) if value is not None and value.strip().isdecimal() else None


def _find_token(values: Mapping[str, str]) -> str | None:
    token = values.get("HF_TOKEN")
    if token:
        return token.strip()
    home = values.get("HF_HOME") or str(Path.home() / ".cache" / "huggingface")
    file = Path(values.get("HF_TOKEN_PATH") or Path(home) / "token").expanduser()
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _find_token_host(endpoint: str) -> str | None:
    """None for what is no address, which the client refuses when something is fetched from it."""
    try:
        return urllib.parse.urlsplit(endpoint).netloc
    except ValueError:
        return None


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]

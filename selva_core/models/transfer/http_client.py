"""HTTP requests over the standard library, with redirects followed by hand.

The hub answers with a redirect to a storage server: its own headers (size, hash and commit of the file) are on the redirect,
and its token must not travel along.
"""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any

from selva_core.base.errors import DownloadError

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 10
_TIMEOUT_S = 30.0
MAX_PAGE_BYTES = 4 * 1024 * 1024
"""Of answers that are read whole, such as a list of files."""


class ConnectionTroubleError(Exception):
    """The connection failed in a way that may pass. `str` says how."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer, success or not. hops: the headers of the redirects that led to it, first to last."""

    status: int
    headers: Message
    url: str
    stream: IO[bytes]
    hops: tuple[Message, ...]

    def header(self, name: str) -> str | None:
        """The header's value on the first hop that has it: a storage server says less, and of other things."""
        for headers in (*self.hops, self.headers):
            value = headers.get(name)
            if value is not None:
                return str(value)
        return None

    def read(self, num_bytes: int) -> bytes:
        """The next bytes of the body; none at its end. Raises ConnectionTroubleError."""
        try:
            return self.stream.read(num_bytes)
        except (OSError, http.client.HTTPException) as exc:
            raise ConnectionTroubleError(f"the connection broke ({_describe(exc)})") from exc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


class HttpClient:
    """Opens URLs through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or those of the system (Windows, macOS).

    token: sent to hosts of `token_host` alone. timeout_s: without a byte.
    """

    def __init__(
        self, *, token: str | None = None, token_host: str | None = None, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._token = token
        self._token_host = token_host
        self._timeout_s = timeout_s
        self._opener: urllib.request.OpenerDirector | None = None

    @contextmanager
    def open(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        is_enough: Callable[[Message], bool] = lambda _: False,
    ) -> Iterator[Response]:
        """The answer to a request, whatever its status; closed at the end.

        is_enough: says of a redirect's headers whether it is answer enough and need not be followed.

        Raises ConnectionTroubleError where there is no answer, DownloadError where trying again cannot help.
        """
        response = self._follow(url, method=method, headers=headers or {}, is_enough=is_enough)
        try:
            yield response
        finally:
            response.stream.close()

    def _follow(
        self, url: str, *, method: str, headers: Mapping[str, str], is_enough: Callable[[Message], bool]
    ) -> Response:
        hops: list[Message] = []
        for _ in range(_MAX_REDIRECTS):
            status, answer_headers, stream = self._request(url, method=method, headers=headers)
            location = answer_headers.get("Location")
            if status not in _REDIRECTS or not location or is_enough(answer_headers):
                return Response(
                    status=status, headers=answer_headers, url=url, stream=stream, hops=tuple(hops)
                )
            stream.close()
            hops.append(answer_headers)
            target = urllib.parse.urljoin(url, location)
            _check_scheme(url, target)
            url = target
        raise DownloadError(
            f"{_host(url)} redirects in a circle; check the proxy and HF_ENDPOINT", url=_host(url)
        )

    def _request(
        self, url: str, *, method: str, headers: Mapping[str, str]
    ) -> tuple[int, Message, IO[bytes]]:
        _check_address(url)
        # Identity: a server that compresses would make ranges and sizes those of the compressed file.
        request = urllib.request.Request(  # noqa: S310 - _check_scheme lets http and https alone pass
            url,
            method=method,
            headers={
                "User-Agent": "selva-bridge",
                "Accept-Encoding": "identity",
                **headers,
            },
        )
        if self._token and _host(url) == self._token_host:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            answer = self._open_with_proxies(request)
        except urllib.error.HTTPError as exc:
            return exc.code, exc.headers, exc
        except DownloadError:  # an OSError too
            raise
        except urllib.error.URLError as exc:
            raise _explain_no_answer(url, exc.reason) from exc
        except (ValueError, http.client.InvalidURL) as exc:  # of a proxy; UnicodeError of a host is one too
            raise DownloadError(
                f"{_host(url)} or the proxy for it is no valid address ({exc}); "
                "put HF_ENDPOINT, HTTP_PROXY and HTTPS_PROXY right, or unset them",
                url=url,
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise _explain_no_answer(url, exc) from exc
        return answer.status, answer.headers, answer

    def _open_with_proxies(self, request: urllib.request.Request) -> Any:
        if self._opener is None:
            _check_proxies(urllib.request.getproxies())
            self._opener = urllib.request.build_opener(
                _NoRedirects, urllib.request.HTTPSHandler(context=_build_tls_context())
            )
        return self._opener.open(request, timeout=self._timeout_s)


def _build_tls_context() -> ssl.SSLContext:
    """The system's certificates, or those of SSL_CERT_FILE; certifi's where Python finds none (python.org's on macOS)."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and "SSL_CERT_FILE" not in os.environ:
        import certifi  # noqa: PLC0415 - for these systems only

        context.load_verify_locations(certifi.where())
    return context


def _check_scheme(url: str, target: str) -> None:
    before, after = urllib.parse.urlsplit(url).scheme, urllib.parse.urlsplit(target).scheme
    if after not in ("http", "https") or (before == "https" and after == "http"):
        raise DownloadError(
            f"{_host(url) or 'the address of the hub'} leads to {after or 'no'} scheme, and only https is followed from https; "
            "check HF_ENDPOINT",
            url=target,
        )


def _check_address(url: str) -> None:
    """urllib answers an address without a scheme, a host or a valid port with ValueErrors of its own."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise DownloadError(
            f"{url} is no address of a hub; HF_ENDPOINT reads like https://huggingface.co: put it right, or unset it",
            url=url,
        )


def _check_proxies(proxies: Mapping[str, str]) -> None:
    for scheme in ("http", "https"):
        if urllib.parse.urlsplit(proxies.get(scheme, "")).scheme.startswith("socks"):
            raise DownloadError(
                f"{scheme.upper()}_PROXY names a SOCKS proxy, and only HTTP proxies are supported; fetch the files with another "
                "program and add them with: selva models import FOLDER",
                proxy=urllib.parse.urlsplit(proxies[scheme]).hostname or "",
            )


def _explain_no_answer(url: str, reason: object) -> Exception:
    host = _host(url)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"the certificate of {host} is not trusted ({reason.verify_message}). Where a proxy inspects connections, set "
            "SSL_CERT_FILE to a file with its certificate",
            host=host,
        )
    return ConnectionTroubleError(f"{host} does not answer ({_describe(reason)})")


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]


def _describe(reason: object) -> str:
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(text).splitlines()[0]

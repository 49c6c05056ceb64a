"""Who may talk to the panel: the browser that opened the link, from the panel's own pages, and nobody else on this machine.

The link has a token that works once and becomes a cookie. A page of another site cannot send that cookie (SameSite), cannot
pretend to be ours (Origin), and cannot reach us under a name of its own (Host: DNS rebinding).
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from selva_panel.errors import AccessRefusedError, BodyTooLargeError, PanelError

MAX_BODY_BYTES = 1 << 20
_MAX_DISCARDED_BYTES = 8 * MAX_BODY_BYTES
MAX_TOKENS = 16
TOKEN_LIVES_S = 600.0
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_SAFE_METHODS = ("GET", "HEAD")
_POLICY_VIOLATION = 1008
_OPEN_PATH = "/open"


class AccessControl:
    """The tokens and the cookie of one panel. owner_secret: of the user's own programs, from a file only they can read."""

    def __init__(self, port: int) -> None:
        self.owner_secret = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._tokens: dict[str, float] = {}
        # Browsers send a cookie to every port of a host: two panels must not overwrite each other's.
        self.cookie_name = f"selva_panel_{port}"
        self.hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.port = port

    def new_link(self) -> str:
        """A link that opens the panel once."""
        if len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + TOKEN_LIVES_S
        return f"http://127.0.0.1:{self.port}{_OPEN_PATH}?token={token}"

    def take_token(self, token: str) -> bool:
        """Whether the token is one of ours and was not used; it is used then."""
        known = next(
            (each for each in self._tokens if hmac.compare_digest(each.encode(), token.encode())), None
        )
        return known is not None and self._tokens.pop(known) >= time.monotonic()

    def cookie_header(self) -> str:
        return f"{self.cookie_name}={self._cookie}; HttpOnly; SameSite=Strict; Path=/"

    def is_cookie(self, header: str) -> bool:
        # Not with http.cookies, which reads no cookie at all where another program's is malformed.
        pairs = (pair.strip().partition("=") for pair in header.split(";"))
        sent = [value for name, _, value in pairs if name == self.cookie_name]
        return len(sent) == 1 and hmac.compare_digest(sent[0].encode(), self._cookie.encode())

    def is_owner(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self.owner_secret.encode())


class SecurityMiddleware:
    """Refuses before any route sees the request, and puts the headers on every response."""

    def __init__(self, app: ASGIApp, access: AccessControl) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except PanelError as error:
            await _refuse(scope, receive, send, error)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), _with_headers(send))

    def _check(self, scope: Scope) -> None:
        """Raises AccessRefusedError, BodyTooLargeError."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0] not in self._access.hosts:
            raise AccessRefusedError(
                "the panel is reached at 127.0.0.1 only; open the link that selva panel printed"
            )
        is_read = scope["type"] == "http" and scope["method"] in _SAFE_METHODS
        is_owner = self._is_owner(scope)
        if not is_owner:
            self._check_origin(scope, hosts[0], must_be_sent=not is_read)
        if scope["type"] == "http":
            _check_length(scope)
            if is_read and scope["path"] == _OPEN_PATH:
                return
        if not is_owner and not any(self._access.is_cookie(value) for value in _values(scope, b"cookie")):
            raise AccessRefusedError(
                "this browser has not opened the panel, or the panel was started again; open the link that selva panel printed"
            )

    def _check_origin(self, scope: Scope, host: str, *, must_be_sent: bool) -> None:
        origins = _values(scope, b"origin")
        allowed = [f"http://{host}"]
        if (origins and origins != allowed) or (must_be_sent and not origins):
            raise AccessRefusedError("the request comes from another page than the panel's own")
        sites = _values(scope, b"sec-fetch-site")
        # A page on another port of this machine counts as the same site, and has the cookie sent.
        if any(site not in ("same-origin", "none") for site in sites) and scope["path"] != _OPEN_PATH:
            raise AccessRefusedError("the request comes from another page than the panel's own")

    def _is_owner(self, scope: Scope) -> bool:
        """A program of the user, which has read the secret from the owner's file; it may ask for a new link."""
        secrets_sent = _values(scope, b"x-selva-owner")
        return (
            scope["type"] == "http"
            and scope["path"] == "/api/links"
            and len(secrets_sent) == 1
            and self._access.is_owner(secrets_sent[0])
        )


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _check_length(scope: Scope) -> None:
    for value in _values(scope, b"content-length"):
        if not value.isdigit() or int(value) > MAX_BODY_BYTES:
            raise _too_large()


def _too_large() -> BodyTooLargeError:
    return BodyTooLargeError(f"a body has at most {MAX_BODY_BYTES} bytes")


def _bounded(receive: Receive) -> Receive:
    """Counts what a body without a stated length really has."""
    num_bytes = 0

    async def bounded() -> Message:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent = {key.lower() for key, _ in message["headers"]}
            added = [*_HEADERS, *(() if b"cache-control" in sent else ((b"cache-control", b"no-cache"),))]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return with_headers


async def _refuse(scope: Scope, receive: Receive, send: Send, error: PanelError) -> None:
    if scope["type"] == "websocket":
        await receive()  # the connection's first message; the handshake is then answered with 403
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    if isinstance(error, BodyTooLargeError):
        await _discard_body(receive)
    is_page = scope["path"] in ("/", _OPEN_PATH)
    body = f"{error.message}\n".encode() if is_page else error_body(error)
    kind = b"text/plain; charset=utf-8" if is_page else b"application/json"
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    wrapped = _with_headers(send)
    await wrapped({"type": "http.response.start", "status": error.http_status, "headers": list(headers)})
    await wrapped({"type": "http.response.body", "body": body})


async def _discard_body(receive: Receive) -> None:
    """Read what is on its way: closed in the middle of it, a connection loses the answer too."""
    num_bytes = 0
    while num_bytes < _MAX_DISCARDED_BYTES:
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def error_body(error: PanelError) -> bytes:
    return json.dumps(
        {"error": {"code": error.code, "message": error.message, "remedy": error.remedy}}
    ).encode()

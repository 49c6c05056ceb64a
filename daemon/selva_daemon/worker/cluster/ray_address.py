"""Whether what answers at an address is a Ray cluster that takes this daemon, found before Ray connects.

Ray itself tries for 20 to 30 s, says "failed to connect" of a wrong token and of a wrong port alike, and may end the process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc

CLIENT_SCHEME = "ray://"
ANSWER_S = 5.0
_HEAD_METHOD = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_CLIENT_METHOD = "/ray.rpc.RayletDriver/ClusterInfo"
"""One call of each service, the same in all releases of Ray 2; what they answer is not read."""
_TLS_FILES = ("RAY_TLS_CA_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_SERVER_CERT")
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, kw_only=True)
class RayToken:
    """What Ray sends where `RAY_AUTH_MODE` is `token`. source: for messages."""

    value: str
    source: str


def check_address(
    executor: str, environment: Mapping[str, str] = os.environ, *, answer_s: float = ANSWER_S
) -> bool:
    """Whether the cluster takes programs only from those who know its token.

    executor: HEAD:PORT or ray://HEAD:PORT. environment: what Ray is going to read. answer_s: how long an answer may take.
    Raises ConnectionError with a sentence where nothing answers, or no Ray, or Ray's other service, or where the token is not
    the cluster's.
    """
    is_client = executor.startswith(CLIENT_SCHEME)
    address = executor.removeprefix(CLIENT_SCHEME)
    own, other = (_CLIENT_METHOD, _HEAD_METHOD) if is_client else (_HEAD_METHOD, _CLIENT_METHOD)
    call = partial(_call, address, credentials=_load_credentials(environment), answer_s=answer_s)
    code, details = call(own)
    if code in _NO_ANSWER:
        raise ConnectionError(_describe_silence(address, details, is_client=is_client))
    if code == grpc.StatusCode.UNIMPLEMENTED:
        is_ray = call(other)[0] not in (grpc.StatusCode.UNIMPLEMENTED, *_NO_ANSWER)
        raise ConnectionError(_describe_other_service(address, is_ray=is_ray, is_client=is_client))
    if code != grpc.StatusCode.UNAUTHENTICATED:
        return False
    token = _find_wanted_token(address, environment)
    if call(own, token.value)[0] == grpc.StatusCode.UNAUTHENTICATED:
        raise ConnectionError(
            f"the Ray cluster at {address} has another token than the one in {token.source}; copy that of its head "
            "(its ~/.ray/auth_token, or its RAY_AUTH_TOKEN)"
        )
    return True


def _find_wanted_token(address: str, environment: Mapping[str, str]) -> RayToken:
    if not _asks_for_token(environment):
        mode = environment.get("RAY_AUTH_MODE")
        found = "is not set" if mode is None else f"is {mode!r}"
        raise ConnectionError(
            f"the Ray cluster at {address} wants a token, and RAY_AUTH_MODE {found}: start the daemon with RAY_AUTH_MODE=token "
            "and the token of the cluster in ~/.ray/auth_token or RAY_AUTH_TOKEN"
        )
    return find_token(environment)


def find_token(environment: Mapping[str, str]) -> RayToken:
    """In the order in which Ray looks. Raises ConnectionError where there is none."""
    if environment.get("RAY_AUTH_TOKEN", "").strip():
        return _checked(RayToken(value=environment["RAY_AUTH_TOKEN"].strip(), source="RAY_AUTH_TOKEN"))
    named = environment.get("RAY_AUTH_TOKEN_PATH", "").strip()
    file = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        value = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectionError(
            f"RAY_AUTH_MODE is token, and there is no token in RAY_AUTH_TOKEN nor in {file} ({error}); copy the one of the "
            "cluster's head there"
        ) from error
    if not value:
        raise ConnectionError(f"the file {file} has no token; copy the one of the cluster's head there")
    return _checked(RayToken(value=value, source=str(file)))


def _checked(token: RayToken) -> RayToken:
    """gRPC ends the process over a header that it cannot send."""
    if not (token.value.isascii() and token.value.isprintable()):
        raise ConnectionError(
            f"what is in {token.source} is no token of Ray, which is ASCII text; copy the one of the cluster's head there"
        )
    return token


def _asks_for_token(environment: Mapping[str, str]) -> bool:
    return environment.get("RAY_AUTH_MODE", "").lower() == "token"


def _load_credentials(environment: Mapping[str, str]) -> Any:
    """None where Ray does not use TLS. Raises ConnectionError for files that Ray could not read either."""
    if environment.get("RAY_USE_TLS", "").strip().lower() not in ("1", "true"):
        return None
    contents = []
    for name in _TLS_FILES:
        file = environment.get(name, "")
        try:
            contents.append(Path(file).read_bytes())
        except OSError as error:
            found = f"{file}: {error.strerror}" if file else "it is not set"
            raise ConnectionError(
                f"RAY_USE_TLS is on, and {name} names no file that can be read ({found}); set {', '.join(_TLS_FILES)}"
            ) from error
    authority, key, certificate = contents
    return grpc.ssl_channel_credentials(authority, key, certificate)


def _call(
    address: str, method: str, token: str | None = None, *, credentials: Any, answer_s: float
) -> tuple[Any, str]:
    """The status of an empty call, and what is said of it."""
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    channel = (
        grpc.insecure_channel(address) if credentials is None else grpc.secure_channel(address, credentials)
    )
    with channel:
        try:
            channel.unary_unary(method)(b"", timeout=answer_s, metadata=metadata)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
    return grpc.StatusCode.OK, ""


def _describe_silence(address: str, details: str, *, is_client: bool) -> str:
    port = address.rpartition(":")[2]
    option = f"--ray-client-server-port {port}" if is_client else f"--port {port}"
    what = "Ray Client server" if is_client else "head of a Ray cluster"
    reason = details.rpartition(f"{address}: ")[2] or "no answer"
    return (
        f"no {what} answers at {address} ({reason}); start it there with: ray start --head {option}. "
        "TLS (RAY_USE_TLS) must be on for both or for none"
    )


def _describe_other_service(address: str, *, is_ray: bool, is_client: bool) -> str:
    if not is_ray:
        return f"what answers at {address} is no Ray cluster; check host and port"
    if is_client:
        return (
            f"{address} is the head of a Ray cluster, not its Ray Client server; name the port of that (10001 by default), or "
            f"leave out {CLIENT_SCHEME} where this machine belongs to the cluster"
        )
    return (
        f"{address} is the Ray Client server of a cluster; write {CLIENT_SCHEME}{address}, or name the port of the head "
        "(6379 by default) where this machine belongs to the cluster"
    )

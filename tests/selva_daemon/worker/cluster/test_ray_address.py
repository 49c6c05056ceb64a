"""What is said of an address where no Ray cluster answers that takes this daemon, before Ray tries for half a minute."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from selva_core.base.errors import ConfigurationError
from selva_daemon.settings import DaemonSettings

grpc = pytest.importorskip("grpc", reason="gRPC is not installed (extra ray)")

from selva_daemon.worker.cluster.ray_address import (  # noqa: E402 - loads gRPC
    CLIENT_SCHEME,
    check_address,
    find_token,
)

HEAD, CLIENT_SERVER = "/ray.rpc.NodeInfoGcsService/GetClusterId", "/ray.rpc.RayletDriver/ClusterInfo"
TOKEN = "0123456789abcdef"  # noqa: S105 - of no cluster
WITH_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}


class Service:
    """Answers one method, as a service of Ray does. token: that it wants; None for none."""

    def __init__(self, method: str, token: str | None) -> None:
        self.method, self.token = method, token

    def service(self, details: Any) -> Any:
        if details.method != self.method:
            return None
        is_known = self.token is None or ("authorization", f"Bearer {self.token}") in [
            tuple(row) for row in details.invocation_metadata
        ]
        return grpc.unary_unary_rpc_method_handler(_answer if is_known else _refuse)


def _answer(request: bytes, context: Any) -> bytes:
    return b""


def _refuse(request: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
    raise AssertionError


@contextmanager
def answering(
    method: str, *, token: str | None = None, tls: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of a service. tls: the variables of Ray, where it does not answer in the clear."""
    server = grpc.server(ThreadPoolExecutor(1), handlers=[Service(method, token)])
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        key, certificate = (
            Path(tls[name]).read_bytes() for name in ("RAY_TLS_SERVER_KEY", "RAY_TLS_SERVER_CERT")
        )
        port = server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)], certificate, True)
        )
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def refusal(executor: str, environment: Mapping[str, str], *, answer_s: float = 5.0) -> str:
    with pytest.raises(ConnectionError) as caught:
        check_address(executor, environment, answer_s=answer_s)
    return str(caught.value)


@pytest.mark.parametrize(("method", "scheme"), [(HEAD, ""), (CLIENT_SERVER, CLIENT_SCHEME)])
def test_token_that_is_wrong_or_not_sent_is_refused_and_the_right_one_is_taken(
    method: str, scheme: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    from_file = {"RAY_AUTH_MODE": "Token", "RAY_AUTH_TOKEN_PATH": str(file)}
    with answering(method, token=TOKEN) as address:
        executor = scheme + address
        assert "wants a token, and RAY_AUTH_MODE is not set" in refusal(executor, {})
        assert "RAY_AUTH_MODE is 'rubbish'" in refusal(executor, {"RAY_AUTH_MODE": "rubbish"})
        assert f"no token in RAY_AUTH_TOKEN nor in {file}" in refusal(executor, from_file)
        file.write_text("of another cluster\n")
        assert f"has another token than the one in {file}; copy" in refusal(executor, from_file)
        file.write_text(f"{TOKEN}\n")
        assert check_address(executor, from_file)
        assert check_address(executor, WITH_TOKEN)


def test_cluster_that_wants_no_token_is_known_as_open_though_the_daemon_has_one() -> None:
    with answering(HEAD) as address:
        assert not check_address(address, WITH_TOKEN)
        assert not check_address(address, {})


def test_ports_of_head_and_client_server_that_are_mixed_up_are_named() -> None:
    with answering(HEAD, token=TOKEN) as head, answering(CLIENT_SERVER, token=TOKEN) as client_server:
        assert "is the head of a Ray cluster" in refusal(f"ray://{head}", WITH_TOKEN)
        assert f"write ray://{client_server}" in refusal(client_server, WITH_TOKEN)


def test_address_where_nothing_or_no_ray_answers_is_refused() -> None:
    with answering("/other.Service/Method") as address:
        assert "no Ray cluster" in refusal(address, {})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert f"ray start --head --port {port}" in refusal(f"127.0.0.1:{port}", {}, answer_s=0.2)
    # The port is free now; nobody listens.
    text = refusal(f"ray://127.0.0.1:{port}", {}, answer_s=2.0)
    assert f"no Ray Client server answers at 127.0.0.1:{port} (" in text
    assert f"--ray-client-server-port {port}" in text


def test_cluster_with_tls_is_asked_with_the_files_that_ray_is_given(tmp_path: Path) -> None:
    tls = write_tls_files(tmp_path)
    with answering(HEAD, token=TOKEN, tls=tls) as address:
        assert check_address(address, {**WITH_TOKEN, **tls})
        assert "has another token" in refusal(address, {**WITH_TOKEN, **tls, "RAY_AUTH_TOKEN": "other"})
        assert "TLS (RAY_USE_TLS) must be on for both" in refusal(address, WITH_TOKEN)
        gone = {**tls, "RAY_TLS_SERVER_KEY": str(tmp_path / "none.key")}
        assert "RAY_TLS_SERVER_KEY names no file that can be read" in refusal(address, gone)
        assert "(it is not set)" in refusal(address, {"RAY_USE_TLS": "true"})


def write_tls_files(folder: Path) -> dict[str, str]:
    """A certificate that signs itself, and the variables of Ray for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "head")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "head.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "head.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return {
        "RAY_USE_TLS": "1",
        "RAY_TLS_CA_CERT": str(folder / "head.crt"),
        "RAY_TLS_SERVER_KEY": str(folder / "head.key"),
        "RAY_TLS_SERVER_CERT": str(folder / "head.crt"),
    }


def test_text_that_cannot_be_sent_is_no_token() -> None:
    with pytest.raises(ConnectionError, match="RAY_AUTH_TOKEN is no token of Ray"):
        find_token({"RAY_AUTH_TOKEN": "clé"})
    assert find_token({"RAY_AUTH_TOKEN": f" {TOKEN}\n"}).value == TOKEN


@pytest.mark.parametrize("executor", ["head:0", "ray://head:65536"])
def test_port_that_there_is_not_is_refused_as_a_setting(executor: str) -> None:
    with pytest.raises(ConfigurationError, match="port from 1 to 65535"):
        DaemonSettings(executor=executor)
    assert DaemonSettings(executor=f"{executor.rpartition(':')[0]}:65535").executor.endswith(":65535")

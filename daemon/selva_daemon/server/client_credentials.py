"""The connection file for another machine: addresses, the server's public key, and a pair of keys of its own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import selva_core
from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_daemon.protocol.connection import ELSEWHERE, Connection, read_connection
from selva_daemon.protocol.envelope import PROTOCOL_VERSION
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_daemon.protocol.keys import ensure_keys
from selva_daemon.server.authorized_keys import add_client, remove_client
from selva_daemon.server.sockets import build_endpoint
from selva_daemon.settings import DaemonSettings, load_settings


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """notes: what may keep the file from working, and what to do about it."""

    connection: Connection
    notes: tuple[str, ...]


def write_client_credentials(
    paths: AppPaths, name: str, file: Path, *, address: str | None
) -> ClientCredentials:
    """Authorize a new client and write its connection file, readable by its owner only.

    The ports are those of the settings, else those of the running daemon. Raises ConfigurationError when the name or the
    file is taken, or the address by which the other machine reaches this one is not known; StorageError.
    """
    paths.require_own_daemon()
    if file.exists():
        raise ConfigurationError(f"{file} is there already; choose another with --to", path=str(file))
    settings = load_settings(paths.settings_file)
    host = _choose_host(settings, address)
    ports = settings.ports if settings.port else _running_ports(paths)
    ensure_private_folder(paths.state)
    keys = ensure_keys(paths)
    connection = Connection(
        protocol=PROTOCOL_VERSION,
        version=selva_core.__version__,
        instance="",
        pid=ELSEWHERE,
        jobs=build_endpoint(host, ports[0]),
        control=build_endpoint(host, ports[1]),
        events=build_endpoint(host, ports[2]),
        server_key=keys.server.public,
        client=add_client(paths.clients_folder, name),
    )
    try:
        connection.write(file)
    except BaseException:
        remove_client(paths.clients_folder, name)
        raise
    return ClientCredentials(connection=connection, notes=_notes(settings))


def _choose_host(settings: DaemonSettings, address: str | None) -> str:
    if address is not None and settings.listens_on_loopback and not _is_loopback(address):
        raise ConfigurationError(
            f"the daemon listens on {settings.listen} only, so it cannot be reached at {address}; "
            f"set listen and output_folders first (docs/how-to/another-machine.md): {selva_command('config', 'edit')}"
        )
    if address is None and ipaddress.ip_address(settings.listen).is_unspecified:
        raise ConfigurationError(
            f"the daemon listens on all addresses of this machine ({settings.listen}); "
            "say with --address by which one the other machine reaches it"
        )
    return address or settings.listen


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _running_ports(paths: AppPaths) -> tuple[int, int, int]:
    try:
        running = read_connection(paths.own_connection_file)
    except DaemonUnavailableError:
        running = None
    if running is None or not running.process_is_alive:
        raise ConfigurationError(
            f"it is not known on which ports the daemon will listen: {selva_command('config', 'set', 'port', '42000')}, "
            f"or start it first: {selva_command('daemon', 'start')}"
        )
    jobs, control, events = (
        int(endpoint.rpartition(":")[2]) for endpoint in (running.jobs, running.control, running.events)
    )
    return jobs, control, events


def _notes(settings: DaemonSettings) -> tuple[str, ...]:
    notes = []
    if settings.listens_on_loopback:
        notes.append(
            f"the daemon listens on {settings.listen} only: this file works on this machine or through a tunnel"
        )
    if not settings.port:
        notes.append(
            "the ports change when the daemon is restarted, and this file is no longer valid then; "
            f"to keep them: {selva_command('config', 'set', 'port', '42000')}"
        )
    return tuple(notes)

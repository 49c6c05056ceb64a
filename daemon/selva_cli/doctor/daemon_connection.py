"""The daemon: whether it answers, is of this version, and can be reached through whatever guards the ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import selva_core
from selva_cli.doctor.finding import Finding, System
from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError
from selva_core.base.settings import Settings, load_settings

ANSWER_S = 5.0


def check_daemon(system: System) -> Iterator[Finding]:
    """Whether it runs, answers and is of this version. It is not started: the trial render starts one of its own."""
    from selva_daemon.client.client import Client  # noqa: PLC0415
    from selva_daemon.protocol.connection import read_connection  # noqa: PLC0415
    from selva_daemon.protocol.errors import DaemonUnavailableError  # noqa: PLC0415

    paths = system.paths
    stop = selva_command(
        "daemon", "stop"
    )  # alone: PowerShell 5 knows no `&&`, and the next request starts it again
    if not paths.connection_file.exists():
        yield Finding(title="Daemon", text="not running; it starts with the first request")
        return
    try:
        alive = read_connection(paths.connection_file).process_is_alive
    except DaemonUnavailableError:
        alive = False
    if not alive:
        yield _describe_remains(system)
        return
    try:
        with Client.connect(paths=paths, timeout_s=ANSWER_S) as client:
            status = client.status()
    except SelvaError as error:
        text = f"It runs and cannot be used: {error.message} Stop it; the next request starts it again"
        yield Finding(title="Daemon", text=text, level="fault", remedy=stop)
        return
    if status.version != selva_core.__version__:
        text = f"Version {status.version} runs, and {selva_core.__version__} is installed. Stop it; jobs stay"
        yield Finding(title="Daemon", text=text, level="warning", remedy=stop)
    else:
        yield Finding(title="Daemon", text=f"version {status.version} answers; {status.device}")
    if status.paused or status.yielded:
        text = "It is paused, or has freed its device: jobs wait"
        yield Finding(title="Queue", text=text, level="warning", remedy=selva_command("daemon", "resume"))


def _describe_remains(system: System) -> Finding:
    file = system.paths.own_connection_file
    if system.paths.other_daemon is not None:
        text = f"{system.paths.other_daemon} does not describe a daemon that can be reached"
        remedy = system.unset_command("SELVA_CONNECTION_FILE")
        return Finding(title="Daemon", text=text, level="fault", remedy=remedy)

    def remove() -> str:
        file.unlink(missing_ok=True)
        return f"{file} is removed"

    text = f"It ended without cleaning up ({file} names a process that has ended); the next start cleans up"
    remedy = selva_command("daemon", "start")
    return Finding(title="Daemon", text=text, level="warning", remedy=remedy, fix=remove)


def check_ports(system: System) -> Iterator[Finding]:
    """Whether a connection within this machine comes through, and what guards the ports where others shall connect."""
    settings = load_settings(system.paths.settings_file, environment=system.environment)
    problem = find_loopback_problem()
    if problem is not None:
        text = f"Programs cannot reach each other on 127.0.0.1 ({problem}): a firewall or a VPN takes it. Let it pass"
        yield Finding(title="Loopback", text=text, level="fault", remedy=_firewall_status(system))
    else:
        yield Finding(title="Loopback", text="a connection on 127.0.0.1 comes through")
    if settings.port and not system.paths.own_connection_file.exists():
        yield _check_port_free(settings)
    if not settings.listens_on_loopback:
        command = firewall_command(system, settings)
        text = f"Other machines connect to {settings.listen}, ports {settings.port} to {settings.port + 2}"
        yield Finding(title="Firewall", text=f"{text}. Where they are not open: {command}")


def find_loopback_problem() -> str | None:
    """A connection to a port of our own and back; None when it comes through."""
    try:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            server.settimeout(2.0)
            with closing(socket.create_connection(server.getsockname(), timeout=2.0)) as caller:
                accepted, _ = server.accept()
                with closing(accepted):
                    caller.sendall(b"selva")
                    accepted.settimeout(2.0)
                    return None if accepted.recv(16) == b"selva" else "other bytes arrived"
    except OSError as exc:
        return str(exc)


def _check_port_free(settings: Settings) -> Finding:
    for port in settings.ports:
        try:
            socket.create_server((settings.listen, port)).close()
        except OSError as exc:
            text = f"Port {port} of {settings.listen} cannot be used ({exc.strerror or exc}); another program has it. Take others"
            return Finding(
                title="Ports", text=text, level="fault", remedy=selva_command("config", "set", "port", "0")
            )
    return Finding(title="Ports", text=f"{settings.ports[0]} to {settings.ports[2]} are free")


def firewall_command(system: System, settings: Settings) -> str:
    """The command that opens the daemon's ports in the firewall of this system."""
    first, last = settings.ports[0], settings.ports[2]
    if system.platform == "win32":
        return (
            'netsh advfirewall firewall add rule name="Selva" dir=in action=allow protocol=TCP '
            f"localport={first}-{last}"
        )
    if system.platform == "darwin":
        return f"sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp {system.executable}"
    if system.which("firewall-cmd"):
        return f"sudo firewall-cmd --add-port={first}-{last}/tcp"
    return f"sudo ufw allow {first}:{last}/tcp"


def _firewall_status(system: System) -> str:
    if system.platform == "win32":
        return "netsh advfirewall show allprofiles state"
    if system.platform == "darwin":
        return "/usr/libexec/ApplicationFirewall/socketfilterfw --getglobalstate"
    return "sudo iptables -S INPUT"

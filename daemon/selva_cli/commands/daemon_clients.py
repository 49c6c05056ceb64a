"""`selva daemon invite`, `clients`, `revoke`: which other machines may use the daemon."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from selva_cli.terminal.console import (
    JsonOption,
    format_time,
    print_json,
    print_line,
    print_result,
    print_table,
)
from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError

ClientName = Annotated[str, typer.Argument(metavar="NAME", help="Letters a-z, digits, - and _.")]


def invite(
    name: ClientName,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where to write it; default: ./selva-NAME.json"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="How the other machine reaches this one: a name or an IP address."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let another machine use the daemon: write the one file to copy there. Who has the file has access."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.server.client_credentials import write_client_credentials  # noqa: PLC0415 - --help loads no sockets

    file = to or Path(f"selva-{name}.json")
    invitation = write_client_credentials(AppPaths.find(), name, file, address=address)
    if as_json:
        print_json({"client": name, "file": str(file.absolute()), "notes": list(invitation.notes)})
        return
    print_line(f"{file}: copy it to the other machine by a safe way, and set there")
    print_line(f"  SELVA_CONNECTION_FILE=/path/to/{file.name}")
    for note in invitation.notes:
        print_line(f"note: {note}")
    print_line(f"To withdraw the access: {selva_command('daemon', 'revoke', name)}")


def clients(as_json: JsonOption = False) -> None:
    """List the machines that were invited."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.server.authorized_keys import load_clients  # noqa: PLC0415 - --help loads no sockets

    folder = AppPaths.find().clients_folder
    found = {name: key for key, name in load_clients(folder).items()}
    if as_json:
        print_json([{"client": name, "public_key": key} for name, key in found.items()])
    elif found:
        print_table(
            ["client", "public key", "since"],
            [(name, key, _since(folder, name)) for name, key in found.items()],
        )
    else:
        print_line("nobody was invited; only you, on this machine, can use the daemon")


def revoke(name: ClientName, as_json: JsonOption = False) -> None:
    """Withdraw a machine's access, with immediate effect."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.client.client import Client  # noqa: PLC0415 - --help loads no sockets
    from selva_daemon.server.authorized_keys import remove_client  # noqa: PLC0415

    paths = AppPaths.find()
    remove_client(paths.clients_folder, name)
    # A daemon that runs looks into the folder before it answers: when it has, the access is gone, also to its events.
    with suppress(SelvaError):
        Client.connect(paths=paths).close()
    print_json({"revoked": name}) if as_json else print_result(f"{name} has no access any more")


def _since(folder: Path, name: str) -> str:
    try:
        return format_time((folder / f"{name}.json").stat().st_mtime)
    except OSError:  # a key file that was copied there by hand may have another name
        return "-"

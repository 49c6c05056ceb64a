"""`selva daemon invite`, `clients`, `revoke`: which other machines may use the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selva_cli.console import JsonOption, clock_words, say, say_json, say_table

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
    """Let another machine in: write the one file to take there. Whoever has it can use the daemon."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.server.client_credentials import write_invitation  # noqa: PLC0415 - the help text needs no sockets

    file = to or Path(f"selva-{name}.json")
    invitation = write_invitation(AppPaths.find(), name, file, address=address)
    if as_json:
        say_json({"client": name, "file": str(file.absolute()), "notes": list(invitation.notes)})
        return
    say(f"{file}: take it to the other machine by a safe way, and there set")
    say("  SELVA_CONNECTION_FILE=/where/it/is/" + file.name)
    for note in invitation.notes:
        say(f"note: {note}")
    say(f"To take the access away again: selva daemon revoke {name}")


def clients(as_json: JsonOption = False) -> None:
    """List the machines that were invited."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.server.authorized_keys import load_clients  # noqa: PLC0415 - the help text needs no sockets

    folder = AppPaths.find().clients_folder
    found = {name: key for key, name in load_clients(folder).items()}
    if as_json:
        say_json([{"client": name, "public_key": key} for name, key in found.items()])
    elif found:
        say_table(
            ["client", "public key", "since"],
            [(name, key, _since(folder, name)) for name, key in found.items()],
        )
    else:
        say("nobody was invited; only you, on this machine, can use the daemon")


def revoke(name: ClientName, as_json: JsonOption = False) -> None:
    """Take a machine's access away, at once."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415
    from selva_daemon.server.authorized_keys import remove_client  # noqa: PLC0415 - the help text needs no sockets

    remove_client(AppPaths.find().clients_folder, name)
    say_json({"revoked": name}) if as_json else say(f"{name} has no access any more")


def _since(folder: Path, name: str) -> str:
    try:
        return clock_words((folder / f"{name}.json").stat().st_mtime)
    except OSError:  # a file that was put there by hand may have another name
        return "-"

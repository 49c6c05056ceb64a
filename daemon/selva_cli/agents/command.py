"""`selva mcp`: Selva for programs that speak the Model Context Protocol."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer

from selva_cli.terminal.error_reporting import report_errors
from selva_core.base.command_line import pip_install_command
from selva_core.base.errors import SelvaError


class AgentsUnavailableError(SelvaError):
    """The library of the Model Context Protocol (mcp) is not installed."""

    code = "agents-unavailable"


def mcp(
    folders: Annotated[
        list[Path],
        typer.Option(
            "--folder", metavar="DIR", help="A folder that may be read and written in; may be repeated."
        ),
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Serve Selva's tools to an agent, on standard input and output (Model Context Protocol).

    The agent can look at timelines, render, measure, show, propose placements, and place and undo them after a person has agreed,
    in the folders that are given here and nowhere else.
    """
    with report_errors(as_json=False):
        if importlib.util.find_spec("mcp") is None:
            raise AgentsUnavailableError(
                f"this needs the library mcp; install it with: {pip_install_command('mcp')}"
            )
        from selva_cli.agents.allowed_folders import AllowedFolders  # noqa: PLC0415 - --help stays light

        allowed = AllowedFolders.open(folders)
        from selva_cli.agents.server import build_server  # noqa: PLC0415

        build_server(allowed).run("stdio")
    sys.stdout.flush()

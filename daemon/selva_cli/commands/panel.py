"""`selva panel`: the page in the browser where people spot, render, listen, choose and place."""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from selva_cli.terminal.console import print_line
from selva_cli.terminal.error_reporting import report_errors


def panel(
    cut: Annotated[
        Path,
        typer.Argument(metavar="CUT|VIDEO", help="A timeline, or a media file; it is read, never changed."),
    ],
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether the page is opened in the browser.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the page's link when it can be opened.")
    ] = False,
) -> None:
    """Open the panel: spot, render, listen, choose and place in a page of the browser, on this machine only."""
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - --help stays light
    from selva_panel.http.server import serve_panel  # noqa: PLC0415
    from selva_panel.timeline.cut import open_cut  # noqa: PLC0415

    def on_ready(link: dict[str, Any]) -> None:
        if as_json:
            sys.stdout.write(f"{json.dumps(link)}\n")
            sys.stdout.flush()
        else:
            print_line(f"the panel is open at {link['url']}\n(the link works once; Ctrl-C closes the panel)")
        if browser:
            webbrowser.open(link["url"])

    with report_errors(as_json=as_json):
        opened = open_cut(cut)
        try:
            serve_panel(opened, paths=AppPaths.find(), on_ready=on_ready)
        finally:
            opened.close()

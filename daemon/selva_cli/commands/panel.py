"""`selva panel`: the page in the browser where people spot, render, listen, choose and place."""

from __future__ import annotations

import json
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selva_cli.terminal.console import print_line
from selva_cli.terminal.error_reporting import report_errors

if TYPE_CHECKING:
    from selva_core.base.paths import AppPaths

CutOrNothing = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CUT|VIDEO]",
        help="A timeline, or a media file; it is read, never changed. Without it, the one that was open last.",
        show_default=False,
    ),
]


def panel(
    cut: CutOrNothing = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether the page is opened in the browser.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the page's link when it can be opened.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="HOST",
            help="For what is open in a host application instead of a file: resolve (Studio).",
        ),
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option("--request", metavar="DIR", hidden=True, help="The request of a host's script."),
    ] = None,
) -> None:
    """Open the panel: spot, render, listen, choose and place in a page of the browser, on this machine only.

    It serves until Ctrl-C. Jobs go on without it, and what was typed and chosen is there when it is opened again. A panel that is
    open for the cut already gives a new link, and this command ends.
    """
    from selva_core.base.paths import AppPaths  # noqa: PLC0415 - --help stays light

    def on_ready(link: dict[str, Any]) -> None:
        if as_json:
            sys.stdout.write(f"{json.dumps(link)}\n")
            sys.stdout.flush()
        else:
            print_line(f"the panel is open at {link['url']}\n(the link works once; Ctrl-C closes the panel)")
        if browser:
            webbrowser.open(link["url"])

    with report_errors(as_json=as_json):
        paths = AppPaths.find()
        if request is not None:
            _serve_request(request, paths, on_ready)
        elif host is not None:
            _serve_host(host, cut, paths, on_ready)
        else:
            _serve_file(cut, paths, on_ready)


def _serve_file(cut: Path | None, paths: AppPaths, on_ready: Any) -> None:
    from selva_panel.http.server import find_running_link, serve_panel  # noqa: PLC0415 - --help stays light
    from selva_panel.session.store import find_last_cut  # noqa: PLC0415
    from selva_panel.timeline.cut import open_cut  # noqa: PLC0415

    cut = cut or find_last_cut(paths)
    if cut is None:
        raise typer.BadParameter("name a timeline or a media file: selva panel CUT.otio")
    running = find_running_link(str(cut.absolute()), paths)
    if running is not None:
        on_ready(running)
        return
    opened = open_cut(cut)
    try:
        serve_panel(opened, paths=paths, on_ready=on_ready)
    finally:
        opened.close()


def _serve_request(request: Path, paths: AppPaths, on_ready: Any) -> None:
    from selva_panel.hosts.opening import opened_request  # noqa: PLC0415 - --help stays light
    from selva_panel.http.server import serve_panel  # noqa: PLC0415

    with opened_request(request.absolute()) as hosted:
        if hosted is not None:
            serve_panel(
                hosted.cut,
                paths=paths,
                on_ready=on_ready,
                hosts=[hosted.target],
                is_over=hosted.is_closed_by_host,
            )


def _serve_host(host: str, cut: Path | None, paths: AppPaths, on_ready: Any) -> None:
    from selva_panel.hosts.resolve import open_studio  # noqa: PLC0415 - --help stays light
    from selva_panel.http.server import serve_panel  # noqa: PLC0415

    if host != "resolve" or cut is not None:
        raise typer.BadParameter(
            "--host resolve opens the timeline that is open in Studio; leave out CUT, or --host"
        )
    opened, target = open_studio()
    serve_panel(opened, paths=paths, on_ready=on_ready, hosts=[target])

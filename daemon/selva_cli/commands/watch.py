"""`selva watch`: render what is put into a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import HandlesOption, RenderArguments
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, report_errors
from selva_cli.terminal.stop_signals import interrupted_by_stop_signals


@takes_groups
def watch(
    *,
    inbox: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to watch.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="RESULTS", help="Where results go.")],
    rendering: RenderArguments,
    handles: HandlesOption = "0",
    once: Annotated[
        bool, typer.Option("--once", help="Render what is there now, and exit; with 3 when something failed.")
    ] = False,
) -> None:
    """Render what is put into a folder: bundles, and timelines or videos with a cue sheet of the same name.

    Each is rendered once, when its files are complete. Interactive jobs go first. Ctrl-C stops.
    """
    from selva_otio import SpotOptions  # noqa: PLC0415 - --help stays light
    from selva_otio.time.clock import parse_seconds  # noqa: PLC0415
    from selva_render.options import OutputOptions, check_options  # noqa: PLC0415
    from selva_render.watch.folder import WatchFolder  # noqa: PLC0415

    with report_errors(as_json=False):
        options, spot_options = rendering.build(), SpotOptions(handles_s=parse_seconds(handles))
        folder = WatchFolder(inbox, output, options, spot_options, on_message=_print_now)
        check_options(options, OutputOptions(stems_folder=output))
        with (
            interrupted_by_stop_signals()
        ):  # before the line that says it watches: a program that reads it may end it
            if not once:
                _print_now(f"watching {inbox.absolute()}; results go to {output.absolute()}; Ctrl-C stops")
            folder.run(once=once)
    if folder.num_failed:
        raise typer.Exit(EXIT_PARTLY_FAILED)


def _print_now(line: str) -> None:
    """Not buffered, so that a pipe or a log shows it now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

"""`selva watch`: render what is put into a folder, here or by the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from selva_cli.commands import watch_folders
from selva_cli.commands.watch_folders import ChangesOption, FolderArgument, MoveOption, SubfoldersOption
from selva_cli.options.command_app import CommandApp
from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import HandlesOption, RenderArguments
from selva_cli.terminal.error_reporting import EXIT_PARTLY_FAILED, report_errors

RUN = "run"


class WatchGroup(TyperGroup):
    """`selva watch FOLDER -o RESULTS`, as it was written before there were other commands, is `selva watch run FOLDER ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = [RUN, *args]
        return super().parse_args(ctx, args)


watch_app = CommandApp(no_args_is_help=True, cls=WatchGroup)
for _command in watch_folders.COMMANDS:
    watch_app.command(name=_command.__name__.removesuffix("_folders"))(_command)


@watch_app.command(name=RUN)
@takes_groups
def run(
    *,
    inbox: FolderArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="RESULTS", help="Where results go. By default beside each source."
        ),
    ] = None,
    rendering: RenderArguments,
    handles: HandlesOption = "0",
    subfolders: SubfoldersOption = True,
    changes: ChangesOption = "auto",
    move_sources: MoveOption = False,
    once: Annotated[
        bool, typer.Option("--once", help="Render what is there now, and exit; with 3 when something failed.")
    ] = False,
) -> None:
    """Watch a folder in this terminal and render what is put into it: bundles, and timelines or videos with prompts.

    Each is rendered once, when its files are complete. Interactive jobs go first. Ctrl-C stops.
    """
    from selva_otio import SpotOptions  # noqa: PLC0415 - --help stays light
    from selva_otio.time.clock import parse_seconds  # noqa: PLC0415
    from selva_render.options import OutputOptions, check_options  # noqa: PLC0415
    from selva_render.watch.folder import WatchFolder  # noqa: PLC0415

    with report_errors(as_json=False):
        options, spot_options = rendering.build(), SpotOptions(handles_s=parse_seconds(handles))
        folder = WatchFolder(
            inbox,
            output,
            options,
            spot_options,
            on_message=_print_now,
            subfolders=subfolders,
            changes=changes,
            move_sources=move_sources,
        )
        check_options(options, OutputOptions(stems_folder=output or inbox))
        if not once:
            where = "beside the sources" if output is None else f"to {output.absolute()}"
            _print_now(f"watching {inbox.absolute()}; results go {where}; Ctrl-C stops")
        folder.run(once=once)
    if folder.num_failed:
        raise typer.Exit(EXIT_PARTLY_FAILED)


def _print_now(line: str) -> None:
    """Not buffered, so that a pipe or a log shows it now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

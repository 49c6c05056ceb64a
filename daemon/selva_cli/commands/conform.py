"""`selva conform` as it is typed; what it does is in conform_command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import (
    FileArguments,
    JsonOption,
    ReadArguments,
    RenderArguments,
    SpotArguments,
)


@takes_groups
def conform(
    *,
    old: Annotated[
        Path,
        typer.Argument(
            metavar="OLD.otio",
            help="The earlier cut with its stems; it is read, never changed.",
            show_default=False,
        ),
    ],
    new: Annotated[
        Path,
        typer.Argument(
            metavar="NEW.otio", help="The new cut; it is read, never changed.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT.otio", help="The timeline to write.", show_default=False),
    ],
    spot: SpotArguments,
    relinked: Annotated[
        list[str],
        typer.Option(
            "--relink", metavar="OLD=NEW", help="Media of OLD that is this file in NEW; may be repeated."
        ),
    ] = [],  # noqa: B006 - typer copies it
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen; nothing is rendered or written.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace OUT.otio even if Selva did not write it.")
    ] = False,
    mark: Annotated[
        bool, typer.Option("--mark/--no-mark", help="Whether shots that changed get a marker in OUT.")
    ] = True,
    stems_dir: Annotated[
        Path | None,
        typer.Option(
            "--stems-dir", metavar="DIR", help="Where new stems go. By default in stems beside OUT."
        ),
    ] = None,
    rendering: RenderArguments,
    files: FileArguments,
    for_host: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="HOST",
            help="Write what a host's importer needs: resolve, premiere, kdenlive, reaper or protools.",
        ),
    ] = None,
    reading: ReadArguments,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the change list as CSV.")] = False,
) -> None:
    """Bring the stems of an earlier cut to a new one: moved and trimmed with their shots, and only what is missing rendered.

    Every stem stays on its frames, with the gain, fades, mutes and takes that an editor gave it. New shots get the prompt of
    a stem track that had one for the whole cut, or what --track, --cues, markers or metadata of NEW name.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    from selva_cli.commands import conform_command  # noqa: PLC0415 - --help stays light
    from selva_render.options import default_stems_folder  # noqa: PLC0415

    conform_command.run_conform(
        old,
        new,
        files.build(stems_folder=stems_dir or default_stems_folder(output), timeline=output, host=for_host),
        relinked=relinked,
        is_dry_run=dry_run,
        replaces=replace,
        marks=mark,
        spot=spot,
        rendering=rendering,
        reading=reading,
        as_json=as_json,
        as_csv=as_csv,
    )

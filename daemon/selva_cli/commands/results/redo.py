"""`selva redo` as it is typed; what it does is in redo_command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selva_cli.options.command_app import parse_name
from selva_cli.options.timeline_options import AbsentOption, JsonOption


def redo(
    *,
    stem: Annotated[
        str,
        typer.Argument(
            metavar="STEM|CUE",
            help="The file of a stem, or with --in also the id of its cue; it is read, never changed.",
            show_default=False,
            parser=parse_name,
        ),
    ],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TC",
            help="Where the stretch begins: a timecode of the timeline, or seconds (of the file; with --in of the timeline).",
            show_default=False,
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TC", help="Where the stretch ends.", show_default=False)
    ] = None,
    extend_head: Annotated[
        str | None,
        typer.Option(
            "--extend-head",
            metavar="S",
            help="In place of --from and --to: go on before the stem's start, by so many seconds of its picture.",
            show_default=False,
        ),
    ] = None,
    extend_tail: Annotated[
        str | None,
        typer.Option(
            "--extend-tail",
            metavar="S",
            help="The same after its end.",
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="TEXT", help="What is heard in it. By default as before."),
    ] = None,
    negative: Annotated[
        str | None,
        typer.Option(
            "--negative", metavar="TEXT", help="What must not be heard in it. By default as before."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="By default the next one that the stem was not made with.")
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(
            "--media", metavar="FILE", help="The picture that the stem was made for, where it was moved."
        ),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--in", metavar="CUT.otio", help="The timeline that the stem lies on; it is read, never changed."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT.otio", help="Write the timeline of --in with the new take playing."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace OUT.otio even if Selva did not write it.")
    ] = False,
    absent: AbsentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a stretch of a stem anew, or make the stem longer, as another take of it.

    What is new fits to what is beside it. All samples of the earlier take stay, but for those of the stretch and less than
    0.1 s at each edge of what is new.
    """
    extends = (extend_head, extend_tail) != (None, None)
    if (start is None or end is None) and not extends:
        raise typer.BadParameter(
            "name what is new: a stretch (--from and --to), or by how much the stem goes on (--extend-head, --extend-tail)"
        )
    if (start, end) != (None, None) and extends:
        raise typer.BadParameter("a stretch is made anew or the stem goes on; run the command twice for both")
    if output is not None and timeline is None:
        raise typer.BadParameter("-o writes the timeline of --in with the new take; name that timeline too")
    from selva_cli.commands.results import redo_command  # noqa: PLC0415 - --help stays light

    redo_command.run_redo(
        stem,
        redo_command.RedoArguments(
            start=start,
            end=end,
            extend_head=extend_head,
            extend_tail=extend_tail,
            prompt=prompt,
            negative_prompt=negative,
            seed=seed,
        ),
        media=media,
        timeline=timeline,
        output=output,
        replaces=replace,
        absent=absent,
        as_json=as_json,
    )

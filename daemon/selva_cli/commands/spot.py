"""`selva spot`: what would be rendered, before anything is."""

from __future__ import annotations

from typing import Annotated

import typer

from selva_cli.options.file_kinds import is_bundle
from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import (
    CutArgument,
    JsonOption,
    ModelOption,
    ReadArguments,
    SpotArguments,
    TakesOption,
    refuse_options_beside_bundle,
)


@takes_groups
def spot(
    context: typer.Context,
    *,
    cut: CutArgument,
    spotting: SpotArguments,
    takes: TakesOption = 1,
    model: ModelOption = None,
    look: Annotated[
        bool,
        typer.Option(
            "--look",
            help="Say of each cue whether the model sees it (0 to 1); the picture alone is computed.",
        ),
    ] = False,
    reading: ReadArguments,
    as_json: JsonOption = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a cue sheet that can be edited and given to --cues.")
    ] = False,
) -> None:
    """Show the cues of a cut: which sound, where, from which picture. Nothing is rendered."""
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if is_bundle(cut):
        from selva_cli.commands import bundles  # noqa: PLC0415 - --help stays light

        refuse_options_beside_bundle(context)
        bundles.run_spot_bundle(cut, model=model, as_json=as_json, as_csv=as_csv)
        return
    from selva_cli.commands import render_commands  # noqa: PLC0415

    render_commands.run_spot(
        cut,
        spot=spotting,
        reading=reading,
        model=model,
        num_takes=takes,
        looks=look,
        as_json=as_json,
        as_csv=as_csv,
    )

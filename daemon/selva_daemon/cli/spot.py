"""`selva spot`: what would be rendered, before anything is."""

from __future__ import annotations

from typing import Annotated

import typer

from selva_daemon.cli.timeline_options import (
    CuesOption,
    CutArgument,
    HandlesOption,
    JsonOption,
    MarkerColourOption,
    MarkersOption,
    ModelOption,
    NegativeOption,
    TakesOption,
    TrackOption,
    VideoTrackOption,
    is_bundle,
    refuse_wishes_beside_bundle,
)


def spot(  # noqa: PLR0917 - typer calls it by keyword
    context: typer.Context,
    cut: CutArgument,
    track: TrackOption = [],  # noqa: B006 - typer copies it
    cues: CuesOption = None,
    negative: NegativeOption = [],  # noqa: B006
    video_track: VideoTrackOption = None,
    handles: HandlesOption = "0",
    markers: MarkersOption = True,
    marker_colour: MarkerColourOption = "MAGENTA",
    takes: TakesOption = 1,
    model: ModelOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a cue sheet that can be edited and given to --cues.")
    ] = False,
) -> None:
    """Show the cues of a cut: which sound, where, from which picture. Nothing is rendered."""
    from selva_daemon.cli import render_commands  # noqa: PLC0415 - --help stays light

    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if is_bundle(cut):
        from selva_daemon.cli import bundles  # noqa: PLC0415

        refuse_wishes_beside_bundle(context)
        bundles.run_spot_bundle(cut, model=model, as_json=as_json, as_csv=as_csv)
        return
    spotting = render_commands.SpottingChoices(
        tracks=track,
        negatives=negative,
        cues=cues,
        video_track=video_track,
        handles=handles,
        use_markers=markers,
        marker_colour=marker_colour,
    )
    render_commands.run_spot(cut, spotting, model=model, num_takes=takes, as_json=as_json, as_csv=as_csv)

"""`selva farm` as it is typed; what it does is in farm_commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selva_cli.commands.farm.request_arguments import RequestArguments
from selva_cli.options.command_app import CommandApp
from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import (
    CutArgument,
    JsonOption,
    NamingOption,
    ReadArguments,
    RenderArguments,
    SignOption,
    SpotArguments,
)

farm_app = CommandApp(no_args_is_help=True)

JobArgument = Annotated[Path, typer.Argument(metavar="JOB", help="The folder that was exported.")]
ClipsPerTaskOption = Annotated[
    int, typer.Option("--clips-per-task", metavar="NUMBER", help="How many clips a task renders.")
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="HOST",
        help="Write timeline and stems as a host's importer needs them: see selva render.",
    ),
]
OpenJdOption = Annotated[
    bool, typer.Option("--openjd", help="Report progress and failure as OpenJD schedulers read them.")
]


@farm_app.command()
@takes_groups
def export(
    *,
    cut: CutArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="JOB", help="The folder to make.")],
    spot: SpotArguments,
    rendering: RenderArguments,
    naming: NamingOption = "timecode",
    c2pa: SignOption = None,
    reading: ReadArguments,
    timeline: Annotated[
        str | None,
        typer.Option(
            "--timeline",
            metavar="NAME",
            help="The timeline that the last step writes into JOB. By default CUT-with-stems.otio.",
        ),
    ] = None,
    for_host: ForOption = None,
    media: Annotated[
        str,
        typer.Option(
            "--media",
            metavar="linked|small",
            help="small: put small movies into JOB that models look at, so that no media need be on the workers.",
        ),
    ] = "linked",
    clips_per_task: ClipsPerTaskOption = 1,
    gpus: Annotated[int, typer.Option("--gpus", metavar="NUMBER", help="That a worker must have.")] = 0,
    command: Annotated[
        str, typer.Option("--command", metavar="SELVA", help="What starts Selva on a worker.")
    ] = "selva",
    as_json: JsonOption = False,
) -> None:
    """Make a job of a cut that the scheduler of a render farm runs: OpenJD (Deadline Cloud) and OpenCue."""
    from selva_cli.commands.farm import farm_commands  # noqa: PLC0415

    farm_commands.refuse_signing(c2pa)
    farm_commands.run_export(
        cut,
        output,
        spot=spot,
        rendering=rendering,
        reading=reading,
        job=farm_commands.JobArguments(
            timeline=timeline,
            host=for_host,
            naming=naming,
            media=media,
            clips_per_task=clips_per_task,
            num_gpus=gpus,
            command=command,
        ),
        as_json=as_json,
    )


@farm_app.command()
@takes_groups
def render(
    *,
    job: JobArgument,
    task: Annotated[int, typer.Option("--task", metavar="NUMBER", help="Which task, from 1.")],
    clips_per_task: ClipsPerTaskOption = 1,
    request: RequestArguments,
    for_host: ForOption = None,
    naming: NamingOption = "timecode",
    path_mapping: Annotated[
        Path | None,
        typer.Option(
            "--path-mapping", metavar="FILE", help="Path mapping rules, as OpenJD sessions have them."
        ),
    ] = None,
    own_daemon: Annotated[
        bool, typer.Option("--own-daemon", help="Start a daemon for this task, and stop it at its end.")
    ] = False,
    for_openjd: OpenJdOption = False,
    as_json: JsonOption = False,
) -> None:
    """On a worker: make the stems of one task into the job's folder."""
    from selva_cli.commands.farm import farm_commands  # noqa: PLC0415

    farm_commands.run_task(
        job,
        task,
        clips_per_task=clips_per_task,
        request=request,
        host=for_host,
        naming=naming,
        path_mapping=path_mapping,
        owns_daemon=own_daemon,
        for_openjd=for_openjd,
        as_json=as_json,
    )


@farm_app.command()
@takes_groups
def gather(
    *,
    job: JobArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.otio", help="The timeline to write.")
    ],
    for_host: ForOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace OUT.otio even if Selva did not write it.")
    ] = False,
    request: RequestArguments,
    for_openjd: OpenJdOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the timeline with the stems that the tasks have made; needs no daemon."""
    from selva_cli.commands.farm import farm_commands  # noqa: PLC0415

    farm_commands.run_gather(
        job,
        output,
        host=for_host,
        request=request,
        replaces=replace,
        for_openjd=for_openjd,
        as_json=as_json,
    )

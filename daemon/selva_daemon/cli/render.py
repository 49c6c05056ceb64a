"""`selva render` and `selva stems` as they are typed; what they do is in render_commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TrackOption = Annotated[
    list[str],
    typer.Option(
        "--track", metavar="NAME=PROMPT", help="A stem track and what is heard on it; one per sound."
    ),
]
NegativeOption = Annotated[
    list[str],
    typer.Option("--negative", metavar="TEXT", help="What must not be heard; NAME=TEXT for one track only."),
]
TakesOption = Annotated[int, typer.Option("--takes", help="Versions of each stem.")]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Seed of the first take; take 2 has the next, and so on.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="ID", help="A row of `selva models list`. Without it, the largest one installed."
    ),
]
SampleRateOption = Annotated[
    int, typer.Option("--sample-rate", metavar="HZ", help="Sample rate of the stems.")
]
StepsOption = Annotated[int, typer.Option("--steps", help="Sampling steps.")]
GuidanceOption = Annotated[float, typer.Option("--guidance", help="How strictly the prompt is followed.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def render(  # noqa: PLR0917 - typer calls it by keyword
    cut: Annotated[Path, typer.Argument(metavar="CUT.otio", help="The timeline; it is read, never changed.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.otio", help="The timeline to write.")
    ],
    track: TrackOption = [],  # noqa: B006 - typer copies it
    video_track: Annotated[
        str | None,
        typer.Option(
            "--video-track",
            metavar="NAME",
            help="Look at one video track. By default what is seen of all of them.",
        ),
    ] = None,
    stems_dir: Annotated[
        Path | None,
        typer.Option(
            "--stems-dir", metavar="DIR", help="Where stems go. By default in stems beside OUT.otio."
        ),
    ] = None,
    negative: NegativeOption = [],  # noqa: B006
    takes: TakesOption = 1,
    seed: SeedOption = 42,
    model: ModelOption = None,
    sample_rate: SampleRateOption = 48_000,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 4.5,
    as_json: JsonOption = False,
) -> None:
    """Make stems for every clip of a cut, and write the cut with the stems on their own tracks."""
    from selva_daemon.cli import render_commands  # noqa: PLC0415 - --help stays light

    stem_options = render_commands.StemOptions(
        tracks=track,
        negatives=negative,
        takes=takes,
        seed=seed,
        model=model,
        sample_rate_hz=sample_rate,
        num_steps=steps,
        guidance=guidance,
    )
    render_commands.run_render(
        cut,
        output,
        stem_options,
        video_track=video_track,
        stems_folder=stems_dir or output.parent / "stems",
        as_json=as_json,
    )


def stems(  # noqa: PLR0917
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A media file with a moving picture.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where stems go.")],
    track: TrackOption = [],  # noqa: B006
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="S",
            help="Begin here: seconds, a fraction or a timecode. By default at its start.",
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", metavar="S", help="End here. By default at the end of the file.")
    ] = None,
    negative: NegativeOption = [],  # noqa: B006
    takes: TakesOption = 1,
    seed: SeedOption = 42,
    model: ModelOption = None,
    sample_rate: SampleRateOption = 48_000,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 4.5,
    as_json: JsonOption = False,
) -> None:
    """Make stems for one media file."""
    from selva_daemon.cli import render_commands  # noqa: PLC0415

    stem_options = render_commands.StemOptions(
        tracks=track,
        negatives=negative,
        takes=takes,
        seed=seed,
        model=model,
        sample_rate_hz=sample_rate,
        num_steps=steps,
        guidance=guidance,
    )
    render_commands.run_stems(video, output, stem_options, start=start, end=end, as_json=as_json)

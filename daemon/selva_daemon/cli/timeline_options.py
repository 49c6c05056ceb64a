"""Options that the commands on timelines share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CutArgument = Annotated[
    Path, typer.Argument(metavar="CUT.otio", help="The timeline; it is read, never changed.")
]
TrackOption = Annotated[
    list[str],
    typer.Option(
        "--track", metavar="NAME=PROMPT", help="A stem track and what is heard on it, on every clip."
    ),
]
NegativeOption = Annotated[
    list[str],
    typer.Option("--negative", metavar="TEXT", help="What must not be heard; NAME=TEXT for one track only."),
]
CuesOption = Annotated[
    Path | None,
    typer.Option("--cues", metavar="FILE", help="A cue sheet, .toml or .csv: cues by clip name or timecode."),
]
VideoTrackOption = Annotated[
    str | None,
    typer.Option(
        "--video-track",
        metavar="NAME",
        help="Look at one video track. By default what is seen of all of them.",
    ),
]
HandlesOption = Annotated[
    str,
    typer.Option(
        "--handles", metavar="SECONDS", help="Sound before and after each clip, if its media goes on."
    ),
]
MarkersOption = Annotated[
    bool, typer.Option("--markers/--no-markers", help="Whether markers that read 'Dog: barking' are cues.")
]
MarkerColourOption = Annotated[
    str,
    typer.Option("--marker-colour", metavar="COLOUR", help="The colour of markers that are meant for Selva."),
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
FrameRateOption = Annotated[
    str,
    typer.Option("--frame-rate", metavar="FPS", help="Of images: how many a second, as 24 or 24000/1001."),
]
MissingImagesOption = Annotated[
    str,
    typer.Option(
        "--missing-images",
        metavar="WHAT",
        help="What is seen where an image is missing: error, hold or black.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

BUNDLE_SUFFIXES = (".selva", ".selvaz")
_BUNDLE_PARAMETERS = ("cut", "output", "model", "as_json", "as_csv")


def is_bundle(cut: Path) -> bool:
    """Whether it is a request bundle, which says itself what is heard and how."""
    return cut.suffix.lower() in BUNDLE_SUFFIXES


def refuse_wishes_beside_bundle(context: typer.Context) -> None:
    """Raises typer.BadParameter when an option was typed that a bundle speaks for."""
    typed = [
        name
        for name in context.params
        if name not in _BUNDLE_PARAMETERS and _is_typed(context.get_parameter_source(name))
    ]
    if typed:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise typer.BadParameter(f"a bundle says itself what is heard and how; leave out {names}")


def _is_typed(source: object) -> bool:
    return getattr(source, "name", "") == "COMMANDLINE"

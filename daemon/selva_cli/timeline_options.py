"""Options that the commands on timelines share: each is told once, and groups of them are dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selva_otio import StemTrack

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
NamingOption = Annotated[
    str, typer.Option("--naming", metavar="HOW", help="How files are called: timecode or ucs (docs/wav.md).")
]
SignOption = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--c2pa",
        metavar="CERT KEY",
        help="Sign the stems: PEM files with the signer's certificates and its key. Needs c2pa-python.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

BUNDLE_SUFFIXES = (".selva", ".selvaz")
_BUNDLE_PARAMETERS = ("cut", "output", "model", "for_host", "as_json", "as_csv")


@dataclass(frozen=True, kw_only=True)
class SpottingChoices:
    """What the command line says about what is heard where, as it was typed."""

    tracks: TrackOption = field(default_factory=list)
    cues: CuesOption = None
    negatives: NegativeOption = field(default_factory=list)
    video_track: VideoTrackOption = None
    handles: HandlesOption = "0"
    use_markers: MarkersOption = True
    marker_colour: MarkerColourOption = "MAGENTA"

    def parse_tracks(self) -> list[StemTrack]:
        """Raises CueError."""
        from selva_otio import parse_stem_track  # noqa: PLC0415 - --help stays light

        parsed = [parse_stem_track(text) for text in self.tracks]
        for negative in self.negatives:
            parsed = _say_negative(parsed, negative)
        return parsed


@dataclass(frozen=True, kw_only=True)
class RenderChoices:
    """What the command line says about how stems are made."""

    takes: TakesOption = 1
    seed: SeedOption = 42
    model: ModelOption = None
    sample_rate_hz: SampleRateOption = 48_000
    num_steps: StepsOption = 25
    guidance: GuidanceOption = 4.5
    naming: NamingOption = "timecode"
    c2pa: SignOption = None


@dataclass(frozen=True, kw_only=True)
class ReadingChoices:
    """What the command line says that a timeline file may not."""

    media_folders: Annotated[
        list[Path],
        typer.Option(
            "--media-dir",
            metavar="DIR",
            help="Where media is looked for by name when the cut does not lead to it.",
        ),
    ] = field(default_factory=list)
    frame_rate: Annotated[
        str | None,
        typer.Option(
            "--frame-rate", metavar="FPS", help="Of an EDL, which does not say it: 24, 23.976, 25 ..."
        ),
    ] = None


def is_bundle(cut: Path) -> bool:
    """Whether it is a request bundle, which says itself what is heard and how."""
    return cut.suffix.lower() in BUNDLE_SUFFIXES


def refuse_wishes_beside_bundle(context: typer.Context) -> None:
    """Raises typer.BadParameter when an option was typed that a bundle speaks for."""
    typed = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name is not None
        and parameter.name not in _BUNDLE_PARAMETERS
        and _is_typed(context.get_parameter_source(parameter.name))
    ]
    if typed:
        names = ", ".join(typed)
        raise typer.BadParameter(f"a bundle says itself what is heard and how; leave out {names}")


def _say_negative(tracks: list[StemTrack], negative: str) -> list[StemTrack]:
    """NAME=TEXT speaks to that track, anything else to all."""
    name, equals, text = negative.partition("=")
    key = name.strip().casefold()
    if equals and any(track.name.casefold() == key for track in tracks):
        return [
            replace(track, negative_prompt=text.strip()) if track.name.casefold() == key else track
            for track in tracks
        ]
    return [replace(track, negative_prompt=negative.strip()) for track in tracks]


def _is_typed(source: object) -> bool:
    return getattr(source, "name", "") == "COMMANDLINE"

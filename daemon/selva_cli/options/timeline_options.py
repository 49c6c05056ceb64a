"""Options that the commands on timelines share, each declared once. Groups of them are dataclasses of what was typed, whose
`build` makes the values that the rooms below take.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.completion import complete_models, complete_negatives, complete_video_tracks
from selva_core.base.limits import (
    DEFAULT_GUIDANCE,
    DEFAULT_SAMPLE_RATE_HZ,
    DEFAULT_SEED,
    MAX_SEPARATION,
)
from selva_core.base.misspelling import suggest
from selva_core.base.render_options import (
    PANS,
    PRECISIONS,
    QUALITIES,
    PanOptions,
    RenderOptions,
    SamplingOptions,
)

if TYPE_CHECKING:
    from selva_otio import CueSheetRow, SpotOptions, StemTrack
    from selva_otio.formats.options import ReadOptions
    from selva_render.options import OutputOptions

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
    typer.Option(
        "--negative",
        metavar="TEXT",
        help="What must not be heard; NAME=TEXT for one track only.",
        autocompletion=complete_negatives,
    ),
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
        autocompletion=complete_video_tracks,
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
        "--model",
        metavar="ID",
        autocompletion=complete_models,
        help="A row of `selva models list`. Without it, that of the settings, else the largest installed.",
    ),
]
SampleRateOption = Annotated[
    int, typer.Option("--sample-rate", metavar="HZ", help="Sample rate of the stems.")
]
StepsOption = Annotated[
    int | None,
    typer.Option("--steps", help="Sampling steps. By default what is usual for the model and the quality."),
]
QualityOption = Annotated[
    str,
    typer.Option(
        "--quality",
        metavar="|".join(QUALITIES),
        help="draft: fewer steps, for a first look; render again as final, with the same seed, to replace it.",
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="|".join(PRECISIONS),
        help="How exactly the network calculates. auto: what the daemon's device does best.",
    ),
]
AbsentOption = Annotated[
    str | None,
    typer.Option(
        "--absent",
        metavar="silent|keep",
        help="The stem of a sound source that the picture does not show: silent, where the model can tell, or as made. "
        "By default as the settings say.",
    ),
]
PanOption = Annotated[
    str | None,
    typer.Option(
        "--pan",
        metavar="|".join(PANS),
        help="Whether stems are heard from where their thing is seen: by a curve in the timeline, or by stereo files. "
        "By default as the settings say.",
    ),
]
PanWidthOption = Annotated[
    float | None,
    typer.Option(
        "--pan-width",
        metavar="0-1",
        help="How far left and right the edges of the picture are. By default as the settings say.",
    ),
]
DistanceOption = Annotated[
    bool, typer.Option("--distance", help="Make stems quieter while their thing is seen small.")
]
GuidanceOption = Annotated[float, typer.Option("--guidance", help="How strictly the prompt is followed.")]
SeparateOption = Annotated[
    float | None,
    typer.Option(
        "--separate",
        metavar="WEIGHT",
        help=f"Lead each stem away from the other prompts of its clip, 0 to {MAX_SEPARATION:g}; 1 is a good value. By default as "
        "the settings say.",
    ),
]
NamingOption = Annotated[
    str,
    typer.Option(
        "--naming", metavar="HOW", help="How files are called: timecode or ucs (docs/formats/wav.md)."
    ),
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

_BUNDLE_PARAMETERS = ("cut", "output", "model", "for_host", "replace", "as_json", "as_csv")


@dataclass(frozen=True, kw_only=True)
class SpotArguments:
    """What is heard and where, as it was typed."""

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
            parsed = _set_negative(parsed, negative)
        return parsed

    def load_rows(self) -> list[CueSheetRow]:
        """The rows of the cue sheet. Raises CueError."""
        from selva_otio import load_cue_sheet  # noqa: PLC0415 - --help stays light

        return [] if self.cues is None else load_cue_sheet(self.cues)

    def build(self) -> SpotOptions:
        """Raises ClockError, CueError."""
        from selva_otio import SpotOptions  # noqa: PLC0415 - --help stays light
        from selva_otio.time.clock import parse_seconds  # noqa: PLC0415

        return SpotOptions(
            video_track=self.video_track,
            handles_s=parse_seconds(self.handles),
            use_markers=self.use_markers,
            marker_colour=self.marker_colour,
        )


@dataclass(frozen=True, kw_only=True)
class RenderArguments:
    """How stems are made, as it was typed."""

    takes: TakesOption = 1
    seed: SeedOption = DEFAULT_SEED
    model: ModelOption = None
    sample_rate_hz: SampleRateOption = DEFAULT_SAMPLE_RATE_HZ
    num_steps: StepsOption = None
    guidance: GuidanceOption = DEFAULT_GUIDANCE
    separate: SeparateOption = None
    quality: QualityOption = "final"
    precision: PrecisionOption = "auto"
    absent: AbsentOption = None
    pan: PanOption = None
    pan_width: PanWidthOption = None
    distance: DistanceOption = False

    def build(self) -> RenderOptions:
        """What is not said here comes from the settings. Raises RequestError, ConfigurationError."""
        from selva_core.base.settings import load_settings  # noqa: PLC0415 - --help stays light

        settings = load_settings()
        return RenderOptions(
            model=self.model,
            num_takes=self.takes,
            seed=self.seed,
            sample_rate_hz=self.sample_rate_hz,
            sampling=SamplingOptions(
                num_steps=self.num_steps,
                guidance=self.guidance,
                quality=self.quality,
                separate=settings.separate if self.separate is None else self.separate,
            ),
            precision=self.precision,
            absent=settings.absent if self.absent is None else self.absent,
            pan=PanOptions(
                mode=settings.pan if self.pan is None else self.pan,
                width=settings.pan_width if self.pan_width is None else self.pan_width,
                distance=self.distance,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class FileArguments:
    """How the files of stems are named and signed, as it was typed."""

    naming: NamingOption = "timecode"
    c2pa: SignOption = None

    def build(
        self, *, stems_folder: Path, timeline: Path | None = None, host: str | None = None
    ) -> OutputOptions:
        """host: the name of the profile they are written for. Raises RequestError, UnsupportedFormatError."""
        from selva_core.audio.credentials import Signer  # noqa: PLC0415 - --help stays light
        from selva_otio.formats.profiles import find_profile  # noqa: PLC0415
        from selva_render.options import OutputOptions  # noqa: PLC0415

        signer = None
        if self.c2pa is not None:
            certificate, key = (path.resolve() for path in self.c2pa)
            signer = Signer(certificate=certificate, key=key)
        return OutputOptions(
            stems_folder=stems_folder.absolute(),
            timeline=timeline,
            profile=find_profile(host),
            naming=self.naming,
            signer=signer,
        )


@dataclass(frozen=True, kw_only=True)
class MediaArguments:
    """Which part of a media file is looked at, and how images are played, as it was typed."""

    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="S",
            help="Begin here: seconds, a fraction or a timecode. By default at its start.",
        ),
    ] = None
    end: Annotated[
        str | None, typer.Option("--end", metavar="S", help="End here. By default at the end of the file.")
    ] = None
    frame_rate: Annotated[
        str,
        typer.Option(
            "--frame-rate", metavar="FPS", help="Of images: how many a second, as 24 or 24000/1001."
        ),
    ] = "25"
    missing_images: Annotated[
        str,
        typer.Option(
            "--missing-images",
            metavar="WHAT",
            help="What is seen where an image is missing: error, hold or black.",
        ),
    ] = "error"


@dataclass(frozen=True, kw_only=True)
class ReadArguments:
    """What a timeline file may not hold itself, as it was typed."""

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

    def build(self) -> ReadOptions:
        """Raises ClockError, TimelineReadError."""
        from selva_otio.errors import TimelineReadError  # noqa: PLC0415 - --help stays light
        from selva_otio.formats.options import ReadOptions  # noqa: PLC0415
        from selva_otio.time.clock import parse_rate  # noqa: PLC0415
        from selva_render.media import probe_or_none  # noqa: PLC0415

        for folder in self.media_folders:
            if not folder.is_dir():
                advice = (
                    f"; it is a file, name the folder that it is in: {folder.parent}"
                    if folder.exists()
                    else ""
                )
                raise TimelineReadError(f"there is no folder {folder} to look for media in{advice}")
        return ReadOptions(
            frame_rate=None if self.frame_rate is None else parse_rate(self.frame_rate),
            media_folders=self.media_folders,
            probe=probe_or_none,
        )


def is_typed(context: typer.Context, parameter: str) -> bool:
    """Whether the user gave this option, rather than its default."""
    return getattr(context.get_parameter_source(parameter), "name", "") == "COMMANDLINE"


def refuse_options_beside_bundle(context: typer.Context) -> None:
    """Raises typer.BadParameter when an option was typed that a bundle sets itself."""
    typed = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name is not None
        and parameter.name not in _BUNDLE_PARAMETERS
        and is_typed(context, parameter.name)
    ]
    if typed:
        names = ", ".join(typed)
        raise typer.BadParameter(f"a bundle says itself what is heard and how; leave out {names}")


def _set_negative(tracks: list[StemTrack], negative: str) -> list[StemTrack]:
    """NAME=TEXT is for that track, anything without "=" for all. Raises CueError where there is no such track."""
    from selva_otio.errors import CueError  # noqa: PLC0415 - --help stays light

    if not tracks:
        raise CueError(
            f"--negative {negative!r} is for the tracks of --track, and there are none; a cue sheet has a column "
            "'negative', and a marker reads 'Dog: small dog barking | not: birds'"
        )
    name, equals, text = negative.partition("=")
    if not equals:
        return [replace(track, negative_prompt=negative.strip()) for track in tracks]
    key = name.strip().casefold()
    names = [track.name for track in tracks]
    if key not in (each.casefold() for each in names):
        raise CueError(
            f"--negative {negative!r}: no --track is named {name.strip()!r}; there are "
            f"{', '.join(map(repr, names))}{suggest(name.strip(), names)}"
        )
    return [
        replace(track, negative_prompt=text.strip()) if track.name.casefold() == key else track
        for track in tracks
    ]

"""`selva render` and `selva stems` as they are typed; what they do is in render_commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from selva_daemon.cli.host_resolve import (
    AllTimelinesOption,
    HostOption,
    MarkStemsOption,
    TimelineOption,
    run_render_in_host,
)
from selva_daemon.cli.timeline_options import (
    CuesOption,
    FrameRateOption,
    GuidanceOption,
    HandlesOption,
    JsonOption,
    MarkerColourOption,
    MarkersOption,
    MissingImagesOption,
    ModelOption,
    NegativeOption,
    SampleRateOption,
    SeedOption,
    StepsOption,
    TakesOption,
    TrackOption,
    VideoTrackOption,
    is_bundle,
    refuse_wishes_beside_bundle,
)


def render(  # noqa: PLR0917 - typer calls it by keyword
    context: typer.Context,
    cut: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CUT.otio]", help="The timeline; it is read, never changed.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.otio", help="The timeline to write.")
    ] = None,
    track: TrackOption = [],  # noqa: B006 - typer copies it
    cues: CuesOption = None,
    negative: NegativeOption = [],  # noqa: B006
    video_track: VideoTrackOption = None,
    handles: HandlesOption = "0",
    markers: MarkersOption = True,
    marker_colour: MarkerColourOption = "MAGENTA",
    stems_dir: Annotated[
        Path | None,
        typer.Option(
            "--stems-dir", metavar="DIR", help="Where stems go. By default in stems beside OUT.otio."
        ),
    ] = None,
    takes: TakesOption = 1,
    seed: SeedOption = 42,
    model: ModelOption = None,
    sample_rate: SampleRateOption = 48_000,
    steps: StepsOption = 25,
    guidance: GuidanceOption = 4.5,
    host: HostOption = None,
    timeline: TimelineOption = [],  # noqa: B006
    all_timelines: AllTimelinesOption = False,
    mark_stems: MarkStemsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make stems for every clip of a cut, and write the cut with the stems on their own tracks.

    A request bundle (CUT.selva, CUT.selvaz) says itself what is heard; its stems lie in it, and -o may be left out.
    With --host, the cut is the timeline that is open in a host application, and the stems are placed on it.
    """
    from selva_daemon.cli import render_commands  # noqa: PLC0415 - --help stays light

    if cut is not None and is_bundle(cut):
        from selva_daemon.cli import bundles  # noqa: PLC0415

        refuse_wishes_beside_bundle(context)
        bundles.run_render_bundle(cut, output, model=model, as_json=as_json)
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
    making = render_commands.MakingChoices(
        takes=takes,
        seed=seed,
        model=model,
        sample_rate_hz=sample_rate,
        num_steps=steps,
        guidance=guidance,
    )
    if host is not None:
        if cut is not None or output is not None:
            raise typer.BadParameter(
                "--host renders the timeline that is open there; leave out CUT.otio and -o"
            )
        run_render_in_host(
            host,
            spotting,
            making,
            timelines=timeline,
            all_timelines=all_timelines,
            stems_folder=stems_dir,
            marks_stems=mark_stems,
            as_json=as_json,
            context=context,
        )
        return
    if cut is None or output is None:
        raise typer.BadParameter(
            "name a timeline and where to write it, CUT.otio -o OUT.otio; or --host resolve"
        )
    stems_folder = stems_dir or output.parent / "stems"
    render_commands.run_render(cut, output, spotting, making, stems_folder=stems_folder, as_json=as_json)


def stems(  # noqa: PLR0917
    video: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO", help="A media file with a moving picture, or images: frame.%04d.png."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where stems go.")],
    track: TrackOption = [],  # noqa: B006
    negative: NegativeOption = [],  # noqa: B006
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
    frame_rate: FrameRateOption = "25",
    missing_images: MissingImagesOption = "error",
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

    making = render_commands.MakingChoices(
        takes=takes,
        seed=seed,
        model=model,
        sample_rate_hz=sample_rate,
        num_steps=steps,
        guidance=guidance,
    )
    spotting = render_commands.SpottingChoices(tracks=track, negatives=negative)
    look = render_commands.LookChoices(
        start=start, end=end, frame_rate=frame_rate, missing_images=missing_images
    )
    render_commands.run_stems(video, output, spotting, making, look, as_json=as_json)

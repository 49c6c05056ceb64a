"""`selva render` and `selva stems` as they are typed; what they do is in render_commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from selva_cli.commands.host_resolve import (
    AllTimelinesOption,
    HostOption,
    MarkStemsOption,
    TimelineOption,
    run_render_in_host,
)
from selva_cli.options.file_kinds import is_bundle, refuse_media
from selva_cli.options.option_groups import takes_groups
from selva_cli.options.timeline_options import (
    FileArguments,
    JsonOption,
    MediaArguments,
    NegativeOption,
    ReadArguments,
    RenderArguments,
    SpotArguments,
    TrackOption,
    refuse_options_beside_bundle,
)
from selva_cli.terminal.error_reporting import report_errors

CutOrNothing = Annotated[
    Path | None,
    typer.Argument(metavar="[CUT.otio]", help="The timeline; it is read, never changed.", show_default=False),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="OUT.otio", help="The timeline to write.")
]
StemsFolderOption = Annotated[
    Path | None,
    typer.Option("--stems-dir", metavar="DIR", help="Where stems go. By default in stems beside OUT.otio."),
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="HOST",
        help="Write what a host's importer needs: resolve, premiere, kdenlive, reaper or protools.",
    ),
]

ReplaceOption = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Replace OUT.otio even if Selva did not write it. In a host: new stems replace earlier ones in the same "
        "place that are unchanged since.",
    ),
]
BestOfOption = Annotated[
    int | None,
    typer.Option(
        "--best-of",
        metavar="N",
        help="Make N takes of each stem, keep all, and let the one play that agrees most with the others. A hint: listen to all.",
    ),
]


@takes_groups
def render(
    context: typer.Context,
    *,
    cut: CutOrNothing = None,
    output: OutputOption = None,
    spot: SpotArguments,
    stems_dir: StemsFolderOption = None,
    rendering: RenderArguments,
    files: FileArguments,
    for_host: ForOption = None,
    reading: ReadArguments,
    host: HostOption = None,
    timelines: TimelineOption = [],  # noqa: B006 - typer copies it
    all_timelines: AllTimelinesOption = False,
    mark_stems: MarkStemsOption = False,
    best_of: BestOfOption = None,
    replace: ReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make stems for every clip of a cut, and write the cut with the stems on their own tracks.

    A request bundle (CUT.selva, CUT.selvaz) says itself what is heard; its stems lie in it, and -o may be left out.
    With --host, the cut is the timeline that is open in a host application, and the stems are placed on it.
    """
    if cut is not None and is_bundle(cut):
        from selva_cli.commands import bundles  # noqa: PLC0415 - --help stays light

        refuse_options_beside_bundle(context)
        bundles.run_render_bundle(
            cut, output, model=rendering.model, host=for_host, replaces=replace, as_json=as_json
        )
    elif host is not None:
        _refuse_best_of(best_of)
        _refuse_options_beside_host([cut, output, for_host], files=files, rendering=rendering)
        run_render_in_host(
            host,
            spot,
            rendering,
            timelines=timelines,
            all_timelines=all_timelines,
            stems_folder=stems_dir,
            marks_stems=mark_stems,
            replaces=replace,
            as_json=as_json,
            context=context,
        )
    else:
        from selva_cli.commands import render_commands  # noqa: PLC0415
        from selva_render.options import default_stems_folder  # noqa: PLC0415

        cut, output = _require_files(cut, output, spot, as_json=as_json)
        render_commands.run_render(
            cut,
            output,
            stems_dir or default_stems_folder(output),
            host=for_host,
            spot=spot,
            rendering=rendering,
            files=files,
            reading=reading,
            replaces=replace,
            as_json=as_json,
            best_of=best_of,
        )


def _refuse_best_of(best_of: int | None) -> None:
    if best_of is not None:
        raise typer.BadParameter("--best-of is for cuts; with --host, give --takes and choose in the host")


def _refuse_options_beside_host(
    of_files: Sequence[object], *, files: FileArguments, rendering: RenderArguments
) -> None:
    if any(of_files):
        raise typer.BadParameter(
            "--host renders the timeline that is open there; leave out CUT.otio, -o and --for"
        )
    if files.naming != "timecode" or files.c2pa is not None:
        raise typer.BadParameter("--naming and --c2pa are for cuts; with --host, leave them out")
    if rendering.pan not in (None, "off") or rendering.pan_width is not None or rendering.distance:
        raise typer.BadParameter(
            "Resolve's scripting sets no pan over time; leave out --pan, --pan-width and --distance, or export the cut and "
            "render that: selva render CUT.fcpxml -o OUT.fcpxml --pan envelope"
        )


def _require_files(
    cut: Path | None, output: Path | None, spot: SpotArguments, *, as_json: bool
) -> tuple[Path, Path]:
    if cut is not None and output is not None:
        return cut, output
    if cut is None:
        raise typer.BadParameter(
            "name a timeline and where to write it, CUT.otio -o OUT.otio; or --host resolve"
        )
    with report_errors(as_json=as_json):
        refuse_media(cut, spot.tracks)
    raise typer.BadParameter(f"name the timeline to write: selva render {cut} -o OUT.otio")


@takes_groups
def stems(
    *,
    video: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO", help="A media file with a moving picture, or images: frame.%04d.png."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where stems go.")],
    tracks: TrackOption = [],  # noqa: B006 - typer copies it
    negatives: NegativeOption = [],  # noqa: B006
    part: MediaArguments,
    rendering: RenderArguments,
    files: FileArguments,
    as_json: JsonOption = False,
) -> None:
    """Make stems for one media file."""
    from selva_cli.commands import render_commands  # noqa: PLC0415

    render_commands.run_stems(
        video,
        output,
        part=part,
        spot=SpotArguments(tracks=tracks, negatives=negatives),
        rendering=rendering,
        files=files,
        as_json=as_json,
    )

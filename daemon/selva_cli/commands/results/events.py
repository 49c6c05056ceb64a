"""`selva events`: where the sounds of stems begin and how loud they are, as markers, MIDI or CSV."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selva_cli.options.option_groups import takes_groups
from selva_cli.terminal.console import JsonOption, print_json, print_line
from selva_cli.terminal.error_reporting import report_errors

if TYPE_CHECKING:
    from selva_render.events.collect import EventList


@takes_groups
def events(
    *,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="STEMS|CUT", help="A timeline with stems, or stems: WAV files, or a folder of them."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="What to write: .mid (a note an event), .csv, .edl (markers as Resolve imports them), or a timeline with "
            "markers: .otio, .rpp, .fcpxml, .xml.",
        ),
    ],
    note: Annotated[
        int,
        typer.Option(
            "--note", metavar="0-127", help="MIDI key of the first stem track; the next has the next key."
        ),
    ] = 60,
    frame_rate: Annotated[
        str, typer.Option("--frame-rate", metavar="FPS", help="Of the timecode of stems that are files.")
    ] = "25",
    replace: Annotated[bool, typer.Option("--replace", help="Replace OUT if it is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write where the sounds of stems begin and how loud they are, so that your own sampler plays on the picture."""
    from selva_render.events.event_files import check_event_target, write_events  # noqa: PLC0415 - --help stays light

    with report_errors(as_json=as_json):
        cut = _find_cut(sources)
        check_event_target(output, source=cut, replaces=replace)
        found = _collect(sources, cut, frame_rate)
        base_folder = None if cut is None else cut.absolute().parent
        written = write_events(found, output, base_folder=base_folder, first_note=note)
    for line in (*found.missing, *written.losses):
        sys.stderr.write(f"selva: {line}\n")
    if as_json:
        print_json(_describe(found, written.files, written.losses, note))
    else:
        events, tracks = len(found.events), len(found.tracks)
        print_line(
            f"{events} event{'' if events == 1 else 's'} of {tracks} stem track{'' if tracks == 1 else 's'}: "
            f"{written.files[0]}"
        )


def _find_cut(sources: list[Path]) -> Path | None:
    """The timeline among the sources, which must be the only one; None for stems. Raises RequestError."""
    from selva_core.base.errors import RequestError  # noqa: PLC0415 - --help stays light
    from selva_otio.formats.registry import FORMATS  # noqa: PLC0415

    suffixes = {row.suffix for row in FORMATS if row.open is not None}
    cuts = [source for source in sources if source.suffix.lower() in suffixes]
    if cuts and len(sources) > 1:
        raise RequestError("name one timeline, or stems; the stems of a timeline are found by themselves")
    return cuts[0] if cuts else None


def _collect(sources: list[Path], cut: Path | None, frame_rate: str) -> EventList:
    from selva_otio.time.clock import parse_rate  # noqa: PLC0415 - --help stays light
    from selva_render.events.collect import (  # noqa: PLC0415
        collect_file_events,
        collect_timeline_events,
        find_stem_files,
    )

    if cut is not None:
        return collect_timeline_events(cut)
    return collect_file_events(find_stem_files(sources), frame_rate_hz=parse_rate(frame_rate))


def _describe(
    found: EventList, files: tuple[Path, ...], losses: tuple[str, ...], note: int
) -> dict[str, object]:
    from selva_core.base.rational import to_pair  # noqa: PLC0415 - --help stays light
    from selva_render.events.event_files import notes_of_tracks  # noqa: PLC0415

    return {
        "files": [str(file.absolute()) for file in files],
        "tracks": notes_of_tracks(found.tracks, note),
        "events": [
            {
                "track": event.track,
                "clip": event.clip,
                "file": str(event.file),
                "record": to_pair(event.record_s),
                "record_timecode": found.clock.timecode(event.record_s),
                "file_start": to_pair(event.file_s),
                "duration": to_pair(event.duration_s),
                "level_db": event.level_db,
                "velocity": event.velocity,
            }
            for event in found.events
        ],
        "missing": list(found.missing),
        "losses": list(losses),
    }

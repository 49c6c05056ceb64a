"""`selva overview`: a picture of a rendered timeline."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from selva_cli.terminal.console import JsonOption, print_json, print_line
from selva_cli.terminal.error_reporting import report_errors
from selva_core.base.command_line import pip_install_command
from selva_core.base.errors import RequestError, SelvaError


class DrawingUnavailableError(SelvaError):
    """The drawing library (matplotlib) is not installed."""

    code = "drawing-unavailable"


def overview(
    timeline: Annotated[
        Path, typer.Argument(metavar="OUT.otio", help="A timeline that `selva render` wrote.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PICTURE.png", help="The picture to write.")
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace PICTURE.png even if Selva did not draw it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Draw the picture strip, the stems' waveforms and the cue spans on one time axis."""
    if importlib.util.find_spec("matplotlib") is None:
        raise DrawingUnavailableError(
            f"drawing needs matplotlib; install it with: {pip_install_command('matplotlib')}"
        )
    from selva_render.overview import draw_overview, is_drawn_here  # noqa: PLC0415 - --help loads no decoder
    from selva_render.overview_sources import collect_overview  # noqa: PLC0415

    with report_errors(as_json=as_json):
        _require_picture_name(output)
        if not replace and os.path.lexists(output) and not is_drawn_here(output):
            raise RequestError(
                f"{output} exists already and was not drawn by Selva; choose another name, or add --replace to replace it"
            )
        collected = collect_overview(timeline)
        draw_overview(
            collected.title, collected.strip, collected.rows, end_s=collected.end_s, out_path=output
        )
    for line in collected.missing:
        sys.stderr.write(f"selva: {line}\n")
    if as_json:
        print_json(
            {"picture": str(output), "stem_tracks": len(collected.rows), "missing": list(collected.missing)}
        )
    else:
        print_line(f"{output}")


def _require_picture_name(output: Path) -> None:
    """Raises RequestError: the file is replaced, and a timeline or a note named by mistake would be lost."""
    if output.suffix.lower() != ".png":
        raise RequestError(
            f"the picture is a PNG file; got {output}; name it for instance {output.with_suffix('.png').name}"
        )

"""Several wordings of one sound, some takes of each, on a page to listen to.

    python examples/python/prompt_sweep.py VIDEO OUT.html "a dog barking" "a small dog yapping" --takes 3

The stems lie beside the page, in a folder of its name; the page plays them from there.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from selva_daemon import Client
from selva_otio import StemTrack
from selva_render import OutputOptions, RenderedStem, RenderOptions, render_sheet, spot_media


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("prompts", nargs="+")
    parser.add_argument("--takes", type=int, default=3)
    options = parser.parse_args(arguments)

    # Each wording is a stem track of its own: one job, and the picture is looked at once for all of them.
    tracks = [
        StemTrack(name=f"{number:02}", prompt=text) for number, text in enumerate(options.prompts, start=1)
    ]
    sheet = spot_media(options.video, tracks)
    folder = options.page.with_suffix("").absolute()
    with Client.connect(start_if_needed=True) as client:
        report = render_sheet(
            sheet,
            RenderOptions(num_takes=options.takes),
            OutputOptions(stems_folder=folder),
            client=client,
            timeline_name=options.video.name,
            on_status=lambda _job, _status: None,
        )
    options.page.write_text(build_page(options.video.name, report.stems, folder.name), encoding="utf-8")
    print(f"{len(report.stems)} takes: {options.page}")
    return 1 if report.failed else 0


def build_page(title: str, stems: Sequence[RenderedStem], folder: str) -> str:
    """A row per wording, a player per take, with how much the model saw of it."""
    rows = []
    for prompt in dict.fromkeys(stem.cue.prompt for stem in stems):
        cells = [
            f"<td>take {stem.result.take}, seed {stem.result.seed}{describe_presence(stem)}<br>"
            f'<audio controls src="{quote(folder)}/{quote(Path(stem.result.file).name)}"></audio></td>'
            for stem in stems
            if stem.cue.prompt == prompt
        ]
        rows.append(f"<tr><th>{html.escape(prompt)}</th>{''.join(cells)}</tr>")
    return (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<h1>{html.escape(title)}</h1><table>{''.join(rows)}</table>\n"
    )


def describe_presence(stem: RenderedStem) -> str:
    return "" if stem.result.presence is None else f", seen {stem.result.presence:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

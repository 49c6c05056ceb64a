"""Stems for the rows of a spreadsheet, saved as CSV with columns of its own.

    python examples/python/cues_from_spreadsheet.py CUT.otio SHEET.csv OUT.otio

The columns here are Sound, Description, Shot and Takes, as a sound department might write them; COLUMNS says which field of a cue
each one is. A row without a shot is for every clip.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from selva_daemon import Client
from selva_otio import load_cue_sheet, open_timeline, spot_timeline
from selva_render import OutputOptions, RenderOptions, render_timeline

COLUMNS = {"Sound": "track", "Description": "prompt", "Shot": "clip", "Takes": "takes"}


def main(arguments: Sequence[str]) -> int:
    cut, sheet_file, out = map(Path, arguments)
    with tempfile.TemporaryDirectory() as folder:
        cue_sheet = Path(folder) / "cues.csv"
        translate(sheet_file, cue_sheet)
        rows = load_cue_sheet(cue_sheet)  # refuses what makes no sense, with the row that it is in
    output = OutputOptions(stems_folder=out.absolute().parent / "stems", timeline=out)
    with open_timeline(cut) as opened, Client.connect(start_if_needed=True) as client:
        sheet = spot_timeline(opened.timeline, rows=rows, base_folder=opened.base_folder, media=opened.media)
        report = render_timeline(
            opened.timeline,
            sheet,
            RenderOptions(),
            output,
            client=client,
            on_status=lambda _job, _status: None,
            base_folder=opened.base_folder,
            media=opened.media,
        )
    for stem in report.stems:
        print(f"{stem.cue.track} take {stem.result.take} on {stem.cue.clip.name}: {stem.result.file}")
    for clip in report.failed:
        print(f"{clip.name} failed: {clip.message}", file=sys.stderr)
    return 1 if report.failed else 0


def translate(source: Path, target: Path) -> None:
    """A cue sheet with the field names of Selva; columns that COLUMNS does not name are left out."""
    with (
        source.open(encoding="utf-8-sig", newline="") as read,
        target.open("w", encoding="utf-8", newline="") as write,
    ):
        writer = csv.DictWriter(write, list(COLUMNS.values()))
        writer.writeheader()
        for row in csv.DictReader(read):
            writer.writerow({field: (row.get(column) or "").strip() for column, field in COLUMNS.items()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

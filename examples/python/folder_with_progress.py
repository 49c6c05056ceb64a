"""Stems for every video of a folder, with one line of progress.

    python examples/python/folder_with_progress.py VIDEOS STEMS "Dog=a dog barking" ["Rain=rain" ...]

A video that fails is named at the end and does not stop the others; the exit status is then 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_daemon import Client, JobStatus
from selva_otio import parse_stem_track
from selva_render import ClipJob, OutputOptions, RenderOptions, render_sheet, spot_media

VIDEOS = (".mp4", ".mov", ".mkv", ".mxf", ".avi", ".webm")


def main(arguments: Sequence[str]) -> int:
    folder, stems, *prompts = arguments
    tracks = [parse_stem_track(prompt) for prompt in prompts]
    videos = sorted(file for file in Path(folder).iterdir() if file.suffix.lower() in VIDEOS)
    failed: list[str] = []
    with Client.connect(start_if_needed=True) as client:
        for number, video in enumerate(videos, start=1):

            def show(
                job: ClipJob, status: JobStatus, *, where: str = f"{number}/{len(videos)} {video.name}"
            ) -> None:
                left = "" if status.seconds_left is None else f", {status.seconds_left:.0f} s left"
                print(f"\r{where}: {status.state} {status.fraction:4.0%}{left}   ", end="", flush=True)

            try:
                sheet = spot_media(video, tracks)
                output = OutputOptions(stems_folder=Path(stems).absolute() / video.stem)
                report = render_sheet(
                    sheet, RenderOptions(), output, client=client, timeline_name=video.name, on_status=show
                )
                print()
                failed += [f"{video.name}: {clip.message}" for clip in report.failed]
            except SelvaError as error:
                failed.append(f"{video.name}: {error.message}")
    print("\n".join(failed or [f"{len(videos)} videos done, stems in {stems}"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

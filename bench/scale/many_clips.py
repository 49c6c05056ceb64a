"""How spotting a cut, building its jobs and placing its stems grow with the number of clips and markers.

    PYTHONPATH=.:bench python bench/scale/many_clips.py [--clips 2500 10000]

No sound is made. Prints one JSON object; times are seconds of processor time, so that other load does not count.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import opentimelineio as otio

from selva_core.base.render_options import RenderOptions
from selva_otio import Stem, StemTrack, place_stems, spot_timeline
from selva_render.jobs import build_jobs
from selva_render.options import OutputOptions

ROOT = Path(__file__).parent.parent.parent
RATE_HZ = 25
CLIP_FRAMES = 2
TRACKS = [StemTrack(name="Dog", prompt="dog barking"), StemTrack(name="Bell", prompt="bell")]

Result = TypeVar("Result")


def frames(first: int, count: int) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, RATE_HZ), otio.opentime.RationalTime(count, RATE_HZ)
    )


def build_cut(num_clips: int, media: Path) -> otio.schema.Timeline:
    """Clips of two frames, one after another, with a marker on the timeline over each."""
    timeline, track = otio.schema.Timeline(name="many"), otio.schema.Track(name="V1", kind="Video")
    timeline.tracks.append(track)
    for number in range(num_clips):
        clip = otio.schema.Clip(name=f"clip {number}", source_range=frames(0, CLIP_FRAMES))
        clip.media_reference = otio.schema.ExternalReference(
            target_url=media.as_uri(), available_range=frames(0, 50)
        )
        track.append(clip)
        marked = frames(CLIP_FRAMES * number, 1)
        timeline.tracks.markers.append(otio.schema.Marker(name="Cat: cat meowing", marked_range=marked))
    return timeline


def measure(num_clips: int, folder: Path) -> dict[str, float]:
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Result]) -> Result:
        begun_s = time.process_time()
        result = step()
        seconds[name] = round(time.process_time() - begun_s, 2)
        return result

    media = folder / "clip.mp4"
    media.touch()
    cut = build_cut(num_clips, media)
    options, output = RenderOptions(model="selva-echo"), OutputOptions(stems_folder=folder / "stems")
    sheet = timed("spot", lambda: spot_timeline(cut, TRACKS, base_folder=folder))
    timed("jobs", lambda: build_jobs(sheet, options, output, timeline_name=cut.name))
    stems = [
        Stem(
            cue=cue.id, take=1, seed=1, file=folder / f"{cue.id}.wav", sample_rate_hz=48_000, num_samples=3840
        )
        for cue in sheet.cues
    ]
    placed = timed("place", lambda: place_stems(cut, sheet, stems))
    timed("place again", lambda: place_stems(placed.timeline, sheet, stems))
    return {"stems": len(stems), **seconds}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[2500, 10_000])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = {number: measure(number, Path(folder)) for number in options.clips}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(json.dumps({"clips": rows, "commit": commit.stdout.strip(), "system": platform.platform()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

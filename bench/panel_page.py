"""How the page of the panel behaves in Chromium: many clips while scrolling, opening, and the drift of picture against sound.

    python bench/panel_page.py [--clips 100] [--tracks 10] [--steps 300] [--minutes 10]

Needs Node.js, Chromium (or SELVA_CHROMIUM) and `npm ci --prefix plugins/panel/web`. The page runs against the server of its
tests, without a daemon. Prints one JSON object:

    scroll  a session of --clips by --tracks, scrolled sideways and downwards in --steps frames: intervals between frames by the
            clock, and processor milliseconds of each task of the main thread, which other programs on the machine do not lengthen
    open    the same for 2,000 clips; opened_ms is from the navigation to the painted timeline, `opening` its processor time
    drift   --minutes of playing a cut with a shot a minute: for each picture that was shown, its time against that of the sound
            that is heard then
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from run_info import describe_run

SCRIPTS = Path(__file__).parent.parent / "tests" / "selva_panel" / "page" / "scripts"
RATE_HZ = 25


def run_script(script: str, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(SCRIPTS / script), *(json.dumps(argument) for argument in arguments)],
        capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "SELVA_CHROMIUM": os.environ.get("SELVA_CHROMIUM") or shutil.which("chromium") or ""},
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr[-3000:]}")
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def write_film(target: Path, minutes: float) -> None:
    """A grey ramp that moves, H.264, 25 frames per second."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(RATE_HZ), options={"preset": "ultrafast", "g": "25"}
        )
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        ramp = np.tile(np.arange(320), (180, 1))
        shades = [((ramp + 4 * step) % 256).astype(np.uint8) for step in range(64)]
        for index in range(round((minutes + 1) * 60 * RATE_HZ)):
            frame = av.VideoFrame.from_ndarray(shades[index % 64], format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--tracks", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    found: dict[str, Any] = {"run": describe_run()}
    found["scroll"] = run_script("large.mjs", options.clips, options.tracks, options.steps, True)
    found["open"] = run_script("large.mjs", 2000, options.tracks, options.steps, True)
    if options.minutes > 0:
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "film.mp4"
            write_film(film, options.minutes)
            found["drift"] = run_script("drift.mjs", str(film), options.minutes)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

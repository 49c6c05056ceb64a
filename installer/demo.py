"""The main job on the example cut, with the commands a person would type."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from environment import SetupError

TRACKS = (
    ("Dog", "a dog barking"),
    ("Knock", "knocking on a door"),
    ("Siren", "a siren wailing"),
)


def run_demo(root: Path, selva: Path, out: Path) -> int:
    """Render the example cut with the model that comes with the repository, and draw what was made.

    selva: the command that was installed. Everything that is made lies under `out`. Raises SetupError when a command fails.
    """
    timeline, picture = out / "cut.otio", out / "overview.png"
    out.mkdir(parents=True, exist_ok=True)
    tracks = [argument for name, prompt in TRACKS for argument in ("--track", f"{name}={prompt}")]
    _run(
        [
            str(selva), "render", str(root / "examples" / "cut.otio"), "-o", str(timeline),
            "--stems-dir", str(out / "stems"), "--model", "selva-nano", *tracks,
        ],
        "The example cut could not be rendered",
    )  # fmt: skip
    _run([str(selva), "overview", str(timeline), "-o", str(picture)], "The picture could not be drawn")
    print(f"\nStems     {out / 'stems'}\nTimeline  {timeline}\nPicture   {picture}")
    print(f"\nThe daemon goes on running for the next render; stop it with: {selva} daemon stop")
    return 0


def _run(command: Sequence[str], complaint: str) -> None:
    print(f"\n$ {shlex.join(command)}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status == 130:
        raise KeyboardInterrupt
    if status != 0:
        raise SetupError(
            f"{complaint} (status {status}); the lines above say why. The daemon's log: {command[0]} daemon logs"
        )

"""The main job on the example cut, with the commands a person would type."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from environment import SetupError, printed_command

MODEL = "selva-nano"
"""The one that comes with the repository."""
TRACKS = {
    "Dog": "a dog barking",
    "Knock": "knocking on a door",
    "Siren": "a siren wailing",
    "Bird": "a bird chirping",
}
"""One prompt a track, over all clips: each is seen in one of them, and silent in the others."""


def run_demo(root: Path, selva: Path, out: Path, *, model: str = MODEL) -> int:
    """Render the example cut and draw what was made.

    selva: the command that was installed. Everything that is made lies under `out`. Raises SetupError when a command fails.
    """
    timeline, picture = out / "cut.otio", out / "overview.png"
    out.mkdir(parents=True, exist_ok=True)
    _run(
        [
            str(selva), "render", str(root / "examples" / "cut.otio"), "-o", str(timeline),
            "--stems-dir", str(out / "stems"), "--model", model,
            *(text for track, prompt in TRACKS.items() for text in ("--track", f"{track}={prompt}")),
        ],
        "The example cut could not be rendered",
    )  # fmt: skip
    _run([str(selva), "overview", str(timeline), "-o", str(picture)], "The picture could not be drawn")
    print(f"\nStems     {out / 'stems'}\nTimeline  {timeline}\nPicture   {picture}")
    print(
        f"\nThe daemon goes on running for the next render; stop it with: {printed_command([selva, 'daemon', 'stop'])}"
    )
    return 0


def _run(command: Sequence[str], complaint: str) -> None:
    print(f"\n$ {printed_command(command)}", flush=True)
    status = subprocess.run(command, check=False).returncode
    if status == 130:
        raise KeyboardInterrupt
    if status != 0:
        raise SetupError(
            f"{complaint} (status {status}); the lines above say why. "
            f"The daemon's log: {printed_command([command[0], 'daemon', 'logs'])}"
        )

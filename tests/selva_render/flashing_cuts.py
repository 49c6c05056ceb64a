"""Cuts of a clip that flashes, rendered with the echo model, and the samples where their clicks must lie."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import soundfile
from typer.testing import CliRunner

from selva_cli.app import app
from tests.selva_otio.cuts import ONE_HOUR_LABELS, RATES, CutBuilder
from tests.support.flashes import click_samples, write_flashing_clip

FLASHES = (0, 9, 20, 21, 33, 47, 60, 71)
NUM_FRAMES = 72


def run(*arguments: str | Path, status: int = 0) -> Any:
    """Run `selva ... --json`; returns its one JSON object."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


def render(cut: Path, out: Path, *options: str, status: int = 0) -> Any:
    return run("render", cut, "-o", out, "--model", "selva-echo", *options, status=status)


def cut_builder(folder: Path, rate_name: str) -> CutBuilder:
    """A timeline that starts at 01:00:00:00, of media that starts at 10:00:00:00."""
    rate = RATES[rate_name]
    write_flashing_clip(folder / "shot #1.mov", rate=rate, num_frames=NUM_FRAMES, flashes=FLASHES)
    return CutBuilder(
        rate_hz=float(rate),
        start_frame=ONE_HOUR_LABELS[rate_name],
        media_start_frame=36_000 * round(rate),
        media_num_frames=NUM_FRAMES,
        media_url=(folder / "shot #1.mov").as_uri(),
    )


def record_clicks(stem: dict[str, Any]) -> list[int]:
    """Clicks in samples after the timeline's start, checked against the file's stated length."""
    info = soundfile.info(stem["file"])
    assert (info.frames, info.samplerate, info.channels) == (stem["num_samples"], stem["sample_rate_hz"], 1)
    return [stem["start_sample"] - stem["offset_samples"] + at for at in click_samples(Path(stem["file"]))]


def flashes_seen(*, record: int, offset: int, frames: int, speed: Fraction = Fraction(1)) -> list[Fraction]:
    """Record frames at which a clip's flashes are first seen; of two white frames only the first seen is a flash."""
    last = offset + frames * abs(speed) - 1
    seen = []
    for flash in FLASHES:
        if flash - (1 if speed > 0 else -1) in FLASHES:
            continue
        at = record + (flash - offset) / speed if speed > 0 else record + (last - flash) / -speed
        if record <= at < record + frames:
            seen.append(at)
    return sorted(seen)


def at_samples(frames: list[Fraction], rate: Fraction, sample_rate_hz: int = 48_000) -> list[int]:
    return [int(frame / rate * sample_rate_hz + Fraction(1, 2)) for frame in frames]

"""Programs that share no code with this product and judge what it writes; without one its tests are skipped with a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from tests.judges.independent_readers import SAMPLE_RATE_HZ, SoundPlacement
from tests.support.daemon_fixtures import _own_folders, paths, start_server

__all__ = ["_own_folders", "paths", "start_server"]

Sound = npt.NDArray[np.float64]
GesMix = Callable[[Sequence[SoundPlacement]], Sound]
MeltRender = Callable[[Path, Path], Path]

_SYSTEM_PYTHON = Path("/usr/bin/python3")
_HAS_GES = "import gi; gi.require_version('GES', '1.0'); gi.require_version('GstPbutils', '1.0')"
_SCRIPT = Path(__file__).with_name("ges_mix.py")


@pytest.fixture(scope="session")
def ges_python() -> Path:
    """A Python that has GStreamer Editing Services."""
    found = (
        _SYSTEM_PYTHON.exists()
        and not subprocess.run([_SYSTEM_PYTHON, "-c", _HAS_GES], capture_output=True, check=False).returncode
    )
    if not found:
        pytest.skip(
            "GStreamer Editing Services are not installed (python3-gi, gir1.2-ges-1.0): no mix is judged"
        )
    return _SYSTEM_PYTHON


@pytest.fixture
def ges_mix(ges_python: Path, tmp_path: Path) -> GesMix:
    """Let GES mix some sound; gives its left side as float64 at 48 kHz, after the right was found to be the same."""

    def mix(placements: Sequence[SoundPlacement]) -> Sound:
        plan, target = tmp_path / "plan.json", tmp_path / "ges.wav"
        layers = [[_as_clip(placement)] for placement in placements]
        plan.write_text(json.dumps({"sample_rate_hz": SAMPLE_RATE_HZ, "layers": layers}), encoding="utf-8")
        command: list[str | Path] = [ges_python, _SCRIPT, plan, target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        reported = [(clip["start_ns"], clip["duration_ns"]) for clip in json.loads(done.stdout)]
        assert sorted(reported) == sorted((layer[0]["start_ns"], layer[0]["duration_ns"]) for layer in layers)
        samples, rate_hz = soundfile.read(target, dtype="float64", always_2d=True)
        assert rate_hz == SAMPLE_RATE_HZ
        assert np.array_equal(samples[:, 0], samples[:, 1])
        left: Sound = samples[:, 0]
        return left

    return mix


@pytest.fixture
def melt_render(tmp_path: Path) -> MeltRender:
    """Let melt render an MLT file, picture without loss and sound of 16 bits."""
    melt = shutil.which("melt")
    if melt is None:
        pytest.skip("melt is not installed (Debian's package melt): no preview is judged")

    def render(project: Path, target: Path) -> Path:
        options = ["real_time=-1", "vcodec=ffv1", "acodec=pcm_s16le", f"ar={SAMPLE_RATE_HZ}", "progressive=1"]
        command: list[str | Path] = [melt, project, "-consumer", f"avformat:{target}", *options]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(tmp_path)}
        for timeout_s in (90, 120):  # melt 7.12 sometimes never ends; a second run does
            with suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    command, capture_output=True, text=True, env=environment, timeout=timeout_s, check=False
                )
                break
        else:
            pytest.fail("melt came to no end, twice")
        assert done.returncode == 0, done.stderr[-2000:]
        return target

    return render


def _as_clip(placement: SoundPlacement) -> dict[str, str | int]:
    """For GES, which counts in nanoseconds from the start of the timeline and of the file."""
    start_ns, end_ns = _nanoseconds(placement.start_s), _nanoseconds(placement.start_s + placement.duration_s)
    return {
        "uri": placement.file.as_uri(),
        "start_ns": start_ns,
        "inpoint_ns": _nanoseconds(placement.offset_s),
        "duration_ns": end_ns - start_ns,
    }


def _nanoseconds(seconds: Fraction) -> int:
    return round(seconds * 10**9)

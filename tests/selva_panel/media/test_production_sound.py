"""The cut's own sound: as loud as it is in its files, beside stems that have one channel too."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_panel.media.production_sound import write_production_sound

RATE_HZ = 48_000


@pytest.mark.parametrize("levels", [(0.25,), (0.25, 0.125)], ids=["mono", "stereo"])
def test_a_file_is_heard_at_its_own_level_on_both_sides(tmp_path: Path, levels: tuple[float, ...]) -> None:
    source, target = tmp_path / "Büro 犬.wav", tmp_path / "mix.wav"
    soundfile.write(source, np.tile(levels, (RATE_HZ, 1)), RATE_HZ, subtype="PCM_24")
    part = {"path": str(source), "start_s": "0", "duration_s": "1", "at_s": "1/2"}
    assert write_production_sound([part], target, duration_s=Fraction(2)) == 1
    mix, rate_hz = soundfile.read(target)
    assert (rate_hz, mix.shape) == (RATE_HZ, (2 * RATE_HZ, 2))
    assert mix[RATE_HZ] == pytest.approx([levels[0], levels[-1]], abs=1e-3)
    assert not mix[: RATE_HZ // 2 - 100].any()

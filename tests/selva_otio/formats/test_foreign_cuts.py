"""Cuts in the shapes of foreign exporters, with what is seen of them: expected.json beside them."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.media import MediaInfo
from selva_otio import StemTrack, spot_timeline
from selva_otio.formats.options import ReadOptions
from selva_otio.timelines import open_timeline

FOREIGN = Path(__file__).parents[2] / "data" / "foreign"
NTSC = Fraction(30000, 1001)
MEDIA = {
    name: MediaInfo(path=Path(name), duration_s=Fraction(200), frame_rate_hz=rate, timecode=None)
    for name, rate in (("shot25.mov", Fraction(25)), ("shot30.mov", NTSC), ("long2997.mov", NTSC))
}
EXPECTED = json.loads((FOREIGN / "expected.json").read_text(encoding="utf-8"))


def describe(folder: Path, name: str) -> dict[str, Any]:
    """The label of the first frame, and of each clip its record time, length, media time and speed."""
    for media in MEDIA:
        (folder / media).write_bytes(b"")
    path = Path(shutil.copy(FOREIGN / name, folder / name))
    rate = NTSC if name in ("df.edl", "ndf.edl") else Fraction(25)
    options = ReadOptions(frame_rate=rate, probe=lambda media: MEDIA.get(media.name))
    with open_timeline(path, options) as opened:
        sheet = spot_timeline(
            opened.timeline, [StemTrack(name="D", prompt="dog")], base_folder=opened.base_folder
        )
    return {
        "start": sheet.clock.timecode(Fraction(0)),
        "clips": [
            [str(value) for value in (clip.record_start_s, clip.duration_s, clip.media_start_s, clip.speed)]
            for clip in sheet.clips
        ],
    }


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_foreign_cut_shows_what_its_program_showed(tmp_path: Path, name: str) -> None:
    assert describe(tmp_path, name) == EXPECTED[name]


def test_every_foreign_cut_has_an_expectation() -> None:
    assert {path.name for path in FOREIGN.iterdir()} - {"expected.json"} == set(EXPECTED)

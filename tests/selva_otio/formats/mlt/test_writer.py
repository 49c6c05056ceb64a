"""MLT XML as we write it; what melt makes of it is judged in tests/judges."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.round_trips import seen, spot, with_stems


def written(timeline: otio.schema.Timeline, folder: Path) -> ET.Element:
    write_timeline(timeline, folder / "cut.mlt")
    return ET.parse(folder / "cut.mlt").getroot()  # noqa: S314 - our own file


def properties(element: ET.Element) -> dict[str, str]:
    return {str(child.get("name")): child.text or "" for child in element.findall("property")}


def test_every_clip_keeps_its_frames(cut_with_hour_start: CutBuilder, tmp_path: Path) -> None:
    cut = cut_with_hour_start
    first = cut.track(
        cut.gap(13), cut.clip("shot.mov", offset=37, frames=120), cut.clip("shot.mov", offset=5, frames=1)
    )
    second = cut.track(cut.gap(40), cut.clip("shot.mov", offset=3, frames=10), name="V2")
    timeline = cut.timeline(first, second)
    written(timeline, tmp_path)
    back = load_timeline(tmp_path / "cut.mlt")
    assert [shot[:6] for shot in seen(spot(back))] == [shot[:6] for shot in seen(spot(timeline))]
    assert [track.name for track in back.tracks] == ["V1", "V2"]


def test_sound_of_all_tracks_is_added_up_and_stems_keep_their_level(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0)
    placed = with_stems(cut.timeline(cut.track(cut.clip("a", offset=0, frames=20))), tmp_path)
    (stem,) = placed.tracks[-1].find_clips()
    stem.metadata["selva"]["gain_db"] = -6.0
    root = written(placed, tmp_path)
    tractor = root.find("tractor")
    assert tractor is not None
    assert [track.get("hide") for track in tractor.findall("track")] == ["audio", "audio", "video"]
    (mix,) = [properties(element) for element in tractor.findall("transition")]
    assert mix == {"a_track": "0", "b_track": "2", "mlt_service": "mix", "always_active": "1", "sum": "1"}
    (volume,) = [properties(element) for element in root.iter("filter")]
    assert float(volume["level"]) == pytest.approx(-6.0 + 3.0103, abs=1e-4)


@pytest.mark.parametrize(
    ("speed", "service", "first"), [(2.0, "timewarp", 10), (-1.0, "timewarp", 9_950), (0.0, "avformat", 0)]
)
def test_retimed_clips_start_where_melt_counts_their_frames(
    tmp_path: Path, speed: float, service: str, first: int
) -> None:
    cut = CutBuilder(rate_hz=24.0)
    root = written(cut.timeline(cut.track(cut.clip("a", offset=20, frames=30, speed=speed))), tmp_path)
    (entry,) = root.iter("entry")
    producer = next(found for found in root.iter("producer") if found.get("id") == entry.get("producer"))
    assert properties(producer)["mlt_service"] == service
    assert (entry.get("in"), entry.get("out")) == (str(first), str(first + 29))


def test_disabled_clips_become_gaps_and_any_name_is_written(tmp_path: Path) -> None:
    cut = CutBuilder(rate_hz=24.0, media_url="file:///media/a%20%26%20%3Cb%3E%20%23.mov")
    off = cut.clip("off", offset=0, frames=9)
    off.enabled = False
    timeline = cut.timeline(cut.track(off, cut.clip("\x01 bell", offset=0, frames=5), name="\x07"))
    root = written(timeline, tmp_path)
    assert [child.get("length") for child in root.iter("blank")] == ["9"]
    assert "/media/a & <b> #.mov" in [properties(found).get("resource") for found in root.iter("producer")]

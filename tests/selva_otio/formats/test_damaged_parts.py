"""A damaged transition, marker, filter or length costs what it belongs to, and nothing that follows."""

from __future__ import annotations

from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline
from tests.selva_otio.formats.test_one_bad_thing import FCPXML, KDENLIVE
from tests.selva_otio.round_trips import spot

XMEML = """<xmeml version="5"><sequence><name>s</name><rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate><media><video><track>
<clipitem id="1"><name>a</name><start>0</start><end>-1</end><in>0</in><out>55</out><rate><timebase>25</timebase></rate>
<file id="f"><name>a.mov</name><pathurl>file://localhost/m/a.mov</pathurl><rate><timebase>25</timebase></rate>
<duration>500</duration></file><marker><name>Dog: small dog</name><in>{marker}</in><out>-1</out></marker>
<filter><effect><effectid>audiolevels</effectid><name>L</name><parameter><parameterid>level</parameterid>
<value>{level}</value></parameter></effect></filter></clipitem>
<transitionitem><start>{transition}</start><end>55</end><alignment>center</alignment></transitionitem>
<clipitem id="2"><name>b</name><start>-1</start><end>100</end><in>100</in><out>155</out><rate><timebase>25</timebase></rate>
<file id="f"/></clipitem></track></video></media></sequence></xmeml>"""


@pytest.mark.parametrize(
    ("damage", "transitions", "markers", "edges"),
    [
        ({}, 1, 1, {"a": (0, 50), "b": (50, 50)}),
        ({"transition": "abc"}, 0, 1, {"a": (0, 45), "b": (45, 55)}),
        ({"transition": "-5"}, 0, 1, {"a": (0, 45), "b": (45, 55)}),
        ({"marker": "1e400"}, 1, 0, {"a": (0, 50), "b": (50, 50)}),
    ],
)
def test_a_damaged_part_of_final_cut_pro_7_xml_fails_alone(
    tmp_path: Path,
    damage: dict[str, str],
    transitions: int,
    markers: int,
    edges: dict[str, tuple[int, int]],
) -> None:
    """Without the frames of a transition its clips are as long as they say themselves, and meet in a cut."""
    values = {"marker": "10", "level": "1", "transition": "45"} | damage
    (tmp_path / "cut.xml").write_text(XMEML.format(**values), encoding="utf-8")
    timeline = load_timeline(tmp_path / "cut.xml")
    [track] = timeline.video_tracks()
    assert sum(isinstance(child, otio.schema.Transition) for child in track) == transitions
    clips = {clip.name: clip for clip in timeline.find_clips()}
    assert len(clips["a"].markers) == markers
    spans = {name: clip.range_in_parent() for name, clip in clips.items()}
    assert {name: (span.start_time.value, span.duration.value) for name, span in spans.items()} == edges


def test_an_endless_value_of_a_filter_costs_its_clip_alone(tmp_path: Path) -> None:
    text = XMEML.format(marker="1", transition="45", level="1e400")
    (tmp_path / "cut.xml").write_text(text, encoding="utf-8")
    sheet = spot(load_timeline(tmp_path / "cut.xml"))
    assert [clip.name for clip in sheet.clips] == ["b"]
    assert "a number; got '1e400'" in sheet.skipped[0].reason


@pytest.mark.parametrize(
    ("start", "duration", "expected"), [("1s", "1s", 1), ("abc", "1s", 0), ("1s", "x", 1)]
)
def test_a_damaged_marker_of_fcpxml_costs_no_clip(
    tmp_path: Path, start: str, duration: str, expected: int
) -> None:
    marker = f'<marker start="{start}" duration="{duration}" value="Dog: small dog"/></asset-clip>'
    text = FCPXML.format(first="4s").replace('duration="4s"/>', f'duration="4s">{marker}', 1)
    text = text.replace("<resources>", '<resources><format id="r1" frameDuration="1/25s"/>')
    (tmp_path / "cut.fcpxml").write_text(text, encoding="utf-8")
    sheet = spot(load_timeline(tmp_path / "cut.fcpxml"))
    assert [clip.name for clip in sheet.clips] == ["a", "b"]
    timeline = load_timeline(tmp_path / "cut.fcpxml")
    first, _ = timeline.find_clips()
    assert len(first.markers) == expected


def test_an_entry_of_mlt_without_a_producer_keeps_its_place(tmp_path: Path) -> None:
    """It moved all that follows it to an earlier time."""
    whole = KDENLIVE.format(speed="2")
    (tmp_path / "cut.kdenlive").write_text(whole, encoding="utf-8")
    timeline = load_timeline(tmp_path / "cut.kdenlive")
    expected = list(timeline.find_clips())[1].range_in_parent()
    text = whole.replace('<entry producer="a"', '<entry producer="gone"')
    (tmp_path / "cut.kdenlive").write_text(text, encoding="utf-8")
    timeline = load_timeline(tmp_path / "cut.kdenlive")
    damaged, found = timeline.find_clips()
    assert damaged.media_reference.metadata["selva_missing"] == "the file has no producer 'gone'"
    assert found.range_in_parent() == expected

"""What a file says about drop-frame labels stays so in names, labels and every file that is written from it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.formats.options import ReadOptions
from selva_otio.time.item_times import find_record_clock
from selva_otio.timelines import open_timeline
from tests.selva_otio.round_trips import spot, with_stems

XMEML = """<?xml version="1.0"?><!DOCTYPE xmeml><xmeml version="4"><sequence id="s"><name>s</name><duration>3900</duration>
<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate><timecode><rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate>
<string>{label}</string><frame>{frame}</frame>{display}</timecode><media><video><track><clipitem id="c"><name>a</name>
<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate><duration>4000</duration><in>0</in><out>300</out>
<start>3600</start><end>3900</end><file id="f"><name>a.mov</name><pathurl>file:///m/a.mov</pathurl><duration>4000</duration>
<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate><media><video/></media></file></clipitem></track></video></media></sequence></xmeml>"""
FCPXML = """<fcpxml version="1.10"><resources><format id="r1" frameDuration="1001/30000s"/>
<asset id="r2" start="0s" duration="200s" hasVideo="1" format="r1" src="file:///m/a.mov"/></resources><project name="s">
<sequence format="r1" tcStart="0s"{display}><spine><gap offset="0s" duration="3603600/30000s"/>
<asset-clip ref="r2" name="a" offset="3603600/30000s" duration="300300/30000s"/></spine></sequence></project></fcpxml>"""
EDL = """TITLE: s
{display}001  BL       V     C        00:00:00{x}00 00:00:01{x}00 00:00:00{x}00 00:00:01{x}00
002  A        V     C        00:02:00{x}04 00:02:10{x}04 00:02:00{x}04 00:02:10{x}04
"""
NON_DROP, DROP = "00:02:00:00", "00:02:00;04"
SOURCES = {
    "xmeml NDF": (
        "xml",
        XMEML.format(label="00:00:00:00", frame=0, display="<displayformat>NDF</displayformat>"),
        NON_DROP,
    ),
    "xmeml DF": (
        "xml",
        XMEML.format(label="00;00;00;00", frame=0, display="<displayformat>DF</displayformat>"),
        DROP,
    ),
    "xmeml by its label": ("xml", XMEML.format(label="00:00:00:00", frame=0, display=""), NON_DROP),
    "fcpxml NDF": ("fcpxml", FCPXML.format(display=' tcFormat="NDF"'), NON_DROP),
    "fcpxml DF": ("fcpxml", FCPXML.format(display=' tcFormat="DF"'), DROP),
    "fcpxml without tcFormat": ("fcpxml", FCPXML.format(display=""), NON_DROP),
    "edl NDF": ("edl", EDL.format(display="FCM: NON-DROP FRAME\n", x=":"), "00:02:00:04"),
    "edl DF": ("edl", EDL.format(display="FCM: DROP FRAME\n", x=":"), DROP),
    "edl by its labels": ("edl", EDL.format(display="", x=";"), DROP),
    "edl without FCM": ("edl", EDL.format(display="", x=":"), "00:02:00:04"),
}


def load(folder: Path, name: str) -> tuple[otio.schema.Timeline, str]:
    suffix, text, label = SOURCES[name]
    path = folder / f"cut.{suffix}"
    path.write_text(text, encoding="utf-8")
    with open_timeline(path, ReadOptions(frame_rate=Fraction(30000, 1001))) as opened:
        return opened.timeline, label


def shot_label(timeline: otio.schema.Timeline) -> str:
    """The label of the first frame of the clip."""
    track = timeline.video_tracks()[0]
    clip = next(child for child in track if isinstance(child, otio.schema.Clip))
    frames = round(clip.range_in_parent().start_time.value)
    return find_record_clock(timeline).timecode(Fraction(frames * 1001, 30000))


@pytest.mark.parametrize("name", list(SOURCES))
def test_labels_are_drop_frame_or_not_as_the_file_says(tmp_path: Path, name: str) -> None:
    timeline, label = load(tmp_path, name)
    assert shot_label(timeline) == label


@pytest.mark.parametrize("suffix", ["otio", "otiod", "xml", "fcpxml", "aaf"])
@pytest.mark.parametrize("name", ["xmeml NDF", "xmeml DF", "fcpxml NDF", "edl NDF", "edl DF"])
def test_what_is_written_is_drop_frame_or_not_as_what_was_read(
    tmp_path: Path, name: str, suffix: str
) -> None:
    if suffix == "aaf":
        pytest.importorskip("aaf2")
    timeline, _ = load(tmp_path, name)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.mov").write_bytes(b"picture")
    for clip in timeline.find_clips():
        clip.media_reference = otio.schema.ExternalReference(
            (tmp_path / "m" / "a.mov").as_uri(),
            otio.opentime.TimeRange(
                otio.opentime.RationalTime(0, 30000 / 1001), otio.opentime.RationalTime(9000, 30000 / 1001)
            ),
        )
    target = tmp_path / f"out.{suffix}"
    write_timeline(timeline, target)
    before, after = find_record_clock(timeline), find_record_clock(load_timeline(target))
    assert (after.drop_frame, after.start_frame) == (before.drop_frame, before.start_frame)


@pytest.mark.parametrize(
    ("name", "fcm", "label"),
    [
        ("xmeml NDF", "NON-DROP FRAME", NON_DROP),
        ("xmeml DF", "DROP FRAME", DROP),
        ("fcpxml NDF", "NON-DROP FRAME", NON_DROP),
    ],
)
def test_an_edl_of_stems_counts_as_the_cut_does(tmp_path: Path, name: str, fcm: str, label: str) -> None:
    timeline, _ = load(tmp_path, name)
    assert [clip.source_timecode[-3:] for clip in spot(timeline).clips] == [label[-3] + "00"]
    write_timeline(with_stems(timeline, tmp_path), tmp_path / "out.edl")
    text = (tmp_path / "out.Dog.edl").read_text(encoding="utf-8")
    assert f"FCM: {fcm}\n" in text
    assert f" {label} " in text

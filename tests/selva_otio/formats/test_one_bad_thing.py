"""One bad thing in a file fails alone, and paths of other systems stay what they are."""

from __future__ import annotations

import json
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.errors import TimelineReadError
from selva_otio.formats.options import ReadOptions
from selva_otio.formats.source_loss import describe_left_out
from selva_otio.timelines import open_timeline
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.round_trips import spot

WINDOWS_URLS = {
    "C:\\a\\b.mov": "file:///C:/a/b.mov",
    "c:/a b/ä#1.mov": "file:///c:/a%20b/%C3%A4%231.mov",
    "file:///C:/a%20b.mov": "file:///C:/a%20b.mov",
    "file://C:/a.mov": "file:///C:/a.mov",
    "\\\\nas\\x\\a b.mov": "file://nas/x/a%20b.mov",
    "file://nas/x/a.mov": "file://nas/x/a.mov",
    "\\\\?\\C:\\a.mov": "file:///C:/a.mov",
}
FCPXML = """<fcpxml version="1.10"><resources>
<asset id="r2" start="0s" duration="200s" hasVideo="1" src="file:///m/a.mov"/></resources><project name="s">
<sequence format="r1"><spine><asset-clip ref="r2" name="a" offset="0s" duration="{first}"/>
<asset-clip ref="r2" name="b" offset="{first}" start="0s" duration="{first}"/></spine></sequence></project></fcpxml>"""
EDL = """TITLE: s
FCM: NON-DROP FRAME
001  A        V     C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00
{odd}
003  B        V     C        00:00:00:00 00:00:02:00 01:00:04:00 01:00:06:00
"""
KDENLIVE = """<mlt LC_NUMERIC="de_DE.UTF-8"><profile frame_rate_num="25" frame_rate_den="1"/>
<producer id="a"><property name="mlt_service">timewarp</property><property name="resource">{speed}:/m/a.mov</property>
<property name="warp_speed">{speed}</property><property name="warp_resource">/m/a.mov</property>
<property name="length">00:00:08,000</property></producer>
<producer id="b"><property name="resource">C:\\clips\\b.mov</property><property name="length">200</property></producer>
<playlist id="p"><entry producer="a" in="00:00:00,000" out="00:00:01,960"/><entry producer="b" in="0" out="24"/></playlist>
<tractor id="r"><track producer="p"/></tractor></mlt>"""


@pytest.mark.parametrize("suffix", ["otioz", "otiod", "fcpxml", "aaf", "rpp"])
@pytest.mark.parametrize("url", list(WINDOWS_URLS))
def test_offline_media_of_windows_keeps_its_path_in_every_format(
    tmp_path: Path, url: str, suffix: str
) -> None:
    if suffix == "aaf":
        pytest.importorskip("aaf2")
    cut = CutBuilder(rate_hz=24.0)
    write_timeline(
        cut.timeline(cut.track(cut.clip("a", offset=0, frames=20, url=url))), tmp_path / f"o.{suffix}"
    )
    (clip,) = load_timeline(tmp_path / f"o.{suffix}").find_clips()
    assert clip.media_reference.target_url == WINDOWS_URLS[url]


@pytest.mark.skipif(os.name == "nt", reason="names on Windows are Unicode")
@pytest.mark.parametrize("suffix", ["otioz", "otiod", "fcpxml", "xml", "mlt", "rpp"])
def test_a_file_whose_name_is_no_utf8_is_found_and_carried(tmp_path: Path, suffix: str) -> None:
    name = os.fsencode(tmp_path) + b"/\xe9t\xe9.mov"
    try:
        Path(os.fsdecode(name)).write_bytes(b"picture")
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")
    url = f"{tmp_path.as_uri()}/%E9t%E9.mov"
    cut = CutBuilder(rate_hz=24.0)
    timeline = cut.timeline(cut.track(cut.clip("a", offset=0, frames=20, url=url)))
    assert spot(timeline).clips[0].media_path.is_file()
    write_timeline(timeline, tmp_path / f"o.{suffix}")
    assert len(list(load_timeline(tmp_path / f"o.{suffix}").find_clips())) == 1


@pytest.mark.skipif(os.name == "nt", reason="names on Windows are Unicode")
@pytest.mark.parametrize(
    ("suffix", "text"),
    [("edl", EDL.format(odd="").replace("TITLE: s\n", "")), ("kdenlive", KDENLIVE.format(speed="1"))],
)
def test_a_timeline_whose_own_name_is_no_utf8_is_read(tmp_path: Path, suffix: str, text: str) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9." + suffix.encode()))
    path.write_text(text, encoding="utf-8")
    with open_timeline(path, ReadOptions(frame_rate=Fraction(25))) as opened:
        assert opened.timeline.name == "caf\ufffd"


@pytest.mark.parametrize(("speed", "expected"), [("0,5", 0.5), ("0.5", 0.5), ("-1,5", -1.5)])
def test_a_kdenlive_project_with_decimal_commas_is_read(tmp_path: Path, speed: str, expected: float) -> None:
    (tmp_path / "cut.kdenlive").write_text(KDENLIVE.format(speed=speed), encoding="utf-8")
    first, second = load_timeline(tmp_path / "cut.kdenlive").find_clips()
    assert first.effects[0].time_scalar == expected
    assert first.source_range.duration.value == 50
    assert second.media_reference.target_url == "file:///C:/clips/b.mov"


def test_a_speed_that_is_no_number_fails_for_its_clip_alone(tmp_path: Path) -> None:
    (tmp_path / "cut.kdenlive").write_text(KDENLIVE.format(speed="fast"), encoding="utf-8")
    sheet = spot(load_timeline(tmp_path / "cut.kdenlive"))
    assert [clip.name for clip in sheet.clips] == ["b.mov"]
    assert len(sheet.skipped) == 1


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (
            "002  X        V     Q        00:00:00:00 00:00:02:00 01:00:02:00 01:00:04:00",
            "line 4 of the EDL cannot be read",
        ),
        (
            "002  X        V     C        00:00:00:99 00:00:02:00 01:00:02:00 01:00:04:00",
            "is no timecode at 25",
        ),
        ("002  X        V     C        00:00:00:00 00:00:02:00 01:00:04:00 01:00:02:00", "before it begins"),
    ],
)
def test_an_odd_event_of_an_edl_fails_alone_at_its_place(tmp_path: Path, odd: str, reason: str) -> None:
    path = tmp_path / "cut.edl"
    path.write_text(EDL.format(odd=odd), encoding="utf-8")
    with open_timeline(path, ReadOptions(frame_rate=Fraction(25))) as opened:
        tracks = opened.timeline.video_tracks()
    clips = {clip.name: clip for track in tracks for clip in track.find_clips()}
    assert list(clips) == ["A", "X", "B"] or set(clips) == {"A", "X", "B"}
    assert reason in clips["X"].media_reference.metadata["selva_missing"]
    assert clips["B"].range_in_parent().start_time.value == 100


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (
            "002  X        V     C        00:00:00:00 00:00:02:00 01:00:99:00 01:01:99:00",
            "is no timecode at 25",
        ),
        ("002  X        V     C        00:00:00:00 00:00:02:00", "line 4 of the EDL cannot be read"),
    ],
)
def test_an_event_without_a_place_is_named_behind_the_others(tmp_path: Path, odd: str, reason: str) -> None:
    path = tmp_path / "cut.edl"
    path.write_text(EDL.format(odd=odd), encoding="utf-8")
    with open_timeline(path, ReadOptions(frame_rate=Fraction(25))) as opened:
        (track,) = opened.timeline.video_tracks()
    *others, last = track.find_clips()
    assert [clip.name for clip in others] == ["A", "B"]
    assert (last.name, last.range_in_parent().start_time.value) == ("X", 150)
    assert reason in last.media_reference.metadata["selva_missing"]
    only = EDL.splitlines()[:2]
    path.write_text("\n".join([*only, odd, ""]), encoding="utf-8")
    with (
        pytest.raises(ValueError, match=reason.replace("line 4", "line 3")),
        open_timeline(path, ReadOptions(frame_rate=Fraction(25))),
    ):
        pass


def test_a_locator_whose_label_does_not_exist_fails_alone(tmp_path: Path) -> None:
    odd = "* LOC: 01:00:99:99 RED Dog: barking\n* LOC: 01:00:01:00 RED Rain: rain"
    (tmp_path / "cut.edl").write_text(EDL.format(odd=odd), encoding="utf-8")
    with open_timeline(tmp_path / "cut.edl", ReadOptions(frame_rate=Fraction(25))) as opened:
        assert [marker.name for marker in opened.timeline.tracks.markers] == ["Rain: rain"]


def test_an_fcpxml_whose_format_is_not_in_its_resources_has_the_rate_of_its_cuts(tmp_path: Path) -> None:
    path = tmp_path / "cut.fcpxml"
    path.write_text(FCPXML.format(first="5005/24000s"), encoding="utf-8")
    assert load_timeline(path).global_start_time.rate == 24000 / 1001
    path.write_text(FCPXML.format(first="7/25s"), encoding="utf-8")
    assert load_timeline(path).global_start_time.rate == 25
    path.write_text(FCPXML.format(first="3s"), encoding="utf-8")
    with pytest.raises(ValueError, match="does not say how many frames"):
        load_timeline(path)


FCP_XML = """<xmeml version="5"><sequence id="s"><name>cut</name><rate><timebase>25</timebase></rate><media><video><track>
<clipitem id="a"><name>a</name>{odd}<file id="f"><pathurl>file://localhost/m/a.mov</pathurl></file></clipitem>
<clipitem id="b"><name>b</name><start>50</start><end>75</end><in>0</in><out>25</out><file id="f"/></clipitem>
</track></video></media></sequence></xmeml>"""
SPINE = """<fcpxml version="1.10"><resources><format id="r1" frameDuration="1/25s"/>
<asset id="r2" start="0s" duration="200s" hasVideo="1" src="file:///m/a.mov"/></resources><project name="s">
<sequence format="r1"><spine>{odd}<asset-clip ref="r2" name="b" offset="2s" start="0s" duration="1s"/></spine></sequence>
</project></fcpxml>"""
TIMES = "<start>0</start><end>{end}</end><in>{first}</in><out>50</out>"
REMAP = (
    "<filter><effect><effectid>timeremap</effectid><parameter><parameterid>speed</parameterid><value>{}</value>"
    "</parameter></effect></filter>"
)


@pytest.mark.parametrize(
    ("template", "odd", "reason"),
    [
        (FCP_XML, TIMES.format(end=50, first="NaN"), "<in> is a number of frames"),
        (FCP_XML, TIMES.format(end="x", first=0), "<end> is a number of frames"),
        (FCP_XML, TIMES.format(end=-20, first=0), "from frame 0 to -20"),
        (FCP_XML, TIMES.format(end=50, first=0) + REMAP.format("fast"), "a number; got 'fast'"),
        (SPINE, '<asset-clip ref="r2" name="a" offset="0s" start="x" duration="2s"/>', "is not a time"),
        (SPINE, '<asset-clip ref="r2" name="a" offset="0s" start="0s" duration="NaNs"/>', "is not a time"),
        (
            SPINE,
            '<asset-clip ref="r2" name="a" offset="0s" duration="2s"><timeMap><timept time="0s" value="z"/></timeMap>'
            "</asset-clip>",
            "is not a time",
        ),
    ],
)
def test_an_odd_clip_fails_alone_and_a_file_of_odd_clips_is_refused(
    tmp_path: Path, template: str, odd: str, reason: str
) -> None:
    path = tmp_path / ("cut.xml" if template is FCP_XML else "cut.fcpxml")
    text = template.format(odd=odd)
    path.write_text(text, encoding="utf-8")
    sheet = spot(load_timeline(path))
    assert [(clip.name, float(clip.record_start_s)) for clip in sheet.clips] == [("b", 2)]
    assert [(item.name, reason in item.reason, item.is_fault) for item in sheet.skipped] == [
        ("a", True, True)
    ]
    good = '<clipitem id="b">' if template is FCP_XML else '<asset-clip ref="r2" name="b"'
    start = text.index(good)
    path.write_text(
        text[:start] + text[text.index(">", text.index("/>", start)) + 1 :].replace("</clipitem>", "", 1)
    )
    with pytest.raises(ValueError, match=reason):
        load_timeline(path)


def test_a_clip_that_is_damaged_leaves_what_is_connected_to_it(tmp_path: Path) -> None:
    over = '<asset-clip ref="r2" name="over" lane="1" offset="1s" start="0s" duration="1s"/>'
    odd = (
        '<asset-clip ref="r2" name="a" offset="0s" start="0s" duration="2s"><timeMap><timept time="q" value="0s"/>'
        f"</timeMap>{over}</asset-clip>"
    )
    (tmp_path / "cut.fcpxml").write_text(SPINE.format(odd=odd), encoding="utf-8")
    sheet = spot(load_timeline(tmp_path / "cut.fcpxml"))
    assert [(clip.name, float(clip.record_start_s)) for clip in sheet.clips] == [("over", 1), ("b", 2)]


def test_a_speed_of_fcp7_xml_may_have_a_decimal_comma(tmp_path: Path) -> None:
    odd = TIMES.format(end=50, first=0) + REMAP.format("200,5")
    (tmp_path / "cut.xml").write_text(FCP_XML.format(odd=odd), encoding="utf-8")
    assert [clip.speed for clip in spot(load_timeline(tmp_path / "cut.xml")).clips] == [Fraction("2.005"), 1]


PROJECT = """<REAPER_PROJECT 0.1 "7.0" 1
  TIMEMODE 1 5 -1 25 0 0 -1
{lines}  <TRACK
    <ITEM
      POSITION {position}
      LENGTH {length}
      NAME a
      PLAYRATE {rate} 1 0
      <SOURCE VIDEO
        FILE "/m/a.mov"
      >
    >
{rest}  >
>
"""
SECOND = """    <ITEM
      POSITION 5
      LENGTH 1
      NAME b
      <SOURCE VIDEO
        FILE "/m/b.mov"
      >
    >
"""


@pytest.mark.parametrize(
    ("values", "reason", "start_s"),
    [
        ({"position": "nan"}, r"POSITION of the item at line \d+ is a decimal", 0),
        ({"position": "1e20"}, r"POSITION of the item at line \d+ is within", 0),
        ({"length": "4,5"}, r"LENGTH of the item at line \d+ is a decimal", 0),
        ({"length": "-4"}, r"LENGTH of the item at line \d+ is not negative", 1),
        ({"rate": "0"}, r"PLAYRATE of the item at line \d+", 1),
    ],
)
def test_an_odd_item_of_a_project_fails_alone(
    tmp_path: Path, values: dict[str, str], reason: str, start_s: int
) -> None:
    path = tmp_path / "cut.rpp"
    values = {"position": "1", "length": "2", "rate": "1", **values}
    path.write_text(
        PROJECT.format(lines='  MARKER 1 nan "Dog: barking" 0\n', rest=SECOND, **values), encoding="utf-8"
    )
    sheet = spot(load_timeline(path))
    assert [clip.name for clip in sheet.clips] == ["b"]
    ((name, text, record_s),) = [(item.name, item.reason, item.record_start_s) for item in sheet.skipped]
    assert (name, re.search(reason, text) is not None, float(record_s)) == ("a", True, start_s)
    path.write_text(PROJECT.format(lines="", rest="", **values), encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        load_timeline(path)


def test_an_item_before_the_start_of_a_project_plays_what_lies_behind_it(tmp_path: Path) -> None:
    text = PROJECT.format(lines="", rest=SECOND, position="-1", length="4", rate="2")
    (tmp_path / "cut.rpp").write_text(text, encoding="utf-8")
    first = spot(load_timeline(tmp_path / "cut.rpp")).clips[0]
    assert (first.record_start_s, first.record_end_s, first.media_start_s) == (
        Fraction(0),
        Fraction(3),
        Fraction(2),
    )


CLIP = ["tracks", "children", 0, "children", 0]
MEDIA = [*CLIP, "media_references", "DEFAULT_MEDIA", "available_range"]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    ("place", "names"),
    [
        ([*CLIP, "markers", 0, "marked_range", "start_time", "value"], ["a", "b"]),
        ([*CLIP, "markers", 0, "marked_range", "duration", "rate"], ["a", "b"]),
        ([*MEDIA, "start_time", "value"], ["a", "b"]),
        ([*MEDIA, "duration", "value"], ["a", "b"]),
        ([*CLIP, "source_range", "start_time", "value"], ["b"]),
        (["tracks", "children", 0, "children", 1, "source_range", "duration", "value"], ["a"]),
        (["global_start_time", "value"], ["a", "b"]),
    ],
)
def test_a_time_that_is_no_number_fails_alone(
    tmp_path: Path, place: list[Any], names: list[str], value: float
) -> None:
    cut = CutBuilder(rate_hz=24.0)
    first = cut.clip("a", offset=5, frames=20)
    first.markers.append(otio.schema.Marker(name="note", marked_range=cut.span(6, 2)))
    timeline = cut.timeline(cut.track(first, cut.clip("b", offset=0, frames=20)))
    content = json.loads(timeline.to_json_string())
    owner = content
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = value
    (tmp_path / "cut.otio").write_text(json.dumps(content), encoding="utf-8")
    assert [clip.name for clip in spot(load_timeline(tmp_path / "cut.otio")).clips] == names


def test_an_adapter_that_prints_is_kept_off_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aaf2")
    cut = CutBuilder(rate_hz=24.0)
    write_timeline(cut.timeline(cut.track(cut.clip("a", offset=0, frames=20))), tmp_path / "cut.aaf")
    read = otio.adapters.read_from_file

    def read_and_print(*args: Any, **options: Any) -> Any:
        print("a word of the adapter")  # noqa: T201 - what the test is about
        return read(*args, **options)

    monkeypatch.setattr(otio.adapters, "read_from_file", read_and_print)
    load_timeline(tmp_path / "cut.aaf")
    captured = capsys.readouterr()
    assert (captured.out, "a word of the adapter" in captured.err) == ("", True)


MLT = """<mlt><profile frame_rate_num="25" frame_rate_den="1"/>
<producer id="a"><property name="resource">/m/a.mov</property><property name="length">{length}</property></producer>
<producer id="b"><property name="resource">/m/b.mov</property><property name="length">200</property></producer>
<playlist id="p"><entry producer="b" in="5" out="29"/><blank length="{gap}"/>
<entry producer="a" in="{start}" out="24">{freeze}</entry><entry producer="b" in="50" out="74"/></playlist>
<playlist id="q"><blank length="7"/><entry producer="b" in="9" out="33"/></playlist>
<tractor id="r"><track producer="p"/><track producer="q"/></tractor></mlt>"""
MLT_VALUES = {"length": "200", "gap": "10", "start": "0", "freeze": ""}
BAD_FREEZE = (
    '<filter><property name="mlt_service">freeze</property><property name="frame">x</property></filter>'
)


@pytest.mark.parametrize(
    ("bad", "whole"),
    [
        ({}, ["b.mov 0", "a.mov 35", "b.mov 60", "b.mov 7"]),
        ({"length": "long"}, ["b.mov 0", "a.mov 35", "b.mov 60", "b.mov 7"]),
        ({"freeze": BAD_FREEZE}, ["b.mov 0", "b.mov 60", "b.mov 7"]),
        ({"start": "soon"}, ["b.mov 0", "b.mov 7"]),
        ({"start": "90"}, ["b.mov 0", "b.mov 7"]),
        ({"gap": "wide"}, ["b.mov 0", "b.mov 7"]),
    ],
)
def test_a_bad_time_of_an_mlt_file_takes_only_what_stands_on_it(
    tmp_path: Path, bad: dict[str, str], whole: list[str]
) -> None:
    (tmp_path / "cut.mlt").write_text(MLT.format(**{**MLT_VALUES, **bad}), encoding="utf-8")
    timeline = load_timeline(tmp_path / "cut.mlt")
    clips = list(timeline.find_clips())
    read = [clip for clip in clips if isinstance(clip.media_reference, otio.schema.ExternalReference)]
    assert [f"{clip.name} {clip.range_in_parent().start_time.value:.0f}" for clip in read] == whole
    assert len(clips) == 4
    lost = [str(clip.media_reference.metadata) for clip in clips if clip not in read]
    assert all("not a time" in reason or "before it starts" in reason for reason in lost)


def test_an_mlt_file_of_bad_times_alone_is_refused(tmp_path: Path) -> None:
    text = MLT.format(**MLT_VALUES).replace('in="', 'in="x')
    (tmp_path / "cut.mlt").write_text(text, encoding="utf-8")
    with pytest.raises(TimelineReadError, match="start \\(in\\) of a clip is not a time"):
        load_timeline(tmp_path / "cut.mlt")


XMEML = """<xmeml version="5"><sequence><name>s</name><rate><timebase>25</timebase></rate><media><video><track>
<clipitem><name>a</name><start>0</start><end>{end}</end><in>10</in><out>110</out>{file}</clipitem>
<transitionitem><start>{first}</start><end>{last}</end><alignment>center</alignment></transitionitem>
<clipitem><name>b</name><start>{start}</start><end>190</end><in>20</in><out>120</out>{file}</clipitem>
</track></video></media></sequence></xmeml>"""
XMEML_FILE = "<file><name>a.mov</name><pathurl>file:///m/a.mov</pathurl><duration>500</duration></file>"


@pytest.mark.parametrize(
    ("first", "last", "cut", "num_lost"),
    [("90", "100", 95, 0), ("90", "80", 90, 1), ("wrong", "100", 90, 1), ("", "", 90, 1)],
)
def test_a_damaged_transition_of_fcp7_xml_leaves_a_cut_and_is_counted(
    tmp_path: Path, first: str, last: str, cut: int, num_lost: int
) -> None:
    text = XMEML.format(first=first, last=last, end="-1", start="-1", file=XMEML_FILE)
    (tmp_path / "cut.xml").write_text(text, encoding="utf-8")
    timeline = load_timeline(tmp_path / "cut.xml")
    before, after = timeline.find_clips()
    assert before.range_in_parent().end_time_exclusive().value == cut
    assert after.range_in_parent().start_time.value == cut
    assert after.source_range.start_time.value == 20 + cut - 90
    assert sum("transitions whose times" in sentence for sentence in describe_left_out(timeline)) == num_lost


def test_a_nested_sequence_without_a_rate_fails_alone(tmp_path: Path) -> None:
    nest = "<sequence id='n'><name>n</name><media><video><track></track></video></media></sequence>"
    text = XMEML.format(first="90", last="100", end="100", start="90", file=XMEML_FILE)
    text = text.replace(XMEML_FILE, nest, 1)
    (tmp_path / "cut.xml").write_text(text, encoding="utf-8")
    first, second = load_timeline(tmp_path / "cut.xml").find_clips()
    assert "does not say its frame rate" in str(first.media_reference.metadata)
    assert second.media_reference.target_url == "file:///m/a.mov"

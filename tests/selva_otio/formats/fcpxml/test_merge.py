"""Stems merged into the FCPXML document that a timeline was read from."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.time.clock import exact_seconds
from tests.selva_otio.formats.fcpxml.element_order import TAIL_ORDER, iter_dangling_refs
from tests.selva_otio.round_trips import with_stems

DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="{version}">
    <resources>
        <format id="r1" name="FFVideoFormat1080p24" frameDuration="100/2400s" width="1920" height="1080"/>
        <asset id="r2" name="a" start="3600s" duration="100s" hasVideo="1" hasAudio="1" format="r1">
            <media-rep kind="original-media" src="media/a.mov"/>
        </asset>
        <asset id="r7" name="m" start="0s" duration="60s" hasAudio="1"><media-rep src="file:///m/m.wav"/></asset>
        <effect id="r3" name="Basic Title" uid="x"/>
        <effect id="r4" name="Glow" uid="y"/>
    </resources>
    <library location="file:///L.fcpbundle/">
        <event name="E">
            <project name="P" uid="ABC">
                <sequence format="r1" duration="14s" tcStart="3600s" tcFormat="NDF">
                    <spine>
                        <asset-clip ref="r2" offset="3600s" name="a" start="3605s" duration="4s" tcFormat="NDF">
                            <note>a take to keep</note>
                            <adjust-volume amount="-6dB"/>
                            <title ref="r3" lane="1" offset="3606s" name="T" start="3600s" duration="1s">
                                <text><text-style ref="ts1"> two  blanks </text-style></text>
                                <text-style-def id="ts1"><text-style font="Helvetica"/></text-style-def>
                            </title>
                            <caption lane="2" offset="3605s" name="Hello" duration="2s" role="iTT?captionFormat=ITT.en"/>
                            <asset-clip ref="r7" lane="-1" offset="3605s" name="m" duration="12s" audioRole="music"/>
                            <marker start="3606s" duration="100/2400s" value="look"/>
                            <keyword start="3605s" duration="4s" value="good"/>
                            <filter-video ref="r4" name="Glow"><param name="Amount" key="1" value="3"/></filter-video>
                            <metadata><md key="com.apple.x" value="1"/></metadata>
                        </asset-clip>
                        <gap name="Gap" offset="3604s" start="3600s" duration="2s"/>
                        <asset-clip ref="r2" offset="3606s" name="b" start="3620s" duration="8s"/>
                    </spine>
                </sequence>
            </project>
        </event>
    </library>
</fcpxml>
"""


def write_source(folder: Path, *, version: str = "1.10", old: str = "", new: str = "") -> Path:
    path = folder / "cut.fcpxml"
    assert old in DOCUMENT
    path.write_text(DOCUMENT.format(version=version).replace(old, new), encoding="utf-8")
    return path


def render(source: Path, target: Path, *, run: str = "one", takes: int = 1) -> otio.schema.Timeline:
    """The source with stems, written to the target and read again."""
    placed = with_stems(load_timeline(source), source.parent / run, num_takes=takes)
    write_timeline(placed, target, base_folder=source.parent)
    return load_timeline(target)


def without_stems(path: Path) -> str:
    """The text of a document without the stems and their assets, and without white space between elements."""
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
    for parent in list(root.iter()):
        for child in list(parent):
            is_stem = any("org.selva-bridge.stem" in md.get("key", "") for md in child.iter("md"))
            is_asset = child.tag == "asset" and child.get("name", "").startswith("Dog")
            if is_asset or (is_stem and child.tag in ("asset-clip", "audition") and "lane" in child.attrib):
                parent.remove(child)
    return re.sub(r">\s+<", "><", ET.tostring(root, encoding="unicode"))


def stems_of(timeline: otio.schema.Timeline) -> list[tuple[Fraction | int, Fraction | int]]:
    return [
        (
            exact_seconds(clip.range_in_parent().start_time),
            exact_seconds(clip.source_range.duration),
        )
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
        if "selva" in clip.metadata
    ]


def test_everything_of_the_document_is_kept_and_the_stems_are_added(tmp_path: Path) -> None:
    source, target = write_source(tmp_path), tmp_path / "out.fcpxml"
    back = render(source, target)
    assert without_stems(target) == without_stems(source)
    assert target.read_text(encoding="utf-8").startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>'
    )
    assert stems_of(back) == [(0, 4), (6, 8)]
    assert [track.name for track in back.audio_tracks()] == ["", "music", "Dog"]
    root = ET.parse(target).getroot()  # noqa: S314
    assert list(iter_dangling_refs(root)) == []
    order = [child.tag for child in next(root.iter("spine"))[0]]
    assert order == [
        *("note", "adjust-volume", "title", "caption", "asset-clip", "asset-clip"),
        *("marker", "keyword", "filter-video", "metadata"),
    ]
    assert order[-4:] == [tag for tag in TAIL_ORDER if tag in order]


def test_nothing_is_reported_as_lost_that_is_kept(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    placed = with_stems(load_timeline(source), tmp_path)
    assert write_timeline(placed, tmp_path / "out.fcpxml").losses == ()


@pytest.mark.parametrize("takes", [1, 2])
def test_a_second_render_replaces_the_stems_of_the_first(tmp_path: Path, takes: int) -> None:
    source, first, second = (tmp_path / name for name in ("cut.fcpxml", "one.fcpxml", "two.fcpxml"))
    write_source(tmp_path)
    render(source, first, takes=takes)
    back = render(first, second, run="two", takes=takes)
    assert stems_of(back) == [(0, 4), (6, 8)]
    assert without_stems(second) == without_stems(source)
    text = second.read_text(encoding="utf-8")
    assert "/one/" not in text
    assert text.count("<asset ") == first.read_text(encoding="utf-8").count("<asset ")


def test_a_stem_that_an_editor_has_changed_keeps_its_element(tmp_path: Path) -> None:
    source, first, second = (tmp_path / name for name in ("cut.fcpxml", "one.fcpxml", "two.fcpxml"))
    write_source(tmp_path)
    render(source, first)
    text = first.read_text(encoding="utf-8")
    stem = re.search(r'<asset-clip [^>]*name="Dog[^>]*>', text)
    assert stem is not None
    shorter = stem[0].replace('duration="4s"', 'duration="3s" modDate="today"')
    first.write_text(text.replace(stem[0], shorter), encoding="utf-8")
    back = render(first, second, run="two")
    assert sorted(stems_of(back)) == [(0, 3), (6, 8)]
    assert shorter in second.read_text(encoding="utf-8")


def test_a_changed_cut_is_written_as_a_new_document(tmp_path: Path) -> None:
    timeline = load_timeline(write_source(tmp_path))
    clip = timeline.video_tracks()[0][0]
    clip.source_range = otio.opentime.TimeRange(
        clip.source_range.start_time, otio.opentime.RationalTime(24, 24)
    )
    write_timeline(timeline, tmp_path / "out.fcpxml")
    assert "Glow" not in (tmp_path / "out.fcpxml").read_text(encoding="utf-8")


def test_stems_past_the_end_of_the_storyline_hang_on_a_gap(tmp_path: Path) -> None:
    connected = (
        '<gap name="Gap" offset="3604s" start="3600s" duration="2s">'
        '<asset-clip ref="r2" lane="3" offset="3605s" name="late" start="3644s" duration="30s" srcEnable="video"/></gap>'
    )
    source = write_source(
        tmp_path, old='<gap name="Gap" offset="3604s" start="3600s" duration="2s"/>', new=connected
    )
    back = render(source, tmp_path / "out.fcpxml")
    assert stems_of(back) == [(0, 4), (6, 3), (9, 30)]
    before = load_timeline(source).video_tracks()
    assert [track.is_equivalent_to(old) for track, old in zip(back.video_tracks(), before, strict=True)]


def test_before_version_1_9_the_file_is_an_attribute_of_the_asset(tmp_path: Path) -> None:
    source = write_source(tmp_path, version="1.8")
    render(source, tmp_path / "out.fcpxml")
    root = ET.parse(tmp_path / "out.fcpxml").getroot()  # noqa: S314
    added = [asset for asset in root.iter("asset") if asset.get("name", "").startswith("Dog")]
    assert [(asset.get("src", "")[:8], len(asset)) for asset in added] == [("file:///", 0)] * 2


def test_relative_media_is_found_from_another_folder(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    (tmp_path / "other").mkdir()
    render(source, tmp_path / "other" / "out.fcpxml")
    text = (tmp_path / "other" / "out.fcpxml").read_text(encoding="utf-8")
    assert (tmp_path / "media" / "a.mov").as_uri() in text
    render(source, tmp_path / "out.fcpxml")
    assert 'src="media/a.mov"' in (tmp_path / "out.fcpxml").read_text(encoding="utf-8")


def test_the_document_is_not_carried_into_other_formats(tmp_path: Path) -> None:
    timeline = load_timeline(write_source(tmp_path))
    write_timeline(timeline, tmp_path / "out.otio")
    assert "Glow" not in (tmp_path / "out.otio").read_text(encoding="utf-8")
    assert "document" in timeline.metadata["fcpxml"]


def test_a_stem_in_the_middle_of_a_conformed_clip_is_connected_at_its_media_second(tmp_path: Path) -> None:
    """25 fps in a project at 24: one second after its start the clip shows its media 24/25 s further on."""
    conformed = '<note>a take to keep</note><conform-rate srcFrameRate="25"/>'
    source = write_source(tmp_path, old="<note>a take to keep</note>", new=conformed)
    text = source.read_text(encoding="utf-8")
    above = (
        '<asset-clip ref="r2" lane="3" offset="90149/25s" name="over" start="3650s" duration="1s" '
        'srcEnable="video"/>'
    )
    source.write_text(
        text.replace('<marker start="3606s"', above + '<marker start="3606s"'), encoding="utf-8"
    )
    back = render(source, tmp_path / "out.fcpxml")
    assert [start_s for start_s, _ in stems_of(back)] == [0, 1, 2, 6]
    root = ET.parse(tmp_path / "out.fcpxml").getroot()  # noqa: S314
    offsets = [
        clip.get("offset") for clip in root.iter("asset-clip") if clip.get("name", "").startswith("Dog")
    ]
    assert offsets == ["3605s", "90149/25s", "90173/25s", "3620s"]


def test_markers_on_a_gap_are_markers_of_the_timeline_and_stay_where_they_are(tmp_path: Path) -> None:
    gap = '<gap name="Gap" offset="3604s" start="3600s" duration="2s"/>'
    markers = (
        '<marker start="3601s" duration="1s" value="Dog: barking"/><marker start="3700s" value="hidden"/>'
    )
    source = write_source(tmp_path, old=gap, new=f"{gap[:-2]}>{markers}</gap>")
    timeline = load_timeline(source)
    assert [
        (marker.name, exact_seconds(marker.marked_range.start_time)) for marker in timeline.tracks.markers
    ] == [("Dog: barking", Fraction(5))]
    render(source, tmp_path / "out.fcpxml")
    assert without_stems(tmp_path / "out.fcpxml") == without_stems(source)

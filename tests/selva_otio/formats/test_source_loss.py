"""What a reader leaves behind in its file is said when the timeline goes into another format."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio import load_timeline, write_timeline
from tests.selva_otio.formats.fcpxml.test_merge import write_source

REAPER = """<REAPER_PROJECT 0.1 "7.0/linux-x86_64" 1700000000
  SAMPLERATE 48000 0 0
  TEMPO 120 4 4
  <TEMPOENVEX
    ACT 0
  >
  <TRACK {00000000-0000-0000-0000-000000000001}
    NAME dialogue
    AUXRECV 1 0 1 0 0 0 0 0 0 -1:U 0 -1 ''
    <VOLENV2
      ACT 1
      PT 0 1 0
    >
    <FXCHAIN
      SHOW 0
      <JS utility/volume ""
        0 - - -
      >
    >
  >
>
"""
FCP7 = """<?xml version="1.0"?><!DOCTYPE xmeml><xmeml version="4"><sequence id="s"><name>s</name><duration>50</duration>
<rate><timebase>25</timebase><ntsc>FALSE</ntsc></rate><media><video><track>
<clipitem id="c"><name>a</name><rate><timebase>25</timebase></rate><duration>50</duration><in>0</in><out>25</out>
<start>0</start><end>25</end><compositemode>{mode}</compositemode><file id="f"><name>a.mov</name>
<pathurl>file:///m/a.mov</pathurl><rate><timebase>25</timebase></rate><duration>50</duration></file></clipitem>
<generatoritem id="g"><name>Text</name><rate><timebase>25</timebase></rate><in>0</in><out>25</out><start>25</start>
<end>50</end><effect><name>Text</name><effectid>Text</effectid></effect></generatoritem>
</track></video></media></sequence></xmeml>"""
KDENLIVE = """<mlt><profile frame_rate_num="25" frame_rate_den="1"/>
<producer id="a"><property name="resource">/m/a.mov</property><property name="length">50</property>
<filter><property name="mlt_service">brightness</property></filter>
<filter><property name="mlt_service">panner</property><property name="internal_added">237</property></filter></producer>
<producer id="t"><property name="mlt_service">kdenlivetitle</property><property name="length">50</property></producer>
<playlist id="p"><entry producer="a" in="0" out="24"/><entry producer="t" in="0" out="24"/></playlist>
<tractor id="r"><track producer="p"/><transition><property name="mlt_service">composite</property></transition>
<transition><property name="mlt_service">mix</property></transition></tractor></mlt>"""
EDL = """TITLE: CUT
FCM: NON-DROP FRAME
001  A001     V     C        01:00:00:00 01:00:02:00 01:00:00:00 01:00:02:00
* ASC_SOP (1 1 1)(0 0 0)(1 1 1)
002  A002     V     K    012 01:00:00:00 01:00:02:00 01:00:02:00 01:00:04:00
"""


@pytest.mark.parametrize(
    ("name", "text", "losses"),
    [
        (
            "cut.rpp",
            REAPER,
            {"plug-ins of the REAPER project": 1, "envelopes of the": 1, "sends of the": 1},
        ),
        (
            "cut.xml",
            FCP7.replace("{mode}", "screen"),
            {"composite modes of the": 1, "settings of titles and generators of the": 1},
        ),
        ("cut.xml", FCP7.replace("{mode}", "normal"), {"settings of titles and generators of the": 1}),
        (
            "cut.kdenlive",
            KDENLIVE,
            {"effects of the": 1, "texts of titles of the": 1, "compositions of the": 1},
        ),
    ],
)
def test_what_a_reader_leaves_behind_is_reported_by_number(
    tmp_path: Path, name: str, text: str, losses: dict[str, int]
) -> None:
    source = tmp_path / name
    source.write_text(text, encoding="utf-8")
    reported = write_timeline(load_timeline(source), tmp_path / "out.otio").losses
    for (begin, number), sentence in zip(losses.items(), reported, strict=True):
        assert sentence.startswith(begin)
        assert sentence.endswith(f"({number})")
    assert "selva_source" not in (tmp_path / "out.otio").read_text(encoding="utf-8")


def test_what_an_fcpxml_has_and_a_timeline_does_not_is_reported(tmp_path: Path) -> None:
    timeline = load_timeline(write_source(tmp_path))
    reported = "\n".join(write_timeline(timeline, tmp_path / "out.otio").losses)
    for feature in ("captions", "texts of titles", "filters", "volumes and pans", "keywords", "notes"):
        assert f"{feature}" in reported, reported
    assert "(1)" in reported


@pytest.mark.parametrize("name", ["cut.rpp", "cut.xml"])
def test_nothing_is_reported_where_the_document_is_kept(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text(REAPER if name == "cut.rpp" else FCP7.replace("{mode}", "screen"), encoding="utf-8")
    assert write_timeline(load_timeline(source), tmp_path / f"new-{name}").losses == ()


def test_wipes_and_fades_are_reported_and_plain_dissolves_are_not(tmp_path: Path) -> None:
    gap = '<gap name="Gap" offset="3604s" start="3600s" duration="2s"/>'
    fade = f'<transition name="Cross Dissolve" offset="7207/2s" duration="1s"/>{gap}'
    source = write_source(tmp_path, old=gap, new=fade)
    reported = "\n".join(write_timeline(load_timeline(source), tmp_path / "out.otio").losses)
    assert "fades from and to nothing of the Final Cut Pro XML that was read" in reported
    source = write_source(tmp_path, old=gap, new='<transition name="Wipe" offset="7207/2s" duration="1s"/>')
    reported = "\n".join(write_timeline(load_timeline(source), tmp_path / "out.otio").losses)
    assert (
        "wipes and other transitions of the Final Cut Pro XML that was read: they become dissolves (1)"
        in reported
    )
    assert "fades from" not in reported


def test_adjustments_of_final_cut_are_counted_where_they_change_something(tmp_path: Path) -> None:
    def lost(inside: str) -> list[str]:
        source = write_source(tmp_path, old='<adjust-volume amount="-6dB"/>', new=inside)
        losses = write_timeline(load_timeline(source), tmp_path / "out.otio").losses
        return [loss for loss in losses if loss.startswith("picture adjustments")]

    assert lost('<adjust-conform type="fit"/><adjust-colorConform conformType="conformNone"/>') == []
    changing = '<adjust-conform type="fill"/><adjust-rollingShutter amount="low"/><adjust-cinematic/>'
    (loss,) = lost(changing)
    assert loss.endswith("(3)")

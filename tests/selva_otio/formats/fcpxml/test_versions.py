"""The versions of FCPXML, and the folder that Final Cut Pro exports since 1.10."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.errors import TimelineReadError, UnsupportedFormatError
from tests.selva_otio.formats.fcpxml.spines import load, shots


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10", "1.11", "1.12", "1.13"])
def test_every_version_is_read_alike(tmp_path: Path, version: str) -> None:
    source = 'src="file:///media/s.mov"' if version == "1.8" else ""
    rep = (
        ""
        if version == "1.8"
        else '<media-rep kind="original-media" src="file:///media/s.mov"><bookmark>Ym9v</bookmark></media-rep>'
        '<metadata><md key="com.apple.proapps.studio.rawToLogConversion" value="0"/></metadata>'
    )
    path = tmp_path / "cut.fcpxml"
    path.write_text(
        f'<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="{version}"><import-options><option key="k" value="0"/>'
        '</import-options><resources><format id="r1" name="FFVideoFormat1080p25" frameDuration="100/2500s"/>'
        f'<asset id="r2" name="s" start="0s" duration="8s" hasVideo="1" format="r1" {source}>{rep}</asset></resources>'
        '<library location="file:///m/l.fcpbundle/"><event name="E"><asset-clip ref="r2" name="in the event" duration="8s"/>'
        '<project name="P"><sequence format="r1" duration="2s" tcStart="3600s" tcFormat="NDF" audioRate="48k"><spine>'
        '<asset-clip ref="r2" offset="3600s" name="s" start="3s" duration="2s" tcFormat="NDF" audioRole="dialogue">'
        '<adjust-colorConform enabled="1"/><keyword start="3s" duration="1s" value="k"/></asset-clip></spine></sequence>'
        '</project></event><smart-collection name="All" match="all"/></library></fcpxml>',
        encoding="utf-8",
    )
    timeline = load_timeline(path)
    assert shots(timeline) == [("s", 0, 2, 3, 1)]
    assert timeline.global_start_time.to_seconds() == 3600


def test_a_bundle_folder_of_final_cut_pro_is_read(tmp_path: Path) -> None:
    load(tmp_path, '<asset-clip ref="b" name="b" offset="0s" start="8s" duration="4s"/>')
    bundle = tmp_path / "cut.fcpxmld"
    bundle.mkdir()
    (tmp_path / "cut.fcpxml").rename(bundle / "Info.fcpxml")
    assert shots(load_timeline(bundle)) == [("b", 0, 4, 8, 1)]
    (bundle / "Info.fcpxml").unlink()
    with pytest.raises(TimelineReadError, match=r"no timeline at .*Info\.fcpxml"):
        load_timeline(bundle)


def test_a_bundle_folder_of_final_cut_pro_is_not_written(tmp_path: Path) -> None:
    timeline = load(tmp_path, '<asset-clip ref="b" name="b" offset="0s" start="8s" duration="4s"/>')
    with pytest.raises(UnsupportedFormatError, match="is not written"):
        write_timeline(timeline, tmp_path / "out.fcpxmld")
    write_timeline(timeline, tmp_path / "out.fcpxml")

"""Clips of FCPXML whose media has another frame rate than their sequence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from selva_otio.time.clock import exact_seconds
from tests.selva_otio.formats.fcpxml.spines import load, shots
from tests.selva_otio.round_trips import spot


def test_media_of_nearly_the_same_rate_is_played_frame_by_frame_from_an_unscaled_in_point(
    tmp_path: Path,
) -> None:
    clip = (
        '<asset-clip ref="b" name="b" offset="0s" start="10s" duration="4s"><conform-rate {}/></asset-clip>'
    )
    scaled = load(tmp_path, clip.format('srcFrameRate="23.98"'))
    assert shots(scaled) == [("b", 0, 4, 10, Fraction(1001, 1000))]
    assert shots(load(tmp_path, clip.format('scaleEnabled="0" srcFrameRate="23.98"'))) == [("b", 0, 4, 10, 1)]
    assert shots(load(tmp_path, clip.format('srcFrameRate="60"'))) == [("b", 0, 4, 10, 1)]


@pytest.mark.parametrize(
    ("source_rate", "speed"), [("25", Fraction(24, 25)), ("23.98", Fraction(1001, 1000))]
)
def test_the_in_point_of_a_conformed_clip_is_the_timecode_of_its_media(
    tmp_path: Path, source_rate: str, speed: Fraction
) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="a" name="a" offset="0s" start="3604s" duration="2s">'
        f'<conform-rate srcFrameRate="{source_rate}"/></asset-clip>',
    )
    assert shots(timeline) == [("a", 0, 2, 4, speed)]


def test_the_last_frames_of_a_conformed_asset_end_with_it(tmp_path: Path) -> None:
    """As Final Cut Pro exported it: 684 + 54 = 738 frames at 25 fps, in a project at 24."""
    timeline = load(
        tmp_path,
        '<asset-clip ref="p" name="p" offset="0s" start="684/25s" duration="54/24s">'
        '<conform-rate srcFrameRate="25"/></asset-clip>',
        resources='<asset id="p" start="0s" duration="738/25s" hasVideo="1" src="file:///media/p.mov"/>',
    )
    (shot,) = spot(timeline).clips
    assert shot.media_start_s == Fraction(684, 25)
    assert shot.media_start_s + shot.speed * shot.duration_s == Fraction(738, 25)


def test_what_is_connected_to_a_conformed_clip_counts_in_its_media_seconds(tmp_path: Path) -> None:
    """As Final Cut Pro exported it at 24: 170 frames of 1001/24000 s after the in-point is 170 frames of the project."""
    timeline = load(
        tmp_path,
        '<asset-clip ref="p" name="p" offset="0s" start="1528527/4000s" duration="20s">'
        '<conform-rate srcFrameRate="23.98"/>'
        '<asset-clip ref="b" name="b" lane="1" offset="2335333/6000s" start="3s" duration="1s"/></asset-clip>',
        resources='<asset id="p" start="0s" duration="416166/1000s" hasVideo="1" src="file:///media/p.mov"/>',
    )
    assert [shot.record_start_s for shot in spot(timeline).clips] == [0, Fraction(170, 24), Fraction(194, 24)]


@pytest.mark.parametrize(
    ("frames", "source_rate", "speed"),
    [
        ("1/60s", "23.98", Fraction(1001, 1000)),
        ("1/50s", "23.98", Fraction(1001, 1000)),
        ("1001/30000s", "60", Fraction(1000, 1001)),
        ("1/60s", "30", 1),
        ("1/25s", "24", Fraction(25, 24)),
    ],
)
def test_rates_far_apart_are_conformed_by_the_thousandth_of_ntsc_alone(
    tmp_path: Path, frames: str, source_rate: str, speed: Fraction
) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="b" name="b" offset="0s" start="10s" duration="4s">'
        f'<conform-rate srcFrameRate="{source_rate}"/></asset-clip>',
        resources=f'<format id="rx" frameDuration="{frames}"/>',
        frames="rx",
    )
    assert [shot.speed for shot in spot(timeline).clips] == [speed]


def test_what_is_in_a_compound_clip_is_conformed_to_its_rate_and_not_to_that_of_the_project(
    tmp_path: Path,
) -> None:
    """Media at 24 in a compound clip at 25 in a project at 24 plays as it was shot."""
    timeline = load(
        tmp_path,
        '<ref-clip ref="m" name="m" offset="0s" duration="4s"><conform-rate srcFrameRate="25"/></ref-clip>',
        resources='<format id="r25" frameDuration="1/25s"/><media id="m"><sequence format="r25" tcStart="0s"><spine>'
        '<asset-clip ref="b" name="b" offset="0s" start="3s" duration="9s"><conform-rate srcFrameRate="24"/>'
        "</asset-clip></spine></sequence></media>",
    )
    assert [(float(shot.media_start_s), float(shot.speed)) for shot in spot(timeline).clips] == [(3, 1)]


def test_a_marker_on_a_conformed_clip_is_on_its_media(tmp_path: Path) -> None:
    """Final Cut Pro shows the marker of its own export, at 60 fps with media at 23.98, at 00:00:16:33.51."""
    timeline = load(
        tmp_path,
        '<asset-clip ref="p" name="p" offset="0s" start="17017/750000s" duration="30s">'
        '<conform-rate srcFrameRate="23.98"/><marker start="199199/12000s" duration="1001/24000s" value="Dog: barking"/>'
        "</asset-clip>",
        resources='<asset id="p" start="0s" duration="400s" hasVideo="1" src="file:///media/p.mov"/>'
        '<format id="r60" frameDuration="1/60s"/>',
        frames="r60",
    )
    (clip,) = timeline.video_tracks()[0].find_clips()
    media_s = exact_seconds(clip.markers[0].marked_range.start_time)
    record_s = (media_s - exact_seconds(clip.source_range.start_time)) / Fraction(1001, 1000)
    assert abs(float(record_s) - (16 + (33 + 51 / 80) / 60)) < 1 / 60 / 80

"""FCPXML as Final Cut Pro and Resolve write it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio
import pytest

from selva_otio import load_timeline, write_timeline
from selva_otio.time.clock import exact_seconds
from tests.selva_otio.formats.fcpxml.spines import load, shots
from tests.selva_otio.round_trips import spot


def test_the_storyline_of_resolve_starts_at_the_timecode_of_its_sequence(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="a" name="a" offset="3600/1s" start="3605/1s" duration="2/1s"/>'
        '<gap name="Gap" offset="3602s" start="0s" duration="1s"/>'
        '<asset-clip ref="b" name="b" offset="3603/1s" duration="3s"/>',
        sequence='tcStart="3600/1s" tcFormat="NDF"',
    )
    assert timeline.global_start_time == otio.opentime.RationalTime(86_400, 24)
    assert shots(timeline) == [("a", 0, 2, 5, 1), ("b", 3, 3, 0, 1)]
    assert [clip.media_path for clip in spot(timeline).clips] == [
        Path("/media/a b.mov"),
        Path("/media/b.mov"),
    ]


def test_sound_of_a_clip_and_connected_sound_come_as_audio_tracks(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="a" name="a" offset="0s" start="3600s" duration="10s" audioRole="dialogue.boom" '
        'audioStart="3600s" audioDuration="12s">'
        '<asset-clip ref="w" lane="-1" name="w" offset="3604s" start="7s" duration="2s" audioRole="effects"/>'
        "</asset-clip>",
    )
    places: dict[str, list[Any]] = {
        track.name: [
            (
                item.name,
                exact_seconds(item.range_in_parent().start_time),
                exact_seconds(item.source_range.start_time),
            )
            for item in track.find_clips()
        ]
        for track in timeline.audio_tracks()
    }
    assert places == {"dialogue": [("a", 0, 3600)], "effects": [("w", 4, 7)]}


def test_audio_before_the_first_frame_is_trimmed_to_the_start(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="a" name="a" offset="0s" start="3602s" duration="10s" audioStart="3600s" audioDuration="12s"/>',
    )
    (sound,) = timeline.audio_tracks()[0]
    assert exact_seconds(sound.source_range.start_time) == 3602
    assert exact_seconds(sound.source_range.duration) == 10


def test_picture_on_lanes_covers_the_primary_storyline(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="a" name="a" offset="0s" start="3600s" duration="10s">'
        '<spine lane="1" offset="3602s"><asset-clip ref="b" name="x" offset="0s" start="4s" duration="1s"/>'
        '<asset-clip ref="b" name="y" offset="1s" start="9s" duration="1s"/></spine>'
        '<asset-clip ref="b" lane="2" name="z" offset="3603s" start="20s" duration="3s"/>'
        "</asset-clip>",
    )
    assert shots(timeline) == [
        ("a", 0, 2, 0, 1),
        ("x", 2, 1, 4, 1),
        ("z", 3, 3, 20, 1),
        ("a", 6, 4, 6, 1),
    ]


@pytest.mark.parametrize(
    ("points", "start", "expected"),
    [
        ('<timept time="0s" value="0s"/><timept time="25s" value="50s"/>', "2s", ("b", 0, 4, 4, 2)),
        (
            '<timept time="0s" value="50s"/><timept time="50s" value="0s"/>',
            "10s",
            ("b", 0, 4, Fraction(959, 24), -1),
        ),
        ('<timept time="0s" value="7s"/><timept time="9s" value="7s"/>', "0s", ("b", 0, 4, 7, 0)),
        (
            '<timept time="0s" value="0s"/><timept time="10s" value="5s"/><timept time="20s" value="25s"/>',
            "12s",
            ("b", 0, 4, 9, 2),
        ),
    ],
)
def test_retimes_show_the_media_at_the_mapped_instants(
    tmp_path: Path, points: str, start: str, expected: tuple[str, int, int, Fraction | int, int]
) -> None:
    timeline = load(
        tmp_path,
        f'<asset-clip ref="b" name="b" offset="0s" start="{start}" duration="4s"><timeMap>{points}</timeMap></asset-clip>',
    )
    assert shots(timeline) == [expected]


def test_a_speed_ramp_is_read_as_a_time_effect_that_is_not_linear(tmp_path: Path) -> None:
    ramp = '<timept time="0s" value="0s"/><timept time="10s" value="5s"/><timept time="20s" value="25s"/>'
    timeline = load(
        tmp_path,
        f'<asset-clip ref="b" name="b" offset="0s" start="8s" duration="4s"><timeMap>{ramp}</timeMap></asset-clip>'
        '<asset-clip ref="b" name="c" offset="4s" start="0s" duration="4s"/>',
    )
    sheet = spot(timeline)
    assert [clip.name for clip in sheet.clips] == ["c"]
    assert [item.reason for item in sheet.skipped] == ["a speed ramp; bake it to media first"]


NEST = """
<media id="m" name="nest"><sequence format="r1" tcStart="60s" duration="8s"><spine>
  <asset-clip ref="a" name="in a" offset="60s" start="3610s" duration="4s"/>
  <asset-clip ref="b" name="in b" offset="64s" start="20s" duration="4s"/>
</spine></sequence></media>
<media id="mc"><multicam format="r1" tcStart="0s">
  <mc-angle name="one" angleID="A"><asset-clip ref="a" name="cam a" offset="0s" start="3600s" duration="30s"/></mc-angle>
  <mc-angle name="two" angleID="B"><gap offset="0s" duration="2s"/>
    <asset-clip ref="b" name="cam b" offset="2s" start="0s" duration="30s"/></mc-angle>
</multicam></media>
"""


def test_a_multicam_clip_of_which_only_sound_is_active_shows_nothing(tmp_path: Path) -> None:
    clip = '<mc-clip ref="mc" name="MC" offset="0s" start="0s" duration="1s"><mc-source angleID="A" srcEnable="{}"/></mc-clip>'
    heard, seen_too = (load(tmp_path, clip.format(kind), resources=NEST) for kind in ("audio", "all"))
    assert (len(heard.video_tracks()), len(heard.audio_tracks())) == (0, 1)
    assert len(seen_too.video_tracks()) == 1


def test_a_trimmed_compound_clip_shows_what_is_inside_its_trim(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<gap offset="0s" duration="1s"/><ref-clip ref="m" name="nest" offset="1s" start="62s" duration="5s"/>',
        resources=NEST,
    )
    assert shots(timeline) == [("in a", 1, 2, 12, 1), ("in b", 3, 3, 20, 1)]


def test_a_compound_clip_without_a_start_begins_with_its_sequence(tmp_path: Path) -> None:
    timeline = load(tmp_path, '<ref-clip ref="m" name="nest" offset="0s" duration="8s"/>', resources=NEST)
    assert shots(timeline) == [("in a", 0, 4, 10, 1), ("in b", 4, 4, 20, 1)]


GAPS = """
<media id="g"><sequence format="r1" tcStart="0s" duration="4s"><spine>
  <gap offset="0s" start="3600s" duration="2s"/><asset-clip ref="b" name="b" offset="2s" start="3s" duration="2s"/>
</spine></sequence></media>
<media id="g2"><sequence format="r1" tcStart="3600s" duration="9s"><spine>
  <gap offset="3600s" duration="2s"/><asset-clip ref="b" name="b" offset="3602s" start="3s" duration="2s"/>
  <gap offset="3604s" duration="1s"/><asset-clip ref="b" name="c" offset="3605s" start="9s" duration="2s"/>
  <gap offset="3607s" duration="2s"/>
</spine></sequence></media>
"""


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ('<ref-clip ref="g" offset="0s" duration="4s"/>', [("b", 2, 2, 3, 1)]),
        ('<ref-clip ref="g" offset="0s" start="1s" duration="2s"/>', [("b", 1, 1, 3, 1)]),
        ('<ref-clip ref="g" offset="0s" start="5/2s" duration="1s"/>', [("g", 0, 1, Fraction(7, 2), 1)]),
        (
            '<ref-clip ref="g2" offset="0s" start="3600s" duration="9s"/>',
            [("b", 2, 2, 3, 1), ("c", 5, 2, 9, 1)],
        ),
        (
            '<ref-clip ref="g2" offset="0s" start="3603s" duration="3s"/>',
            [("b", 0, 1, 4, 1), ("c", 2, 1, 9, 1)],
        ),
        (
            '<mc-clip ref="mc" offset="0s" start="0s" duration="4s"><mc-source angleID="B" srcEnable="all"/></mc-clip>',
            [("cam b", 2, 2, 0, 1)],
        ),
        (
            '<sync-clip offset="0s" start="0s" duration="4s"><spine><gap offset="0s" duration="1s"/>'
            '<asset-clip ref="b" name="b" offset="1s" start="3s" duration="2s"/></spine></sync-clip>',
            [("b", 1, 2, 3, 1)],
        ),
        (
            '<ref-clip ref="g" offset="0s" duration="2s"><timeMap><timept time="0s" value="0s"/>'
            '<timept time="2s" value="4s"/></timeMap></ref-clip>',
            [("b", 1, 1, 3, 2)],
        ),
    ],
)
def test_gaps_inside_compound_and_multicam_clips_show_nothing(
    tmp_path: Path, clip: str, expected: list[tuple[Any, ...]]
) -> None:
    found = shots(load(tmp_path, clip, resources=NEST + GAPS))
    assert [shot[1:] for shot in found] == [shot[1:] for shot in expected]


def test_a_disabled_clip_inside_a_compound_clip_stays_disabled(tmp_path: Path) -> None:
    nest = (
        '<media id="d"><sequence format="r1"><spine><asset-clip ref="b" name="b" offset="0s" duration="4s" {}/>'
        "</spine></sequence></media>"
    )
    clips = (
        '<ref-clip ref="d" name="d" offset="0s" duration="4s"/>'
        '<asset-clip ref="b" name="e" offset="4s" duration="1s"/>'
    )
    seen_after = ("e", 4, 1, 0, 1)
    assert shots(load(tmp_path, clips, resources=nest.format('enabled="0"'))) == [seen_after]
    assert shots(load(tmp_path, clips, resources=nest.format(""))) == [("d", 0, 4, 0, 1), seen_after]


def test_a_multicam_clip_shows_its_active_angle(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<mc-clip ref="mc" name="cams" offset="0s" start="5s" duration="3s">'
        '<mc-source angleID="B" srcEnable="video"/><mc-source angleID="A" srcEnable="audio"/></mc-clip>',
        resources=NEST,
    )
    assert [shot[1:] for shot in shots(timeline)] == [(0, 3, 3, 1)]
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]


def test_clips_around_a_single_part_are_read_as_one_clip(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<clip name="c" offset="0s" start="3603s" duration="4s"><video ref="a" offset="3600s" start="3600s" '
        'duration="100s"><audio ref="a" lane="-1" offset="3600s" start="3600s" duration="100s" role="dialogue"/></video>'
        '<asset-clip ref="w" lane="-2" offset="3604s" name="w" duration="1s"/></clip>'
        '<sync-clip name="s" offset="4s" start="1s" duration="2s">'
        '<spine><asset-clip ref="b" name="b" offset="0s" start="30s" duration="9s"/></spine>'
        "</sync-clip>",
    )
    assert shots(timeline) == [("c", 0, 4, 3, 1), ("s", 4, 2, 31, 1)]
    clips = [clip.name for track in timeline.audio_tracks() for clip in track.find_clips()]
    assert sorted(clips) == ["c", "w"]


def test_the_first_clip_of_an_audition_is_seen_and_the_others_are_its_takes(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<audition offset="0s"><asset-clip ref="b" name="b" start="1s" duration="2s"/>'
        '<asset-clip ref="a" name="a" start="3600s" duration="2s"/></audition>',
    )
    assert shots(timeline) == [("b", 0, 2, 1, 1)]
    (clip,) = timeline.tracks[0].find_clips()
    assert list(clip.media_references()) == ["take_1", "take_2"]


def test_titles_are_no_picture_and_hide_nothing(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="b" name="b" offset="0s" duration="4s"><title ref="t" lane="1" name="Hello" offset="1s" '
        'duration="2s"/></asset-clip><video ref="t" name="gen" offset="4s" duration="1s"/>',
    )
    assert shots(timeline) == [("b", 0, 4, 0, 1)]
    assert len(spot(timeline).skipped) == 2


def test_transitions_overlap_their_neighbours(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="b" name="one" offset="0s" start="10s" duration="4s"/>'
        '<transition name="Cross Dissolve" offset="3s" duration="2s"/>'
        '<asset-clip ref="b" name="two" offset="4s" start="30s" duration="4s"/>',
    )
    assert shots(timeline) == [("one", 0, 5, 10, 1), ("two", 3, 5, 29, 1)]


DISSOLVED = (
    '<asset-clip ref="b" name="one" offset="0s" start="10s" duration="4s"/>'
    '<transition name="Cross Dissolve" offset="3s" duration="2s"/>'
    '<asset-clip ref="b" name="two" offset="4s" start="30s" duration="4s"/>'
)


@pytest.mark.parametrize(
    "story",
    [
        f'<gap offset="0s" start="0s" duration="8s"><spine lane="1" offset="0s">{DISSOLVED}</spine></gap>',
        f'<gap offset="0s" start="0s" duration="8s"><spine lane="-1" offset="0s">{DISSOLVED}</spine></gap>',
        '<ref-clip ref="x" offset="0s" duration="8s"/>',
        '<mc-clip ref="y" offset="0s" duration="8s"><mc-source angleID="A" srcEnable="all"/></mc-clip>',
        f'<sync-clip offset="0s" start="0s" duration="8s"><spine>{DISSOLVED}</spine></sync-clip>',
    ],
    ids=["storyline above", "storyline below", "compound", "multicam", "synchronized"],
)
def test_dissolves_in_storylines_and_nests_overlap_as_in_the_primary_storyline(
    tmp_path: Path, story: str
) -> None:
    nests = (
        f'<media id="x"><sequence format="r1" tcStart="0s"><spine>{DISSOLVED}</spine></sequence></media>'
        f'<media id="y"><multicam format="r1"><mc-angle angleID="A">{DISSOLVED}</mc-angle></multicam></media>'
    )
    timeline = load(tmp_path, story, resources=nests)
    assert shots(timeline) == [("one", 0, 5, 10, 1), ("two", 3, 5, 29, 1)]


def test_a_dissolve_in_the_middle_of_a_trimmed_compound_clip_stays_where_it_is(tmp_path: Path) -> None:
    nest = f'<media id="x"><sequence format="r1" tcStart="0s"><spine>{DISSOLVED}</spine></sequence></media>'
    timeline = load(tmp_path, '<ref-clip ref="x" offset="0s" start="2s" duration="4s"/>', resources=nest)
    assert shots(timeline) == [("one", 0, 3, 12, 1), ("two", 1, 3, 29, 1)]


def test_a_marker_on_a_retimed_clip_is_on_the_media_clock(tmp_path: Path) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="b" name="b" offset="0s" start="2s" duration="4s">'
        '<timeMap><timept time="0s" value="0s"/><timept time="25s" value="50s"/></timeMap>'
        '<marker start="3s" duration="1s" value="Selva Rain: rain on a roof" note="soft"/></asset-clip>',
    )
    (clip,) = timeline.tracks[0].find_clips()
    (marker,) = clip.markers
    assert exact_seconds(marker.marked_range.start_time) == 6
    assert exact_seconds(marker.marked_range.duration) == 2
    (rain,) = [cue for cue in spot(timeline).cues if cue.track == "Rain"]
    assert [rain.clip.record_start_s, rain.clip.duration_s] == [Fraction(1), Fraction(1)]


@pytest.mark.parametrize(
    ("counting", "start_s", "label"),
    [("DF", "107999892/30000s", "01:00:00;00"), ("NDF", "108108000/30000s", "01:00:00:00")],
)
def test_the_start_timecode_stays_drop_frame_or_not(
    tmp_path: Path, counting: str, start_s: str, label: str
) -> None:
    timeline = load(
        tmp_path,
        '<asset-clip ref="b" name="b" offset="0s" duration="4s"/>',
        resources='<format id="n" frameDuration="1001/30000s"/>',
        sequence=f'tcStart="{start_s}" tcFormat="{counting}"',
        frames="n",
    )
    assert spot(timeline).clock.timecode(Fraction(0)) == label
    write_timeline(timeline, tmp_path / "again.fcpxml")
    assert f'tcFormat="{counting}"' in (tmp_path / "again.fcpxml").read_text()


def test_a_file_without_a_single_project_says_what_to_export(tmp_path: Path) -> None:
    path = tmp_path / "clips.fcpxml"
    path.write_text('<fcpxml version="1.10"><resources/><library><event/></library></fcpxml>')
    with pytest.raises(ValueError, match="holds 0 projects; select the one to be read"):
        load_timeline(path)

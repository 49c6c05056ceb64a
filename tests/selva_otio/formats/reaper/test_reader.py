from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from selva_otio.errors import TimelineReadError
from selva_otio.formats.reaper.adapter import read_from_file, read_from_string
from selva_otio.time.clock import exact_seconds
from tests.selva_otio.formats.reaper.projects import (
    FILM,
    FOLDER,
    OPEN_FOLDERS,
    REEL,
    clips_of,
    project,
    read,
    track,
    video_item,
)


def named(timeline: otio.schema.Timeline, name: str) -> otio.schema.Clip:
    (clip,) = (clip for clip in clips_of(timeline) if clip.name == name)
    return clip


def frames(span: otio.opentime.TimeRange) -> tuple[float, float]:
    return span.start_time.value, span.duration.value


def test_the_start_offset_and_frame_rate_are_the_timelines() -> None:
    film, reel = read_from_file(str(FILM)), read_from_file(str(REEL))
    assert (film.global_start_time.value, film.global_start_time.rate) == (86_400, 24_000 / 1001)
    assert (reel.global_start_time.value, reel.global_start_time.rate) == (107_892, 30_000 / 1001)
    assert reel.metadata["REAPER"]["drop_frame"] is True
    assert film.metadata["REAPER"]["drop_frame"] is False


def test_items_are_on_the_frames_where_reaper_shows_them() -> None:
    film = read_from_file(str(FILM))
    (picture,) = (track for track in film.video_tracks() if track.metadata["REAPER"]["lane"] == 0)
    placed = [
        (child.name, *frames(child.trimmed_range_in_parent()))
        for child in picture
        if isinstance(child, otio.schema.Clip)
    ]
    assert placed == [("shot #1.mov", 13, 30), ('it\'s "two"', 48, 24), ("backwards.mov", 96, 12)]


def test_a_source_offset_is_the_used_range_of_the_media() -> None:
    assert frames(named(read_from_file(str(FILM)), "shot #1.mov").source_range) == (7, 30)


def test_a_play_rate_is_a_time_warp() -> None:
    (warp,) = named(read_from_file(str(FILM)), 'it\'s "two"').effects
    assert (type(warp), warp.time_scalar) == (otio.schema.LinearTimeWarp, 2.0)


def test_a_reversed_section_is_read_as_a_range_of_its_file() -> None:
    """4.004 s into the file at first (1.001 + 3.003), a quarter second later because of the offset; it plays back."""
    clip = named(read_from_file(str(FILM)), "backwards.mov")
    assert [effect.time_scalar for effect in clip.effects] == [-1.0]
    first_s = Fraction(1001, 1000) + Fraction(3003, 1000) - Fraction("0.25025")
    assert exact_seconds(clip.source_range.start_time) == first_s - Fraction("0.5005")
    assert frames(clip.source_range) == (78, 12)


def test_a_section_moves_the_used_range_and_the_take_markers() -> None:
    clip = named(read_from_file(str(FILM)), "over the other.mov")
    assert frames(clip.source_range) == (12, 24)
    assert [(marker.name, marker.marked_range.start_time.value) for marker in clip.markers] == [("door", 24)]


def test_a_reversed_take_of_unknown_length_has_a_missing_reference() -> None:
    clip = named(read_from_file(str(REEL)), "reversed speech")
    assert isinstance(clip.media_reference, otio.schema.MissingReference)
    assert "speech.m4a" in clip.media_references()["DEFAULT_MEDIA"].target_url


def test_stretch_markers_are_a_time_effect_that_is_not_linear() -> None:
    (effect,) = named(read_from_file(str(REEL)), "insert.mp4").effects
    assert type(effect) is otio.schema.TimeEffect


def test_muted_items_and_tracks_are_disabled() -> None:
    film = read_from_file(str(FILM))
    assert not named(film, "over the other.mov").enabled
    assert named(film, "shot #1.mov").enabled
    assert [track.enabled for track in film.tracks if track.name == "Sync"] == [False]


def test_items_that_overlap_go_to_a_second_track_on_top() -> None:
    film = read_from_file(str(FILM))
    lanes = [(track.name, track.metadata["REAPER"]["lane"]) for track in film.video_tracks()]
    assert lanes == [("Picture", 0), ("Picture", 1)]
    assert [clip.name for clip in film.video_tracks()[1].find_clips()] == ["over the other.mov"]


def test_upper_tracks_of_reaper_are_upper_pictures() -> None:
    text = project(track("NAME top", video_item("0", "1")), track("NAME bottom", video_item("0", "1")))
    assert [track.name for track in read(text).video_tracks()] == ["bottom", "top"]


def test_picture_and_sound_of_one_track_are_separated_by_source_and_file() -> None:
    sound = '<SOURCE VIDEO\nFILE "voice.m4a"\n>'
    blind = '<SOURCE VIDEO\nVIDEO_DISABLED\nFILE "b.mov"\n>'
    text = project(
        track(
            "NAME mixed",
            video_item("0", "1"),
            video_item("1", "1", source=sound),
            video_item("2", "1", source=blind),
        )
    )
    timeline = read(text)
    kinds = [(track.kind, len(track.find_clips())) for track in timeline.tracks]
    assert kinds == [("Video", 1), ("Audio", 2)]


def test_takes_are_media_references_and_the_selected_one_is_active() -> None:
    clip = named(read_from_file(str(FILM)), "02 the good one")
    references = clip.media_references()
    assert list(references) == ["take_1", "take_2", "take_3"]
    assert clip.active_media_reference_key == "take_2"
    assert references["take_1"].target_url == (FOLDER / "Media" / "01.wav").as_uri()
    assert isinstance(references["take_3"], otio.schema.MissingReference)
    assert exact_seconds(clip.source_range.start_time) == Fraction(1, 2)


def test_an_item_that_starts_before_its_source_begins_where_its_source_does() -> None:
    """0.25 s before the source, at half speed: half a second of silence first."""
    film = read_from_file(str(FILM))
    clip = named(film, "early")
    assert exact_seconds(clip.trimmed_range_in_parent().start_time) == Fraction(11, 2)
    assert exact_seconds(clip.source_range.start_time) == 0


def test_an_empty_item_is_a_gap_named_after_its_notes() -> None:
    gaps = [
        child
        for child in read_from_file(str(FILM)).find_children(descended_from_type=otio.schema.Gap)
        if child.name
    ]
    assert [(gap.name, gap.metadata["REAPER"]["notes"]) for gap in gaps] == [
        ("scene missing", 'scene missing\nask "production"')
    ]


def test_markers_and_regions_are_markers_of_the_timeline() -> None:
    markers = read_from_file(str(FILM)).tracks.markers
    assert [(marker.name, *frames(marker.marked_range), marker.color) for marker in markers] == [
        ("Check grade", 24, 0, ""),
        ("Dog: small dog barking", 48, 48, "RED"),
        ('says "hello"', 120, 0, "BLUE"),
    ]
    assert markers[1].metadata["REAPER"]["is_region"] is True


def test_the_folders_around_a_track_are_in_its_metadata() -> None:
    timeline = read_from_file(str(OPEN_FOLDERS))
    folders = {track.name: list(track.metadata["REAPER"]["folders"]) for track in timeline.tracks}
    assert folders == {"Outer": [], "Inner": ["Outer"], "Last": ["Outer", "Inner"]}


def test_guids_and_loops_stay_in_the_metadata() -> None:
    film = read_from_file(str(FILM))
    known = named(film, "shot #1.mov").metadata["REAPER"]
    assert (known["guid"], known["loops"]) == ("{20000000-0000-4000-8000-000000000001}", True)


def test_windows_paths_are_read_anywhere() -> None:
    reel = read_from_file(str(REEL))
    assert named(reel, "Reel A.mov").media_reference.target_url == "file:///C:/Films/My%20Show/Reel%20A.mov"
    assert named(reel, "insert.mp4").media_reference.target_url == (FOLDER / "Media" / "insert.mp4").as_uri()
    assert named(reel, "room tone.wav").media_reference.metadata["REAPER"]["is_offline"] is True


def test_a_project_read_from_text_keeps_relative_media_urls() -> None:
    timeline = read_from_string(FILM.read_text(encoding="utf-8"))
    assert named(timeline, "shot #1.mov").media_reference.target_url == "Media/shot%20%231.mov"


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (video_item("soon", "1"), "POSITION of the item at line 4"),
        (video_item("0", "-1"), "not negative"),
        (video_item("1e99", "1"), "within 10000000 seconds"),
        (video_item("0", "1", "PLAYRATE 0"), "PLAYRATE of the item at line 4"),
        (video_item("0", "1", source="<SOURCE SECTION\n" * 12 + ">\n" * 11 + ">"), "more than 8 sections"),
    ],
)
def test_invalid_items_are_refused_with_their_line(item: str, says: str) -> None:
    with pytest.raises(TimelineReadError, match=says):
        read(project(track(item)))


def test_a_missing_project_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(TimelineReadError, match="there is no project"):
        read_from_file(str(tmp_path / "none.rpp"))

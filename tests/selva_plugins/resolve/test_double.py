"""The double itself: each way in which Resolve is known to behave, so that code which passes here has met it."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.remote import FusionScript
from tests.selva_plugins.resolve.double.surface import load_surface
from tests.selva_plugins.resolve.scenes import RATES, Scene, build_scene
from tests.selva_plugins.resolve.stems import write_wav


class RequestHandlers:
    """A script's view of a double: the objects it would fetch first."""

    def __init__(
        self, scene: Scene, version: str = "21.0.4", edition: Any = "studio", **changes: Any
    ) -> None:
        self.host = Host(dataclasses.replace(build(version, edition), **changes), scene.project)
        resolve: Any = FusionScript(self.host).scriptapp("Resolve")
        self.resolve = resolve
        self.manager = resolve.GetProjectManager()
        self.project = self.manager.GetCurrentProject()
        self.pool = self.project.GetMediaPool()
        self.timeline = self.project.GetCurrentTimeline()

    def append(self, media: Any, **info: Any) -> Any:
        return self.pool.AppendToTimeline([{"mediaPoolItem": media, "mediaType": 2, "trackIndex": 1, **info}])

    def import_wav(self, path: Path, *, num_samples: int = 96_000) -> Any:
        return self.pool.ImportMedia([str(write_wav(path, num_samples=num_samples))])[0]

    def a1(self) -> list[tuple[int, int]]:
        return [(item.start, item.duration) for item in self.host.timeline.tracks["audio"][0].items]


@pytest.fixture
def scene() -> Scene:
    return build_scene()


# Object model
# -----------------------------------------------------------------------------------------------------


def test_every_object_answers_hasattr_and_lists_methods_only(scene: Scene) -> None:
    desk = RequestHandlers(scene)
    assert hasattr(desk.timeline, "NoSuchThing")
    assert desk.timeline.NoSuchThing is None
    assert "GetName" in dir(desk.timeline)
    assert "EXPORT_OTIO" not in dir(desk.resolve)
    assert isinstance(desk.resolve.EXPORT_OTIO, float)
    assert desk.resolve.EXPORT_NONE == 0.0
    assert set(desk.host.violations) == {"Timeline.NoSuchThing: no version of Resolve has this"}


def test_a_call_that_a_later_version_brings_reads_as_none(scene: Scene) -> None:
    assert RequestHandlers(scene, "21.0.4").resolve.IsStudio is None
    assert RequestHandlers(scene, "21.1.0").resolve.IsStudio() is True


def test_named_arguments_and_wrong_counts_are_mistakes(scene: Scene) -> None:
    desk = RequestHandlers(scene)
    assert desk.timeline.GetTrackCount(trackType="audio") is None
    assert desk.timeline.GetTrackCount() is None
    assert len(desk.host.violations) == 2
    assert desk.timeline.GetTrackCount("audio") == 1


def test_indices_start_at_one_and_there_is_no_index_error(scene: Scene) -> None:
    desk = RequestHandlers(scene)
    assert desk.timeline.GetItemListInTrack("audio", 0) is None
    assert desk.timeline.GetTrackName("audio", 7) == ""
    assert desk.timeline.GetTrackName("audio", 1) == "Audio 1"
    assert desk.project.GetTimelineByIndex(0) is None


def test_objects_die_when_the_project_or_timeline_is_switched(scene: Scene) -> None:
    other = model.Timeline("Reel 2", Fraction(24), "01:00:00:00")
    scene.project.timelines.append(other)
    desk = RequestHandlers(scene)
    assert desk.project.SetCurrentTimeline(desk.project.GetTimelineByIndex(2)) is True
    assert desk.timeline.GetName() is None
    assert desk.pool.GetRootFolder().GetName() == "Master"
    desk.host.switch_project(build_scene().project)
    assert desk.pool.GetRootFolder() is None


def test_every_call_of_the_double_is_one_that_resolve_has() -> None:
    surface = load_surface()
    host = Host(build("21.1"), build_scene().project)
    for kind, calls in host._implementations.items():
        assert set(calls) <= set(surface.methods[kind])


# Time
# -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start", "frame"),
    [
        ("23.976", "01:00:00:00", 86400),
        ("25", "01:00:00:00", 90000),
        ("29.97", "01:00:00:00", 108000),
        ("29.97", "01:00:00;00", 107892),
        ("60", "01:00:00:00", 216000),
        ("24", "00:00:00:00", 0),
    ],
)
def test_the_start_frame_counts_timecode_at_the_nominal_rate(name: str, start: str, frame: int) -> None:
    desk = RequestHandlers(build_scene(rate=RATES[name], start_timecode=start, drop_frame=";" in start))
    assert desk.timeline.GetStartFrame() == frame
    assert desk.timeline.GetCurrentTimecode() == start


def test_positions_are_absolute_and_ends_exclusive(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=10, frames=20)
    desk = RequestHandlers(scene)
    item = desk.timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetStart(), item.GetEnd(), item.GetDuration()) == (86410, 86430, 20)
    assert item.GetStart(True) == 86410.0


@pytest.mark.parametrize(("media_rate", "end"), [("24", 37), ("25", 16 + 20)])
def test_the_source_end_is_exclusive_at_one_rate_and_inclusive_at_two(
    media_rate: str, end: int, scene: Scene
) -> None:
    media = scene.add_media("/m/a.mov", fps=RATES[media_rate], start_timecode="10:00:00:00")
    scene.add_clip(media, at=0, frames=20 if media_rate == "24" else 19, source=17)
    item = RequestHandlers(scene).timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetSourceStartFrame(), item.GetSourceEndFrame()) == (
        17,
        end - (1 if media_rate == "25" else 0),
    )
    assert item.GetSourceStartTime() == pytest.approx(36000 + 17 / float(RATES[media_rate]))


def test_the_left_offset_is_warped_by_speed(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=20, source=100, speed=Fraction(2))
    item = RequestHandlers(scene).timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetSourceStartFrame(), item.GetLeftOffset()) == (100, 50)


# Placing
# ----------------------------------------------------------------------------------------------------------


def test_a_wav_keeps_the_projects_rate_and_knows_no_frames(tmp_path: Path) -> None:
    desk = RequestHandlers(build_scene(rate=RATES["25"], project_rate=RATES["29.97"]))
    media = desk.import_wav(tmp_path / "a.wav", num_samples=48_000 * 4 + 100)
    assert media.GetClipProperty("FPS") == 29.97
    assert media.GetClipProperty("Frames") == ""
    assert media.GetClipProperty("Duration") == "00:00:03:29"
    assert (media.GetClipProperty("Audio Ch"), media.GetClipProperty("Sample Rate")) == ("1", "48000")


@pytest.mark.parametrize(("version", "length"), [("18.5.1", 25), ("21.0.4", 24)])
def test_the_end_frame_counts_in_18_and_not_later(
    version: str, length: int, scene: Scene, tmp_path: Path
) -> None:
    desk = RequestHandlers(scene, version)
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86410)
    assert desk.a1() == [(86410, length)]


def test_before_18_5_the_record_frame_is_ignored(scene: Scene, tmp_path: Path) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=100)
    desk = RequestHandlers(scene, "18.1.4")
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=23, recordFrame=86410)
    assert desk.a1() == [(86500, 24)]


def test_a_fraction_in_one_clip_info_loses_the_whole_batch_in_21(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene, "21.0.4")
    first, second = desk.import_wav(tmp_path / "a.wav"), desk.import_wav(tmp_path / "b.wav")
    infos = [
        {
            "mediaPoolItem": media,
            "mediaType": 2,
            "trackIndex": 1,
            "startFrame": 0,
            "endFrame": 24,
            "recordFrame": at,
        }
        for media, at in ((first, 86400), (second, 86450.5))
    ]
    assert desk.pool.AppendToTimeline(infos) is None
    assert desk.a1() == []


def test_a_fraction_is_taken_before_21(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene, "20.2.2")
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86450.5)
    assert desk.a1() == [(86450, 24)]


def test_no_track_is_made_and_a_locked_one_takes_nothing(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    media = desk.import_wav(tmp_path / "a.wav")
    assert desk.append(media, trackIndex=2, startFrame=0, endFrame=24, recordFrame=86400) == []
    desk.timeline.SetTrackLock("audio", 1, True)
    assert desk.append(media, startFrame=0, endFrame=24, recordFrame=86400) == []
    desk.timeline.SetTrackLock("audio", 1, False)
    assert len(desk.append(media, startFrame=0, endFrame=24, recordFrame=86400)) == 1


def test_what_overlaps_is_dropped_although_the_answer_looks_well(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86400)
    answer = desk.append(desk.import_wav(tmp_path / "b.wav"), startFrame=0, endFrame=24, recordFrame=86410)
    assert len(answer) == 1
    assert answer[0].GetStart() is None
    assert desk.a1() == [(86400, 24)]


def test_an_empty_range_is_skipped_and_a_missing_one_means_all(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    media = desk.import_wav(tmp_path / "a.wav", num_samples=96_000)
    assert desk.append(media, startFrame=5, endFrame=5, recordFrame=86400) == []
    desk.append(media, recordFrame=86400)
    assert desk.a1() == [(86400, 48)]


def test_the_same_clip_twice_is_placed_once(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    media = desk.import_wav(tmp_path / "a.wav")
    for at in (86400, 86500):
        desk.append(media, startFrame=0, endFrame=24, recordFrame=at)
    assert desk.a1() == [(86400, 24)]


def test_a_relative_record_frame_lands_before_the_timeline_and_is_not_heard(
    scene: Scene, tmp_path: Path
) -> None:
    desk = RequestHandlers(scene)
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=10)
    (item,) = desk.host.timeline.tracks["audio"][0].items
    assert (item.start, item.rendered) == (10, False)


def test_lengths_are_rounded_down_from_the_clips_rate_to_the_timelines(tmp_path: Path) -> None:
    desk = RequestHandlers(build_scene(rate=RATES["25"], project_rate=RATES["24"]))
    desk.append(desk.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=25, recordFrame=90000)
    assert desk.a1() == [(90000, 26)]


def test_a_batch_with_a_fault_is_lost_on_saving(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    first, second = desk.import_wav(tmp_path / "a.wav"), desk.import_wav(tmp_path / "b.wav")
    info = {"mediaType": 2, "trackIndex": 1, "startFrame": 0, "endFrame": 24, "recordFrame": 86400}
    desk.pool.AppendToTimeline(
        [{**info, "mediaPoolItem": first}, {**info, "mediaPoolItem": second, "trackIndex": 9}]
    )
    assert desk.a1() == [(86400, 24)]
    desk.manager.SaveProject()
    assert desk.a1() == []


def test_unknown_keys_in_a_clip_info_are_mistakes(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    assert desk.append(desk.import_wav(tmp_path / "a.wav"), start_frame=0) is None
    assert "start_frame" in desk.host.violations[0]


# Tracks, bins, markers, settings
# ------------------------------------------------------------------------------------


def test_new_tracks_are_mono_and_an_index_pushes_others_down(scene: Scene) -> None:
    desk = RequestHandlers(scene)
    desk.timeline.SetTrackName("audio", 1, "Dialogue")
    assert desk.timeline.AddTrack("audio") is True
    assert desk.timeline.GetTrackCount("audio") == 2
    assert desk.timeline.AddTrack("audio", {"audioType": "stereo", "index": 1}) is True
    assert desk.timeline.AddTrack("audio", {"audioType": "5.1", "index": 99}) is True
    names = [desk.timeline.GetTrackName("audio", index) for index in range(1, 5)]
    assert names == ["Audio 3", "Dialogue", "Audio 2", "Audio 4"]
    types = [desk.timeline.GetTrackSubType("audio", index) for index in range(1, 5)]
    assert types == ["stereo", "stereo", "mono", "5.1"]
    assert desk.timeline.GetTrackSubType("video", 1) == ""
    assert desk.timeline.AddTrack("audio", "7.2") is False


def test_files_come_into_the_current_bin_only(scene: Scene, tmp_path: Path) -> None:
    desk = RequestHandlers(scene)
    first = desk.pool.AddSubFolder(desk.pool.GetRootFolder(), "Selva")
    second = desk.pool.AddSubFolder(desk.pool.GetRootFolder(), "Selva")
    desk.import_wav(tmp_path / "a.wav")
    assert [len(folder.GetClipList()) for folder in (first, second)] == [0, 1]
    assert desk.pool.ImportMedia([str(tmp_path / "missing.wav")]) == []


@pytest.mark.parametrize(("policy", "count"), [("reuse", 1), ("duplicate", 2)])
def test_importing_a_path_again_reuses_or_repeats_it(
    policy: str, count: int, scene: Scene, tmp_path: Path
) -> None:
    desk = RequestHandlers(scene, duplicate_imports=policy)
    for _ in range(2):
        desk.import_wav(tmp_path / "a.wav")
    assert len(scene.project.all_media()) == count


def test_the_form_of_an_import_is_the_one_the_version_documents(scene: Scene, tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", num_samples=100))
    assert RequestHandlers(scene, "21.1.0").pool.ImportMedia([path]) == []
    assert RequestHandlers(scene, "20.2.2").pool.ImportMedia([{"FilePath": path}]) == []
    assert len(RequestHandlers(scene, "21.1.0").pool.ImportMedia([{"FilePath": path}])) == 1


def test_a_new_timeline_becomes_current_and_bad_names_are_refused(scene: Scene) -> None:
    desk = RequestHandlers(scene)
    assert desk.pool.CreateEmptyTimeline("Reel 1") is None
    assert desk.pool.CreateEmptyTimeline("a/b") is None
    assert desk.pool.CreateEmptyTimeline("Reel 2").GetName() == "Reel 2"
    assert desk.project.GetCurrentTimeline().GetTrackSubType("audio", 1) == "stereo"


def test_there_is_one_marker_per_frame_and_frames_are_relative(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=100)
    desk = RequestHandlers(scene)
    assert desk.timeline.AddMarker(5, "Blue", "one", "", 1, "mine") is True
    assert desk.timeline.AddMarker(5, "Blue", "two", "", 1) is False
    assert desk.timeline.AddMarker(6, "Blue", "", "", 1) is False
    assert desk.timeline.AddMarker(7, "Magenta", "x", "", 1) is False
    assert desk.timeline.AddMarker(86400, "Blue", "absolute", "", 1) is False
    assert {type(frame) for frame in desk.timeline.GetMarkers()} == {float}
    assert {type(frame) for frame in RequestHandlers(scene, "21.1.0").timeline.GetMarkers()} == {int}
    assert desk.timeline.GetMarkers()[5]["customData"] == "mine"


def test_deleting_needs_the_edit_page_and_leaves_linked_sound(scene: Scene) -> None:
    sound = scene.add_sound(scene.timeline.tracks["audio"][0], at=0, frames=20)
    picture = scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=20)
    picture.linked = [sound]
    desk = RequestHandlers(scene)
    item = desk.timeline.GetItemListInTrack("video", 1)[0]
    desk.resolve.OpenPage("color")
    assert desk.timeline.DeleteClips([item], False) is False
    desk.resolve.OpenPage("edit")
    assert desk.timeline.DeleteClips([item], False) is True
    assert desk.a1() == [(86400, 20)]


def test_the_frame_rate_is_a_number_and_all_else_is_text(scene: Scene) -> None:
    desk = RequestHandlers(build_scene(rate=RATES["29.97"], project_rate=RATES["24"]))
    assert desk.timeline.GetSetting("timelineFrameRate") == 29.97
    assert desk.project.GetSetting("timelineFrameRate") == 24.0
    assert desk.timeline.GetSetting("timelineSampleRate") == "48000"
    assert desk.timeline.GetSetting("")["timelineDropFrameTimecode"] == "0"


def test_an_untitled_project_is_not_saved(scene: Scene) -> None:
    scene.project.saved_once = False
    assert RequestHandlers(scene).manager.SaveProject() is False


# Editions
# ---------------------------------------------------------------------------------------------------------


def test_the_free_edition_answers_no_program_outside(scene: Scene) -> None:
    host = Host(build("21.0.4", "free"), scene.project)
    assert FusionScript(host).scriptapp("Resolve") is None


def test_a_gated_call_opens_a_dialog_that_fails_everything_after_it(scene: Scene) -> None:
    host = Host(build("21.0.4", "free"), scene.project)
    timeline = host.wrap(scene.timeline)
    assert host.call(timeline, "DetectSceneCuts", []) is False
    assert host.call(timeline, "GetName", []) is False
    host.dismiss_modal()
    assert host.call(timeline, "GetName", []) == "Reel 1"

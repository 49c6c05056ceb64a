"""The double itself: each way in which Resolve is known to behave, so that code which passes on it has met them all."""

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


class ScriptView:
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
    script = ScriptView(scene)
    assert hasattr(script.timeline, "NoSuchThing")
    assert script.timeline.NoSuchThing is None
    assert "GetName" in dir(script.timeline)
    assert "EXPORT_OTIO" not in dir(script.resolve)
    assert isinstance(script.resolve.EXPORT_OTIO, float)
    assert script.resolve.EXPORT_NONE == 0.0
    assert set(script.host.violations) == {"Timeline.NoSuchThing: no version of Resolve has this"}


def test_a_call_that_a_later_version_brings_reads_as_none(scene: Scene) -> None:
    assert ScriptView(scene, "21.0.4").resolve.IsStudio is None
    assert ScriptView(scene, "21.1.0").resolve.IsStudio() is True


def test_named_arguments_and_wrong_counts_are_mistakes(scene: Scene) -> None:
    script = ScriptView(scene)
    assert script.timeline.GetTrackCount(trackType="audio") is None
    assert script.timeline.GetTrackCount() is None
    assert len(script.host.violations) == 2
    assert script.timeline.GetTrackCount("audio") == 1


def test_indices_start_at_one_and_there_is_no_index_error(scene: Scene) -> None:
    script = ScriptView(scene)
    assert script.timeline.GetItemListInTrack("audio", 0) is None
    assert script.timeline.GetTrackName("audio", 7) == ""
    assert script.timeline.GetTrackName("audio", 1) == "Audio 1"
    assert script.project.GetTimelineByIndex(0) is None


def test_objects_die_when_the_project_or_timeline_is_switched(scene: Scene) -> None:
    other = model.Timeline("Reel 2", Fraction(24), "01:00:00:00")
    scene.project.timelines.append(other)
    script = ScriptView(scene)
    assert script.project.SetCurrentTimeline(script.project.GetTimelineByIndex(2)) is True
    assert script.timeline.GetName() is None
    assert script.pool.GetRootFolder().GetName() == "Master"
    script.host.switch_project(build_scene().project)
    assert script.pool.GetRootFolder() is None


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
    script = ScriptView(build_scene(rate=RATES[name], start_timecode=start, drop_frame=";" in start))
    assert script.timeline.GetStartFrame() == frame
    assert script.timeline.GetCurrentTimecode() == start


def test_positions_are_absolute_and_ends_exclusive(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=10, frames=20)
    script = ScriptView(scene)
    item = script.timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetStart(), item.GetEnd(), item.GetDuration()) == (86410, 86430, 20)
    assert item.GetStart(True) == 86410.0


@pytest.mark.parametrize(("media_rate", "end"), [("24", 37), ("25", 16 + 20)])
def test_the_source_end_is_exclusive_at_one_rate_and_inclusive_at_two(
    media_rate: str, end: int, scene: Scene
) -> None:
    media = scene.add_media("/m/a.mov", fps=RATES[media_rate], start_timecode="10:00:00:00")
    scene.add_clip(media, at=0, frames=20 if media_rate == "24" else 19, source=17)
    item = ScriptView(scene).timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetSourceStartFrame(), item.GetSourceEndFrame()) == (
        17,
        end - (1 if media_rate == "25" else 0),
    )
    assert item.GetSourceStartTime() == pytest.approx(36000 + 17 / float(RATES[media_rate]))


def test_the_left_offset_is_warped_by_speed(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=20, source=100, speed=Fraction(2))
    item = ScriptView(scene).timeline.GetItemListInTrack("video", 1)[0]
    assert (item.GetSourceStartFrame(), item.GetLeftOffset()) == (100, 50)


# Placing
# ----------------------------------------------------------------------------------------------------------


def test_a_wav_keeps_the_projects_rate_and_knows_no_frames(tmp_path: Path) -> None:
    script = ScriptView(build_scene(rate=RATES["25"], project_rate=RATES["29.97"]))
    media = script.import_wav(tmp_path / "a.wav", num_samples=48_000 * 4 + 100)
    assert media.GetClipProperty("FPS") == 29.97
    assert media.GetClipProperty("Frames") == ""
    assert media.GetClipProperty("Duration") == "00:00:03:29"
    assert (media.GetClipProperty("Audio Ch"), media.GetClipProperty("Sample Rate")) == ("1", "48000")


@pytest.mark.parametrize(("version", "length"), [("18.5.1", 25), ("21.0.4", 24)])
def test_the_end_frame_counts_in_18_and_not_later(
    version: str, length: int, scene: Scene, tmp_path: Path
) -> None:
    script = ScriptView(scene, version)
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86410)
    assert script.a1() == [(86410, length)]


def test_before_18_5_the_record_frame_is_ignored(scene: Scene, tmp_path: Path) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=100)
    script = ScriptView(scene, "18.1.4")
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=23, recordFrame=86410)
    assert script.a1() == [(86500, 24)]


def test_a_fraction_in_one_clip_info_loses_the_whole_batch_in_21(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene, "21.0.4")
    first, second = script.import_wav(tmp_path / "a.wav"), script.import_wav(tmp_path / "b.wav")
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
    assert script.pool.AppendToTimeline(infos) is None
    assert script.a1() == []


def test_a_fraction_is_taken_before_21(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene, "20.2.2")
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86450.5)
    assert script.a1() == [(86450, 24)]


def test_no_track_is_made_and_a_locked_one_takes_nothing(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    media = script.import_wav(tmp_path / "a.wav")
    assert script.append(media, trackIndex=2, startFrame=0, endFrame=24, recordFrame=86400) == []
    script.timeline.SetTrackLock("audio", 1, True)
    assert script.append(media, startFrame=0, endFrame=24, recordFrame=86400) == []
    script.timeline.SetTrackLock("audio", 1, False)
    assert len(script.append(media, startFrame=0, endFrame=24, recordFrame=86400)) == 1


def test_what_overlaps_is_dropped_although_the_answer_looks_well(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=86400)
    answer = script.append(
        script.import_wav(tmp_path / "b.wav"), startFrame=0, endFrame=24, recordFrame=86410
    )
    assert len(answer) == 1
    assert answer[0].GetStart() is None
    assert script.a1() == [(86400, 24)]


def test_an_empty_range_is_skipped_and_a_missing_one_means_all(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    media = script.import_wav(tmp_path / "a.wav", num_samples=96_000)
    assert script.append(media, startFrame=5, endFrame=5, recordFrame=86400) == []
    script.append(media, recordFrame=86400)
    assert script.a1() == [(86400, 48)]


def test_the_same_clip_twice_is_placed_once(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    media = script.import_wav(tmp_path / "a.wav")
    for at in (86400, 86500):
        script.append(media, startFrame=0, endFrame=24, recordFrame=at)
    assert script.a1() == [(86400, 24)]


def test_a_relative_record_frame_lands_before_the_timeline_and_is_not_heard(
    scene: Scene, tmp_path: Path
) -> None:
    script = ScriptView(scene)
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=24, recordFrame=10)
    (item,) = script.host.timeline.tracks["audio"][0].items
    assert (item.start, item.rendered) == (10, False)


def test_lengths_are_rounded_down_from_the_clips_rate_to_the_timelines(tmp_path: Path) -> None:
    script = ScriptView(build_scene(rate=RATES["25"], project_rate=RATES["24"]))
    script.append(script.import_wav(tmp_path / "a.wav"), startFrame=0, endFrame=25, recordFrame=90000)
    assert script.a1() == [(90000, 26)]


def test_a_batch_with_a_fault_is_lost_on_saving(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    first, second = script.import_wav(tmp_path / "a.wav"), script.import_wav(tmp_path / "b.wav")
    info = {"mediaType": 2, "trackIndex": 1, "startFrame": 0, "endFrame": 24, "recordFrame": 86400}
    script.pool.AppendToTimeline(
        [{**info, "mediaPoolItem": first}, {**info, "mediaPoolItem": second, "trackIndex": 9}]
    )
    assert script.a1() == [(86400, 24)]
    script.manager.SaveProject()
    assert script.a1() == []


def test_unknown_keys_in_a_clip_info_are_mistakes(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    assert script.append(script.import_wav(tmp_path / "a.wav"), start_frame=0) is None
    assert "start_frame" in script.host.violations[0]


# Tracks, bins, markers, settings
# ------------------------------------------------------------------------------------


def test_new_tracks_are_mono_and_an_index_pushes_others_down(scene: Scene) -> None:
    script = ScriptView(scene)
    script.timeline.SetTrackName("audio", 1, "Dialogue")
    assert script.timeline.AddTrack("audio") is True
    assert script.timeline.GetTrackCount("audio") == 2
    assert script.timeline.AddTrack("audio", {"audioType": "stereo", "index": 1}) is True
    assert script.timeline.AddTrack("audio", {"audioType": "5.1", "index": 99}) is True
    names = [script.timeline.GetTrackName("audio", index) for index in range(1, 5)]
    assert names == ["Audio 3", "Dialogue", "Audio 2", "Audio 4"]
    types = [script.timeline.GetTrackSubType("audio", index) for index in range(1, 5)]
    assert types == ["stereo", "stereo", "mono", "5.1"]
    assert script.timeline.GetTrackSubType("video", 1) == ""
    assert script.timeline.AddTrack("audio", "7.2") is False


def test_files_come_into_the_current_bin_only(scene: Scene, tmp_path: Path) -> None:
    script = ScriptView(scene)
    first = script.pool.AddSubFolder(script.pool.GetRootFolder(), "Selva")
    second = script.pool.AddSubFolder(script.pool.GetRootFolder(), "Selva")
    script.import_wav(tmp_path / "a.wav")
    assert [len(folder.GetClipList()) for folder in (first, second)] == [0, 1]
    assert script.pool.ImportMedia([str(tmp_path / "missing.wav")]) == []


@pytest.mark.parametrize(("policy", "count"), [("reuse", 1), ("duplicate", 2)])
def test_importing_a_path_again_reuses_or_repeats_it(
    policy: str, count: int, scene: Scene, tmp_path: Path
) -> None:
    script = ScriptView(scene, duplicate_imports=policy)
    for _ in range(2):
        script.import_wav(tmp_path / "a.wav")
    assert len(scene.project.all_media()) == count


def test_the_form_of_an_import_is_the_one_the_version_documents(scene: Scene, tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", num_samples=100))
    assert ScriptView(scene, "21.1.0").pool.ImportMedia([path]) == []
    assert ScriptView(scene, "20.2.2").pool.ImportMedia([{"FilePath": path}]) == []
    assert len(ScriptView(scene, "21.1.0").pool.ImportMedia([{"FilePath": path}])) == 1


def test_a_new_timeline_becomes_current_and_bad_names_are_refused(scene: Scene) -> None:
    script = ScriptView(scene)
    assert script.pool.CreateEmptyTimeline("Reel 1") is None
    assert script.pool.CreateEmptyTimeline("a/b") is None
    assert script.pool.CreateEmptyTimeline("Reel 2").GetName() == "Reel 2"
    assert script.project.GetCurrentTimeline().GetTrackSubType("audio", 1) == "stereo"


def test_there_is_one_marker_per_frame_and_frames_are_relative(scene: Scene) -> None:
    scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=100)
    script = ScriptView(scene)
    assert script.timeline.AddMarker(5, "Blue", "one", "", 1, "mine") is True
    assert script.timeline.AddMarker(5, "Blue", "two", "", 1) is False
    assert script.timeline.AddMarker(6, "Blue", "", "", 1) is False
    assert script.timeline.AddMarker(7, "Magenta", "x", "", 1) is False
    assert script.timeline.AddMarker(86400, "Blue", "absolute", "", 1) is False
    assert {type(frame) for frame in script.timeline.GetMarkers()} == {float}
    assert {type(frame) for frame in ScriptView(scene, "21.1.0").timeline.GetMarkers()} == {int}
    assert script.timeline.GetMarkers()[5]["customData"] == "mine"


def test_deleting_needs_the_edit_page_and_leaves_linked_sound(scene: Scene) -> None:
    sound = scene.add_sound(scene.timeline.tracks["audio"][0], at=0, frames=20)
    picture = scene.add_clip(scene.add_media("/m/a.mov"), at=0, frames=20)
    picture.linked = [sound]
    script = ScriptView(scene)
    item = script.timeline.GetItemListInTrack("video", 1)[0]
    script.resolve.OpenPage("color")
    assert script.timeline.DeleteClips([item], False) is False
    script.resolve.OpenPage("edit")
    assert script.timeline.DeleteClips([item], False) is True
    assert script.a1() == [(86400, 20)]


def test_the_frame_rate_is_a_number_and_all_else_is_text(scene: Scene) -> None:
    script = ScriptView(build_scene(rate=RATES["29.97"], project_rate=RATES["24"]))
    assert script.timeline.GetSetting("timelineFrameRate") == 29.97
    assert script.project.GetSetting("timelineFrameRate") == 24.0
    assert script.timeline.GetSetting("timelineSampleRate") == "48000"
    assert script.timeline.GetSetting("")["timelineDropFrameTimecode"] == "0"


def test_an_untitled_project_is_not_saved(scene: Scene) -> None:
    scene.project.saved_once = False
    assert ScriptView(scene).manager.SaveProject() is False


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

"""Placing on the double, through agent and external scripting: where stems are placed, and what the report says of each."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.hosts.resolve.plan_schema import PlanMarker
from tests.selva_plugins.resolve.conftest import MakeAccess, OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import SUPPORTED_BUILDS, Build, build, build_id
from tests.selva_plugins.resolve.scenes import RATES, build_scene
from tests.selva_plugins.resolve.stems import outcomes, plan_for, plan_stem


def spans(track: model.Track) -> list[tuple[int, int]]:
    return [(item.start, item.duration) for item in track.items]


@pytest.mark.parametrize("chosen", SUPPORTED_BUILDS, ids=build_id)
def test_stems_land_on_named_mono_tracks_at_their_absolute_frame(
    chosen: Build, open_host: OpenHost, make_every_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_every_access(open_host(chosen, scene))
    stems = [
        plan_stem(tmp_path / "stems", scene.timeline, at=10, frames=48),
        plan_stem(tmp_path / "stems", scene.timeline, at=10, frames=48, track="Steps"),
        plan_stem(tmp_path / "stems", scene.timeline, at=58, frames=24),
    ]
    report = access.place(plan_for(scene.timeline, stems))
    assert outcomes(report) == ["placed"] * 3
    tracks = scene.timeline.tracks["audio"]
    assert [track.name for track in tracks] == ["Audio 1", "Dog", "Steps"]
    assert [track.sub_type for track in tracks[1:]] == ["mono", "mono"]
    assert spans(tracks[1]) == [(86410, 48), (86458, 24)]
    assert report.end_frames == ("inclusive" if chosen.end_inclusive else "exclusive")
    assert scene.project.num_saves == 1


@pytest.mark.parametrize("version", ["18.5.1", "21.0.4"])
def test_ends_are_calibrated_where_a_version_counts_otherwise_than_known(
    version: str, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    usual = build(version)
    scene = build_scene()
    host = open_host(dataclasses.replace(usual, end_inclusive=not usual.end_inclusive), scene)
    host.page = "color"
    stems = [plan_stem(tmp_path, scene.timeline, at=at, frames=24) for at in (0, 24, 48)]
    report = make_access(host).place(plan_for(scene.timeline, stems))
    assert outcomes(report) == ["placed"] * 3
    assert spans(scene.timeline.tracks["audio"][1]) == [(86400, 24), (86424, 24), (86448, 24)]
    assert host.calls["AppendToTimeline"] == 4
    assert host.page == "color"


def test_a_track_of_that_name_is_used_and_nothing_is_inserted_between(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    dog, music = scene.add_audio_track("Dog"), scene.add_audio_track("Music")
    access = make_access(open_host(build("21.0.4"), scene))
    access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert scene.timeline.tracks["audio"][1:] == [dog, music]
    assert spans(dog) == [(86400, 24)]


def test_an_occupied_track_gets_a_second_one_of_its_name(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    dog = scene.add_audio_track("Dog")
    scene.add_sound(dog, at=20, frames=10)
    access = make_access(open_host(build("21.0.4"), scene))
    stems = [
        plan_stem(tmp_path, scene.timeline, at=0, frames=20, name="beside"),
        plan_stem(tmp_path, scene.timeline, at=0, frames=21, name="over"),
    ]
    report = access.place(plan_for(scene.timeline, stems))
    assert [stem.track_name for stem in report.stems] == ["Dog", "Dog 2"]
    assert "locked or occupied" in report.stems[1].note


def test_a_take_that_waits_lies_on_a_disabled_track(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stems = [
        plan_stem(tmp_path, scene.timeline, at=0, frames=24),
        plan_stem(tmp_path, scene.timeline, at=0, frames=24, track="Dog take 2", is_muted=True),
    ]
    access.place(plan_for(scene.timeline, stems))
    assert [(track.name, track.enabled) for track in scene.timeline.tracks["audio"]] == [
        ("Audio 1", True),
        ("Dog", True),
        ("Dog take 2", False),
    ]


def test_a_locked_track_stays_locked_and_untouched(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    dog = scene.add_audio_track("Dog", locked=True)
    access = make_access(open_host(build("21.0.4"), scene))
    report = access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert (dog.locked, dog.items) == (True, [])
    assert report.stems[0].track_name == "Dog 2"


def test_when_every_track_of_the_name_is_taken_the_stem_is_held_with_its_reason(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    for name in ("Dog", *(f"Dog {number}" for number in range(2, 10))):
        scene.add_audio_track(name, locked=True)
    access = make_access(open_host(build("21.0.4"), scene))
    report = access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert outcomes(report) == ["held"]
    assert "'Dog' are locked or occupied" in report.stems[0].reason


def test_placing_the_same_plan_again_changes_nothing(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    plan = plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)])
    first, second = access.place(plan), access.place(plan)
    assert outcomes(first) == outcomes(second) == ["placed"]
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Dog"]
    assert spans(scene.timeline.tracks["audio"][1]) == [(86400, 24)]
    assert len(scene.project.all_media()) == 1


@pytest.mark.parametrize("answer", ["none", "dead"])
def test_worthless_answers_of_append_do_not_matter(
    answer: Any, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    chosen = dataclasses.replace(build("21.0.4"), append_returns=answer)
    access = make_access(open_host(chosen, scene))
    report = access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=5, frames=24)]))
    assert outcomes(report) == ["placed"]
    assert spans(scene.timeline.tracks["audio"][1]) == [(86405, 24)]


def test_a_stem_that_vanishes_on_saving_is_placed_once_more(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    host = open_host(build("21.0.4"), scene)
    host.on_call = vanish_on_save(scene.timeline, times=1)
    report = make_access(host).place(
        plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=5, frames=24)])
    )
    assert outcomes(report) == ["placed"]
    assert spans(scene.timeline.tracks["audio"][1]) == [(86405, 24)]
    assert scene.project.num_saves == 2


def test_a_stem_that_always_vanishes_is_reported_as_not_kept(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    host = open_host(build("21.0.4"), scene)
    host.on_call = vanish_on_save(scene.timeline, times=9)
    report = make_access(host).place(
        plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=5, frames=24)])
    )
    assert outcomes(report) == ["held"]
    assert "did not keep it" in report.stems[0].reason


def vanish_on_save(timeline: model.Timeline, *, times: int) -> Any:
    """Everything on the last audio track is fragile at the first `times` saves."""
    left = [times]

    def mark(_kind: str, name: str) -> None:
        if name == "SaveProject" and left[0]:
            left[0] -= 1
            for item in timeline.tracks["audio"][-1].items:
                item.fragile = True

    return mark


def test_a_timeline_that_is_left_halfway_gets_no_more_and_the_other_gets_nothing(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    reel = scene.timeline
    other = model.Timeline("Reel 2", reel.rate, "01:00:00:00")
    other.tracks["audio"].append(model.Track("audio", "Audio 2", sub_type="mono"))
    scene.project.timelines.append(other)
    host = open_host(build("21.0.4"), scene)

    def leave_after_the_first(_kind: str, name: str) -> None:
        if name == "GetDuration" and host.calls["AppendToTimeline"] == 1:
            host.switch_timeline(other)

    host.on_call = leave_after_the_first
    stems = [plan_stem(tmp_path, reel, at=at, frames=24) for at in (0, 24, 48)]
    report = make_access(host).place(plan_for(reel, stems))
    assert outcomes(report)[1:] == ["held", "held"]
    assert "was left" in report.stems[1].reason
    assert [track.items for track in other.tracks["audio"]] == [[], []]


def test_a_missing_file_and_a_file_that_is_no_sound_are_held(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    gone, broken, fine = (
        plan_stem(tmp_path, scene.timeline, at=at, frames=24, name=name)
        for at, name in ((0, "gone"), (24, "broken"), (48, "fine"))
    )
    Path(gone.file).unlink()
    Path(broken.file).write_bytes(b"not a wav")
    report = access.place(plan_for(scene.timeline, [gone, broken, fine]))
    assert outcomes(report) == ["held", "held", "placed"]
    assert "not there" in report.stems[0].reason
    assert "did not import" in report.stems[1].reason


def test_a_project_that_was_never_saved_is_reported(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    scene.project.saved_once = False
    access = make_access(open_host(build("21.0.4"), scene))
    report = access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert (outcomes(report), report.is_saved) == (["placed"], False)


def test_saving_that_answers_nothing_counts_as_saved(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(dataclasses.replace(build("21.0.4"), save_returns_none=True), scene))
    report = access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert report.is_saved is True


@pytest.mark.parametrize("project_rate", ["23.976", "24", "25", "29.97", "59.94"])
@pytest.mark.parametrize("timeline_rate", ["24", "25", "29.97"])
def test_a_wav_that_counts_at_the_projects_rate_fills_its_place_and_no_more(
    project_rate: str, timeline_rate: str, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene(rate=RATES[timeline_rate], project_rate=RATES[project_rate])
    access = make_access(open_host(build("21.0.4"), scene))
    stems = [plan_stem(tmp_path, scene.timeline, at=200 * n, frames=100 + n) for n in range(5)]
    report = access.place(plan_for(scene.timeline, stems))
    lengths = [item.duration for item in scene.timeline.tracks["audio"][1].items]
    assert outcomes(report) == ["placed"] * 5
    assert lengths == [stem.duration_frames for stem in report.stems]
    most_lost = max(Fraction(1), RATES[timeline_rate] / RATES[project_rate])
    assert all(0 <= 100 + n - length < most_lost for n, length in enumerate(lengths))


def test_handles_are_kept_in_the_file_and_cut_off_on_the_timeline(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    planned = plan_stem(tmp_path, scene.timeline, at=50, frames=24, spare_frames=24)
    stem = dataclasses.replace(planned, source_start_frame=12)
    access.place(plan_for(scene.timeline, [stem]))
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start, item.duration, int(item.source_start)) == (86450, 24, 12)


@pytest.mark.parametrize(("version", "is_set"), [("21.1.0", True), ("21.0.4", False)])
def test_fades_and_gain_are_set_where_there_are_calls_for_them(
    version: str, is_set: bool, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build(version), scene))
    stem = plan_stem(tmp_path, scene.timeline, at=0, frames=48)
    stem = dataclasses.replace(stem, fade_in_frames=6, fade_out_frames=0, gain_db=-3.5)
    access.place(plan_for(scene.timeline, [stem]))
    (item,) = scene.timeline.tracks["audio"][1].items
    assert item.fades == {"FadeIn": 6 if is_set else 0, "FadeOut": 0}
    assert item.properties == ({"AudioVolume": -3.5} if is_set else {})


def test_the_users_bin_is_current_again_and_ours_is_used_twice(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    rushes = model.Folder("Rushes")
    scene.project.root.folders.append(rushes)
    scene.project.current_folder = rushes
    access = make_access(open_host(build("21.0.4"), scene))
    for at in (0, 48):
        access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=at, frames=24)]))
    assert scene.project.current_folder is rushes
    assert [folder.name for folder in scene.project.root.folders] == ["Rushes", "Selva"]
    assert len(scene.project.root.folders[1].media) == 2


@pytest.mark.parametrize("policy", ["reuse", "duplicate"])
def test_paths_behind_links_are_recognised(
    policy: Any, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    real = tmp_path / "real"
    real.mkdir()
    linked = tmp_path / "linked"
    linked.symlink_to(real, target_is_directory=True)
    chosen = dataclasses.replace(build("21.0.4"), resolves_symlinks=True, duplicate_imports=policy)
    access = make_access(open_host(chosen, scene))
    plan = plan_for(scene.timeline, [plan_stem(linked, scene.timeline, at=0, frames=24)])
    reports = [access.place(plan), access.place(plan)]
    assert [outcomes(report) for report in reports] == [["placed"], ["placed"]]
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Dog"]


def test_markers_of_provenance_are_set_one_per_frame(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    marker = PlanMarker(
        frame=5,
        color="Cream",
        name="Selva: Dog",
        note="Dog: bark",
        duration_frames=24,
        custom_data="selva:stems:1",
    )
    plan = plan_for(
        scene.timeline,
        [plan_stem(tmp_path, scene.timeline, at=5, frames=24)],
        markers=[marker, dataclasses.replace(marker, custom_data="selva:stems:2")],
    )
    assert access.place(plan).num_markers == 1
    assert scene.timeline.markers[5].custom_data == "selva:stems:1"


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"sub_type": "stereo"}, "'Dog' is stereo and stems are mono"),
    ({"sub_type": "5.1"}, "'Dog' is 5.1 and stems are mono"),
    ({"sub_type": "adaptive2"}, "'Dog' is adaptive2 and stems are mono"),
    ({"enabled": False}, "'Dog' is disabled"),
]


@pytest.mark.parametrize("version", ["19.0.2", "20.2.2", "21.1.0"])
@pytest.mark.parametrize("unfit", UNFIT, ids=["stereo", "5.1", "adaptive", "disabled"])
def test_a_track_of_that_name_that_is_not_mono_or_not_heard_is_left_alone(
    unfit: tuple[dict[str, Any], str],
    version: str,
    open_host: OpenHost,
    make_access: MakeAccess,
    tmp_path: Path,
) -> None:
    scene = build_scene()
    track = scene.add_audio_track("Dog")
    changes, note = unfit
    for name, value in changes.items():
        setattr(track, name, value)
    stem = plan_stem(tmp_path, scene.timeline, at=0, frames=24)
    report = make_access(open_host(build(version), scene)).place(plan_for(scene.timeline, [stem]))
    assert track.items == []
    assert (report.stems[0].track_name, report.stems[0].note) == ("Dog 2", note)
    assert spans(scene.timeline.tracks["audio"][2]) == [(86400, 24)]


@pytest.mark.parametrize("sub_type", ["mono", "adaptive1"])
def test_a_mono_track_of_that_name_is_used_without_a_word(
    sub_type: str, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    track = scene.add_audio_track("Dog", sub_type=sub_type)
    stem = plan_stem(tmp_path, scene.timeline, at=0, frames=24)
    report = make_access(open_host(build("20.2.2"), scene)).place(plan_for(scene.timeline, [stem]))
    assert spans(track) == [(86400, 24)]
    assert (report.stems[0].note, report.stems[0].remark) == ("", "")


def test_where_a_version_does_not_tell_a_tracks_channels_the_report_says_so_until_a_stem_lies_there(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    scene.add_audio_track("Dog", sub_type="stereo")
    access = make_access(open_host(build("18.5.1"), scene))
    remarks = []
    for at in (0, 24):
        stem = plan_stem(tmp_path, scene.timeline, at=at, frames=24)
        steps = plan_stem(tmp_path, scene.timeline, at=at, frames=24, track="Steps")
        report = access.place(plan_for(scene.timeline, [stem, steps]))
        remarks.append([result.remark for result in report.stems])
    assert remarks == [
        ["this version of Resolve does not tell whether that track is mono, as stems are", ""],
        ["", ""],
    ]


def test_a_take_goes_to_its_track_whether_or_not_the_user_has_enabled_that(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    track = scene.add_audio_track("Dog take 2")
    stem = plan_stem(tmp_path, scene.timeline, at=0, frames=24, track="Dog take 2", is_muted=True)
    make_access(open_host(build("20.2.2"), scene)).place(plan_for(scene.timeline, [stem]))
    assert (spans(track), track.enabled) == ([(86400, 24)], True)

"""Removing on the double, through agent and external scripting: what was made is removed, and nothing else."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.conftest import MakeAccess, OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import build_scene
from tests.selva_plugins.resolve.stems import plan_for, plan_stem


@pytest.mark.parametrize("empty_track_is_none", [True, False])
def test_removing_takes_back_what_was_made_and_nothing_else(
    empty_track_is_none: bool, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    steps = scene.add_audio_track("Steps")
    atmo = scene.add_sound(scene.timeline.tracks["audio"][0], at=0, frames=100)
    host = open_host(dataclasses.replace(build("21.0.4"), empty_track_is_none=empty_track_is_none), scene)
    host.page = "fairlight"
    scene.timeline.markers[3] = model.Marker("Blue", "mine", "", 1)
    access = make_access(host)
    stems = [
        plan_stem(tmp_path, scene.timeline, at=0, frames=24),
        plan_stem(tmp_path, scene.timeline, at=0, frames=24, track="Steps"),
    ]
    access.place(plan_for(scene.timeline, stems))
    access.remove()
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Steps"]
    assert (steps.items, scene.timeline.tracks["audio"][0].items) == ([], [atmo])
    assert [media.name for media in scene.project.all_media()] == ["atmo.wav"]
    assert scene.project.root.folders == []
    assert [marker.name for marker in scene.timeline.markers.values()] == ["mine"]
    assert host.page == "fairlight"


def test_removing_keeps_clips_that_another_timeline_uses_and_locked_tracks(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stems = [
        plan_stem(tmp_path, scene.timeline, at=0, frames=24, track=track)
        for track in ("Dog", "Steps", "Wind")
    ]
    access.place(plan_for(scene.timeline, stems))
    other = model.Timeline("Reel 2", Fraction(24), "01:00:00:00")
    scene.project.timelines.append(other)
    dog = scene.timeline.tracks["audio"][1].items[0]
    other.tracks["audio"][0].items.append(model.Item("Dog", "audio", 86400, 24, dog.media))
    scene.timeline.tracks["audio"][3].locked = True
    access.remove()
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Wind"]
    assert sorted(media.name for media in scene.project.all_media()) == ["Dog_0.wav", "Wind_0.wav"]
    assert len(other.tracks["audio"][0].items) == 1


def test_removing_keeps_a_track_of_ours_on_which_the_user_has_put_something(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    howl = scene.add_sound(scene.timeline.tracks["audio"][1], at=48, frames=24)
    access.remove()
    assert [(track.name, track.items) for track in scene.timeline.tracks["audio"]] == [
        ("Audio 1", []),
        ("Dog", [howl]),
    ]


def test_removing_leaves_what_the_user_put_into_our_bin(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    access.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    (bin_folder,) = scene.project.root.folders
    scene.add_sound(scene.timeline.tracks["audio"][0], at=0, frames=24)
    bin_folder.media.append(scene.media["atmo.wav"])
    scene.project.root.media.remove(scene.media["atmo.wav"])
    scene.media["atmo.wav"].metadata["Comments"] = "recorded on set"
    access.remove()
    assert [len(track.items) for track in scene.timeline.tracks["audio"]] == [1]
    assert [media.name for media in bin_folder.media] == ["atmo.wav"]
    assert scene.project.root.folders == [bin_folder]


def test_removing_where_nothing_was_made_changes_nothing(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    scene.add_sound(scene.add_audio_track("Dog"), at=0, frames=24)
    make_access(open_host(build("21.0.4"), scene)).remove()
    assert [len(track.items) for track in scene.timeline.tracks["audio"]] == [0, 1]

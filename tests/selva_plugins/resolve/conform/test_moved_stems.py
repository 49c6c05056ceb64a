"""Stems that a plan moves: deleted at their old place and placed at the new one, by the agent and over external scripting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.conftest import MakeAccess, OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import build_scene
from tests.selva_plugins.resolve.stems import outcomes, plan_for, plan_stem


def test_a_stem_moves_and_what_was_made_for_it_can_still_be_removed(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stem = plan_stem(tmp_path, scene.timeline, at=10, frames=24)
    other = scene.add_sound(scene.timeline.tracks["audio"][0], at=10, frames=24)
    access.place(plan_for(scene.timeline, [stem]))
    (item,) = scene.timeline.tracks["audio"][1].items
    moved = replace(
        stem,
        id="moved",
        record_frame=stem.record_frame + 100,
        duration_frames=20,
        source_start_frame=4,
        replaces_item=item.uid,
    )
    plan = replace(plan_for(scene.timeline, [moved]), removals=(item.uid,))
    report = access.place(plan)
    assert (outcomes(report), report.num_removed, report.num_left) == (["placed"], 1, 0)
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start, item.duration, int(item.source_start)) == (86510, 20, 4)
    assert scene.timeline.tracks["audio"][0].items == [other]
    access.remove()
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1"]


def test_a_stem_that_resolve_does_not_delete_is_held_and_stays(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stem = plan_stem(tmp_path, scene.timeline, at=10, frames=24)
    access.place(plan_for(scene.timeline, [stem]))
    track = scene.timeline.tracks["audio"][1]
    track.locked = True
    (item,) = track.items
    moved = replace(stem, id="moved", record_frame=stem.record_frame + 100, replaces_item=item.uid)
    report = access.place(replace(plan_for(scene.timeline, [moved]), removals=(item.uid,)))
    assert (outcomes(report), report.num_removed, report.num_left) == (["held"], 0, 1)
    assert "did not delete it at its old place" in report.stems[0].reason
    assert (track.items, item.start) == ([item], 86410)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_stem_is_deleted_only_when_resolve_has_the_file_that_takes_its_place(
    open_host: OpenHost,
    make_access: MakeAccess,
    tmp_path: Path,
    is_there: bool,
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stem = plan_stem(tmp_path, scene.timeline, at=10, frames=24)
    access.place(plan_for(scene.timeline, [stem]))
    (item,) = scene.timeline.tracks["audio"][1].items
    longer = replace(
        plan_stem(tmp_path, scene.timeline, at=4, frames=40, name="longer"), replaces_item=item.uid
    )
    if not is_there:
        Path(longer.file).unlink()
    report = access.place(replace(plan_for(scene.timeline, [longer]), removals=(item.uid,)))
    assert (outcomes(report), report.num_left) == ((["placed"], 0) if is_there else (["held"], 1))
    (now,) = scene.timeline.tracks["audio"][1].items
    assert now.start == (86404 if is_there else 86410)
    assert is_there or "the file is not there" in report.stems[0].reason
    # The longer file is one of ours for the next conform.
    assert now.media is not None
    assert "[Selva stem" in now.media.metadata["Comments"]


def test_a_removal_that_names_what_is_not_ours_deletes_nothing(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    sound = scene.add_sound(scene.timeline.tracks["audio"][0], at=10, frames=24)
    report = access.place(replace(plan_for(scene.timeline, []), removals=(sound.uid,)))
    assert (report.num_removed, report.num_left) == (0, 1)
    assert scene.timeline.tracks["audio"][0].items == [sound]


def test_stems_are_described_with_their_file_and_place_and_other_sounds_by_place_alone(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.1.0"), scene))
    stem = plan_stem(tmp_path, scene.timeline, at=10, frames=24)
    scene.add_sound(scene.timeline.tracks["audio"][0], at=10, frames=24)
    access.place(plan_for(scene.timeline, [stem]))
    snapshot = access.snapshot()
    other, ours = (track["items"][0] for track in snapshot["timeline"]["audio_tracks"])
    assert set(other) == {"name", "start", "duration"}
    assert snapshot["media"][ours["media"]]["properties"]["File Path"] == stem.file
    assert (ours["start"], ours["duration"], ours["left_offset"]) == (86410, 24, 0)

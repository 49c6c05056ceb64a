"""New stems in the place of earlier ones: on request, and never in the place of what the user has touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selva_plugins.hosts.resolve.plan_schema import PlacementReport
from tests.selva_plugins.resolve.access import Access
from tests.selva_plugins.resolve.conftest import MakeAccess, OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import build_scene
from tests.selva_plugins.resolve.stems import outcomes, plan_for, plan_stem


def place_two_renders(
    access: Access,
    timeline: model.Timeline,
    folder: Path,
    *,
    replaces: bool,
    touch: Callable[[], None] = lambda: None,
) -> PlacementReport:
    """A stem, and after `touch` another one for the same place; the report of the second."""
    first, second = (
        plan_stem(folder / name, timeline, at=10, frames=24, name=f"Dog_{name}") for name in ("one", "two")
    )
    access.place(plan_for(timeline, [first]))
    touch()
    return access.place(plan_for(timeline, [second], replaces=replaces))


def test_an_earlier_stem_gives_way_when_that_is_asked_for(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    host = open_host(build("21.0.4"), scene)
    host.page = "color"
    report = place_two_renders(make_access(host), scene.timeline, tmp_path, replaces=True)
    assert outcomes(report) == ["placed"]
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.name, item.start, item.duration) == ("Dog_two.wav", 86410, 24)
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Dog"]
    assert len(scene.project.root.folders[0].media) == 2
    assert host.page == "color"


def test_after_a_replacement_everything_can_still_be_removed(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    place_two_renders(access, scene.timeline, tmp_path, replaces=True)
    access.remove()
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1"]
    assert scene.project.all_media() == []


def test_an_earlier_stem_stays_when_nothing_else_is_asked_for(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    place_two_renders(access, scene.timeline, tmp_path, replaces=False)
    tracks = {track.name: [item.name for item in track.items] for track in scene.timeline.tracks["audio"][1:]}
    assert tracks == {"Dog": ["Dog_one.wav"], "Dog 2": ["Dog_two.wav"]}


@pytest.mark.parametrize("change", ["trimmed", "moved", "not ours", "locked"])
def test_what_the_user_has_touched_never_gives_way(
    change: str, open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))

    def touch() -> None:
        dog = scene.timeline.tracks["audio"][1]
        (item,) = dog.items
        item.duration -= 1 if change == "trimmed" else 0
        item.start += 1 if change == "moved" else 0
        dog.locked = change == "locked"
        if change == "not ours":
            assert item.media is not None
            item.media.metadata.clear()

    place_two_renders(access, scene.timeline, tmp_path, replaces=True, touch=touch)
    tracks = {track.name: [item.name for item in track.items] for track in scene.timeline.tracks["audio"][1:]}
    assert tracks == {"Dog": ["Dog_one.wav"], "Dog 2": ["Dog_two.wav"]}


def test_stems_of_one_plan_do_not_replace_each_other(
    open_host: OpenHost, make_access: MakeAccess, tmp_path: Path
) -> None:
    scene = build_scene()
    access = make_access(open_host(build("21.0.4"), scene))
    stems = [plan_stem(tmp_path, scene.timeline, at=0, frames=24, name=name) for name in ("one", "two")]
    access.place(plan_for(scene.timeline, stems[:1]))
    scene.timeline.tracks["audio"][1].items.clear()  # the user took it away; its clip is still in our bin
    report = access.place(plan_for(scene.timeline, stems, replaces=True))
    assert [stem.track_name for stem in report.stems] == ["Dog", "Dog 2"]
    assert [len(track.items) for track in scene.timeline.tracks["audio"]] == [0, 1, 1]

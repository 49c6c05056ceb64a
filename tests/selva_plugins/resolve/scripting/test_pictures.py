"""Clips that are edited between request and placement: the stem follows its picture or is held, through agent and external
scripting alike, and the report says which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from selva_plugins.hosts.resolve.plan import list_place_notices
from selva_plugins.hosts.resolve.plan_schema import (
    STEMS_DATA_PREFIX,
    PlacementReport,
    PlanAnchor,
    PlanMarker,
    PlanStem,
)
from tests.selva_plugins.resolve.access import Access
from tests.selva_plugins.resolve.conftest import MakeAccess, OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Build, build
from tests.selva_plugins.resolve.scenes import RATES, Scene, build_scene
from tests.selva_plugins.resolve.stems import plan_for, plan_stem

BUILDS = [build("18.5.1"), build("20.2.2"), build("21.1.0")]


@dataclass
class Edited:
    """A scene with one clip of 24 frames at frame 100, frames 30 to 54 of its media, and the plan's stem for it."""

    scene: Scene
    item: model.Item
    stem: PlanStem
    access: Access

    def place(self, *markers: PlanMarker) -> PlacementReport:
        return self.access.place(plan_for(self.scene.timeline, [self.stem], markers=markers))

    def placed(self) -> list[tuple[int, int, int]]:
        """Start, duration and first frame in the file of what is placed; starts count from the timeline's."""
        first = self.scene.timeline.start_frame
        tracks = self.scene.timeline.tracks["audio"][1:]
        items = [item for track in tracks for item in track.items]
        return [(item.start - first, item.duration, int(item.source_start)) for item in items]


def anchor_of(item: model.Item, chosen: Build, timeline: model.Timeline) -> PlanAnchor:
    """What the snapshot of this build says of a clip."""
    assert item.media is not None
    speed = abs(item.speed)
    left = item.source_start / speed
    right = item.media.num_frames / speed - left - item.duration
    return PlanAnchor(
        item_id=item.uid,
        name=item.name,
        media_id=item.media.uid,
        start_frame=item.start,
        duration_frames=item.duration,
        left_offset_frames=float(left // 1),
        right_offset_frames=float(right if chosen.version >= (19, 0, 2) else right // 1),
        source_start_frame=int(item.source_start) if chosen.version >= (19, 0, 2) else None,
        speed_percent=float(item.speed * 100) if chosen.version >= (21, 1, 0) else None,
        is_linear=item.speed == 1 and item.media.fps == timeline.rate,
    )


OpenEdited = Callable[..., Edited]


@pytest.fixture
def open_edited(open_host: OpenHost, make_access: MakeAccess, tmp_path: Path) -> OpenEdited:
    def start(chosen: Build, *, speed: Fraction = Fraction(1), scene: Scene | None = None) -> Edited:
        scene = scene or build_scene()
        media = scene.add_media("/media/a.mov", duration_s=Fraction(10))
        item = scene.add_clip(media, at=100, frames=24, source=30, speed=speed, name="a.mov")
        stem = plan_stem(tmp_path, scene.timeline, at=100, frames=24)
        stem = dataclasses.replace(stem, anchor=anchor_of(item, chosen, scene.timeline))
        return Edited(scene, item, stem, make_access(open_host(chosen, scene)))

    return start


def trim_start(edited: Edited, frames: int) -> None:
    edited.item.start += frames
    edited.item.source_start += frames
    edited.item.duration -= frames


def ripple_trim_start(edited: Edited) -> None:
    trim_start(edited, 6)
    edited.item.start -= 6


def split(edited: Edited) -> model.Item:
    """A cut in the middle; which half keeps its id is Resolve's choice."""
    item = edited.item
    half = dataclasses.replace(
        item, start=item.start + 12, duration=12, source_start=item.source_start + 12, uid="item-half"
    )
    item.duration = 12
    edited.scene.timeline.tracks["video"][0].items.append(half)
    return half


def split_and_delete_the_first_half(edited: Edited) -> None:
    split(edited)
    edited.scene.timeline.tracks["video"][0].items.remove(edited.item)


def move(edited: Edited) -> None:
    edited.item.start += 48


def slip(edited: Edited) -> None:
    edited.item.source_start += 6


def extend(edited: Edited) -> None:
    trim_start(edited, -6)


FOLLOWED = [
    pytest.param(move, (148, 24, 0), "moved by +48 frame(s)", id="moved"),
    pytest.param(lambda e: trim_start(e, 6), (106, 18, 6), "cut to the 18 of 24", id="trimmed at its start"),
    pytest.param(
        lambda e: setattr(e.item, "duration", 20),
        (100, 20, 0),
        "cut to the 20 of 24",
        id="trimmed at its end",
    ),
    pytest.param(ripple_trim_start, (100, 18, 6), "moved by -6 frame(s)", id="trimmed with ripple"),
    pytest.param(slip, (100, 18, 6), "moved by -6 frame(s)", id="slipped"),
    pytest.param(
        split_and_delete_the_first_half,
        (112, 12, 12),
        "cut to the 12 of 24",
        id="one half of a split is deleted",
    ),
    pytest.param(extend, (100, 24, 0), "the picture that was added has no sound", id="extended"),
]


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: str(chosen.version))
@pytest.mark.parametrize(("edit", "expected", "phrase"), FOLLOWED)
def test_a_stem_follows_its_picture_and_the_report_says_so(
    edit: Callable[[Edited], None],
    expected: tuple[int, int, int],
    phrase: str,
    chosen: Build,
    open_edited: OpenEdited,
) -> None:
    edited = open_edited(chosen)
    edit(edited)
    report = edited.place()
    assert edited.placed() == [expected]
    assert phrase in report.stems[0].change
    assert report.stems[0].change.startswith("'a.mov' was changed since the request: ")
    (notice,) = list_place_notices(report, [edited.stem])
    assert notice == f"Dog: {report.stems[0].change}"


def keep(_edited: Edited) -> None:
    """Nothing is edited."""


def edit_another(edited: Edited) -> None:
    edited.scene.add_clip(edited.item.media, at=300, frames=24)


def cut_without_removing(edited: Edited) -> None:
    split(edited)


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: str(chosen.version))
@pytest.mark.parametrize("edit", [keep, edit_another, cut_without_removing])
def test_a_stem_whose_picture_is_seen_as_before_is_placed_as_planned(
    edit: Callable[[Edited], None], chosen: Build, open_edited: OpenEdited
) -> None:
    edited = open_edited(chosen)
    edit(edited)
    report = edited.place()
    assert edited.placed() == [(100, 24, 0)]
    assert list_place_notices(report, [edited.stem]) == []


def delete(edited: Edited) -> None:
    edited.scene.timeline.tracks["video"][0].items.remove(edited.item)


def disable(edited: Edited) -> None:
    edited.item.enabled = False


def disable_track(edited: Edited) -> None:
    edited.scene.timeline.tracks["video"][0].enabled = False


def double_speed(edited: Edited) -> None:
    edited.item.speed = Fraction(2)
    edited.item.duration = 12


def show_other_media(edited: Edited) -> None:
    edited.item.media = edited.scene.add_media("/media/b.mov")


def slip_out_of_sight(edited: Edited) -> None:
    edited.item.source_start += 40


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: str(chosen.version))
@pytest.mark.parametrize(
    ("edit", "phrase"),
    [
        (delete, "not on the timeline any more"),
        (disable, "it is disabled"),
        (disable_track, "it is disabled"),
        (double_speed, "its speed is another"),
        (show_other_media, "it shows other media"),
        (slip_out_of_sight, "is not seen any more"),
    ],
)
def test_a_stem_whose_picture_is_gone_is_held_with_the_reason(
    edit: Callable[[Edited], None], phrase: str, chosen: Build, open_edited: OpenEdited
) -> None:
    edited = open_edited(chosen)
    edit(edited)
    report = edited.place()
    assert edited.placed() == []
    reason = report.stems[0].reason
    assert (phrase in reason, "Generate stems" in reason, "was changed since" in reason) == (True, True, True)


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: str(chosen.version))
def test_a_retimed_clip_is_followed_when_it_moves_and_held_when_it_is_trimmed(
    chosen: Build, open_edited: OpenEdited
) -> None:
    moved = open_edited(chosen, speed=Fraction(2))
    move(moved)
    assert (moved.place().num_placed, moved.placed()) == (1, [(148, 24, 0)])
    trimmed = open_edited(chosen, speed=Fraction(2))
    trimmed.item.start += 6
    trimmed.item.source_start += 12
    trimmed.item.duration -= 6
    assert "its range or speed is another" in trimmed.place().stems[0].reason


def test_a_marker_goes_where_its_stem_goes_and_is_left_out_where_that_is_held(
    open_edited: OpenEdited,
) -> None:
    def marker(edited: Edited) -> PlanMarker:
        data = f"{STEMS_DATA_PREFIX}{edited.stem.id}"
        return PlanMarker(
            frame=100, color="Cream", name="Selva: Dog", note="", duration_frames=24, custom_data=data
        )

    moved = open_edited(build("20.2.2"))
    move(moved)
    assert moved.place(marker(moved)).num_markers == 1
    assert list(moved.scene.timeline.markers) == [148]
    deleted = open_edited(build("20.2.2"))
    delete(deleted)
    assert deleted.place(marker(deleted)).num_markers == 0
    assert deleted.scene.timeline.markers == {}


@pytest.mark.parametrize(("frames", "is_placed"), [(4, True), (5, False)])
def test_a_cut_that_is_no_whole_frame_of_the_projects_rate_is_held(
    frames: int, is_placed: bool, open_edited: OpenEdited
) -> None:
    edited = open_edited(build("20.2.2"), scene=build_scene(rate=RATES["24"], project_rate=RATES["30"]))
    trim_start(edited, frames)
    report = edited.place()
    assert report.num_placed == is_placed
    assert is_placed or "at the project's frame rate" in report.stems[0].reason


def test_a_plan_of_an_earlier_version_is_placed_where_it_says(open_edited: OpenEdited) -> None:
    edited = open_edited(build("20.2.2"))
    edited.stem = dataclasses.replace(edited.stem, anchor=None)
    delete(edited)
    edited.place()
    assert edited.placed() == [(100, 24, 0)]

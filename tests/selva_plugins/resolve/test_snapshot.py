"""Snapshots as values: what each version of Resolve writes is read, and what cannot be read is named by its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.snapshot import parse_application, parse_snapshot, read_snapshot
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import SUPPORTED_BUILDS, Build, build, build_id
from tests.selva_plugins.resolve.scenes import RATES, build_scene

Json = dict[str, Any]
STUDIO_BUILDS = [chosen for chosen in SUPPORTED_BUILDS if chosen.edition == "studio"]


@pytest.fixture
def snapshot(open_host: OpenHost) -> Json:
    """The JSON of a timeline with one clip and one marker."""
    scene = build_scene(rate=RATES["23.976"], project_name="Feature")
    scene.add_clip(scene.add_media("/media/dog.mov"), at=10, frames=24, source=5)
    scene.timeline.markers[5] = model.Marker("Blue", "Dog: bark", "note", 12, "mine")
    return StudioAccess(open_host(build("21.1.0"), scene)).snapshot()


@pytest.mark.parametrize("chosen", STUDIO_BUILDS, ids=build_id)
def test_what_every_version_writes_is_read(chosen: Build, open_host: OpenHost) -> None:
    scene = build_scene(rate=RATES["29.97"], timeline_name="Reel 7")
    item = scene.add_clip(scene.add_media("/media/dog.mov"), at=10, frames=24, source=5)
    item.markers[6] = model.Marker("Rose", "Dog: bark", "", 2)
    read = read_snapshot(StudioAccess(open_host(chosen, scene)).snapshot())
    assert (read.timeline.name, read.timeline.start_frame, read.rate) == ("Reel 7", 108000, RATES["29.97"])
    assert read.application.label.startswith("DaVinci Resolve Studio ")
    ((clip,),) = [track.items for track in read.timeline.video_tracks]
    assert (clip.start_frame, clip.end_frame, clip.is_enabled) == (108010, 108034, True)
    (marker,) = clip.markers
    assert (int(marker.frame), int(marker.duration_frames), marker.color) == (6, 2, "Rose")
    media = read.media[clip.media_id]
    assert (media.file_path, media.frame_rate, media.num_frames) == (
        Path("/media/dog.mov"),
        RATES["29.97"],
        299,
    )


def change(snapshot: Json, path: str, value: object) -> Json:
    """A copy with the value at a path such as "timeline.video_tracks.0.name" replaced; None removes it."""
    changed = copy.deepcopy(snapshot)
    *parents, last = path.split(".")
    target: Any = changed
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("timeline", 5, "snapshot.timeline cannot be read: an object is needed, got 5"),
        ("timeline.name", 7, "snapshot.timeline.name cannot be read: text is needed, got 7"),
        ("timeline.start_frame", None, "snapshot.timeline.start_frame cannot be read: a whole number"),
        ("timeline.markers", {}, "snapshot.timeline.markers cannot be read: a list is needed"),
        ("timeline.markers.0.frame", "5", "snapshot.timeline.markers[0].frame cannot be read: a number"),
        ("timeline.video_tracks.0.enabled", 1, "video_tracks[0].enabled cannot be read: true or false"),
        (
            "timeline.video_tracks.0.items.0.duration",
            None,
            "items[0].duration cannot be read: a whole number",
        ),
        ("timeline.selected", [5], "snapshot.timeline.selected cannot be read: a list of texts"),
        ("schema", "selva.resolve.snapshot/9", "is not a selva.resolve.snapshot/1"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place_and_the_remedy(
    path: str, value: object, message: str, snapshot: Json
) -> None:
    read_snapshot(snapshot)
    with pytest.raises(SnapshotError, match=r"run: .*selva host install resolve") as caught:
        read_snapshot(change(snapshot, path, value))
    assert message in caught.value.message


@pytest.mark.parametrize("text", ["{", "", "[]", "[" * 100_000])
def test_text_that_is_no_snapshot_is_refused(text: str, snapshot: Json) -> None:
    with pytest.raises(SnapshotError):
        parse_snapshot(text)
    assert parse_snapshot(json.dumps(snapshot)) == read_snapshot(snapshot)


@pytest.mark.parametrize(
    "answer_nothing",
    [
        lambda snapshot: change(snapshot, "timeline.settings.frame_rate", False),
        lambda snapshot: change(snapshot, "timeline.settings.frame_rate", None),
        lambda snapshot: change(snapshot, "timeline.settings.media_folder", False),
        lambda snapshot: change(snapshot, "timeline.video_tracks.0.items.0.speed_percent", False),
    ],
)
def test_a_false_that_resolve_answers_where_a_call_fails_is_a_missing_value(
    answer_nothing: Callable[[Json], Json], snapshot: Json
) -> None:
    assert read_snapshot(answer_nothing(snapshot)).rate == RATES["23.976"]


def test_without_any_frame_rate_there_is_nothing_to_count_in(snapshot: Json) -> None:
    without_timeline_rate = change(snapshot, "timeline.settings.frame_rate", None)
    assert read_snapshot(without_timeline_rate).rate == RATES["23.976"]
    with pytest.raises(SnapshotError, match="frame rate"):
        read_snapshot(change(without_timeline_rate, "project.settings.frame_rate", None))


def test_a_field_that_a_newer_agent_adds_is_ignored(snapshot: Json) -> None:
    newer = change(snapshot, "timeline.colour_space", "ACES")
    assert read_snapshot(newer) == read_snapshot(snapshot)


def test_decimal_numbers_are_read_exactly(snapshot: Json) -> None:
    changed = change(snapshot, "timeline.video_tracks.0.items.0.source_start_s", 0.1)
    changed = change(changed, "timeline.video_tracks.0.items.0.speed_percent", 33.3)
    (item,) = read_snapshot(changed).timeline.video_tracks[0].items
    assert (item.source_start_s, item.speed) == (Fraction(1, 10), Fraction(333, 1000))


def test_a_check_needs_no_open_timeline(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.project.current_timeline = None
    text = json.dumps(StudioAccess(open_host(build("21.0.4"), scene)).snapshot())
    assert parse_application(text).label == "DaVinci Resolve Studio 21.0.4.17"
    with pytest.raises(SnapshotError, match="no timeline is open"):
        parse_snapshot(text)


@pytest.mark.parametrize(
    ("written", "read_hz"), [("96000", 96_000), ("7999", 48_000), ("", 48_000), ("x", 48_000)]
)
def test_a_sample_rate_that_stems_cannot_have_is_ignored(written: str, read_hz: int, snapshot: Json) -> None:
    for owner in ("timeline", "project"):
        snapshot = change(snapshot, f"{owner}.settings.sample_rate", written)
    assert read_snapshot(snapshot).stem_rate_hz == read_hz

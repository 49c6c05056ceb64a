"""Snapshots as timelines: what is spotted must be what the double shows, whatever the version says about it."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest

from selva_otio import CueSheet, StemTrack, spot_timeline
from selva_plugins.errors import SnapshotError
from selva_plugins.hosts.resolve.compounds import load_compounds
from selva_plugins.hosts.resolve.scripting.timeline_reader import take_snapshot
from selva_plugins.hosts.resolve.snapshot import read_snapshot
from selva_plugins.hosts.resolve.timeline import ResolveTimeline, build_timeline
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Build, build
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.remote import FusionScript
from tests.selva_plugins.resolve.scenes import RATES, Scene, build_scene

BUILDS_WITH_SOURCE_FRAMES = ("19.1.3", "20.2.2", "21.0.4", "21.1.0")
DOG = [StemTrack(name="Dog", prompt="small dog barking")]


def spot(host: Host) -> tuple[ResolveTimeline, CueSheet]:
    built = build_timeline(read_snapshot(StudioAccess(host).snapshot()))
    return built, spot_timeline(built.timeline, DOG, base_folder=Path.cwd())


def frames_per(rate: Fraction, count: int) -> Fraction:
    return count / rate


@pytest.mark.parametrize("version", BUILDS_WITH_SOURCE_FRAMES)
@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("start_timecode", ["01:00:00:00", "00:00:00:00"])
def test_a_trimmed_clip_is_spotted_where_it_is_seen(
    version: str, name: str, start_timecode: str, open_host: OpenHost
) -> None:
    rate = RATES[name]
    scene = build_scene(rate=rate, start_timecode=start_timecode)
    media = scene.add_media("/media/dog.mov", start_timecode="02:00:00:00")
    scene.add_clip(media, at=30, frames=48, source=17)
    built, sheet = spot(open_host(build(version), scene))
    (clip,) = sheet.clips
    assert clip.record_start_s == frames_per(rate, 30)
    assert clip.duration_s == frames_per(rate, 48)
    assert clip.media_start_s == frames_per(rate, 17)
    assert clip.speed == 1
    assert clip.media_path == Path("/media/dog.mov")
    assert (
        dataclasses.replace(sheet.clock, drop_frame=built.clock.drop_frame).timecode(Fraction(0))
        == start_timecode
    )


@pytest.mark.parametrize(("name", "dropped"), [("29.97", 2), ("59.94", 4)])
def test_a_drop_frame_timeline_keeps_its_plain_frame_count(
    name: str, dropped: int, open_host: OpenHost
) -> None:
    rate = RATES[name]
    scene = build_scene(rate=rate, start_timecode="01:00:00;00", drop_frame=True)
    scene.add_clip(scene.add_media("/media/dog.mov"), at=1800, frames=60)
    built, sheet = spot(open_host(build("21.0.4"), scene))
    nominal = {"29.97": 30, "59.94": 60}[name]
    assert built.clock.start_frame == 3600 * nominal - dropped * 54
    assert sheet.clips[0].record_start_s == 1800 / rate
    assert sheet.clock.drop_frame


@pytest.mark.parametrize("written_in", ["setting", "frame rate", "start timecode"])
def test_drop_frame_is_known_from_any_one_of_the_three_places_it_is_written_in(
    written_in: str, open_host: OpenHost
) -> None:
    scene = build_scene(rate=RATES["29.97"], start_timecode="01:00:00;00", drop_frame=True)
    snapshot = StudioAccess(open_host(build("21.0.4"), scene)).snapshot()
    timeline = snapshot["timeline"]
    timeline["settings"]["drop_frame"] = "1" if written_in == "setting" else "0"
    timeline["settings"]["frame_rate"] = "29.97 DF" if written_in == "frame rate" else 29.97
    timeline["start_timecode"] = "01:00:00;00" if written_in == "start timecode" else "01:00:00:00"
    assert build_timeline(read_snapshot(snapshot)).clock.drop_frame


@pytest.mark.parametrize("frame_rate_text", [False, True])
def test_the_frame_rate_is_read_as_number_or_text(frame_rate_text: bool, open_host: OpenHost) -> None:
    chosen = dataclasses.replace(build("21.0.4"), frame_rate_text=frame_rate_text)
    scene = build_scene(rate=RATES["29.97"], start_timecode="01:00:00;00", drop_frame=True)
    scene.add_clip(scene.add_media("/media/dog.mov"), at=0, frames=60)
    built, _ = spot(open_host(chosen, scene))
    assert built.clock.frame_rate_hz == Fraction(30000, 1001)


@pytest.mark.parametrize("version", BUILDS_WITH_SOURCE_FRAMES)
@pytest.mark.parametrize(
    "speed", [Fraction(2), Fraction(1, 2), Fraction(133, 100), Fraction(-1), Fraction(-1, 2), Fraction(0)]
)
@pytest.mark.parametrize("media_rate", ["24", "25", "23.976"])
def test_a_retimed_clip_shows_the_media_it_shows(
    version: str, speed: Fraction, media_rate: str, open_host: OpenHost
) -> None:
    scene = build_scene(rate=RATES["24"])
    media = scene.add_media("/media/dog.mov", fps=RATES[media_rate], duration_s=Fraction(60))
    scene.add_clip(media, at=0, frames=240, source=400, speed=speed)
    _, sheet = spot(open_host(build(version), scene))
    (clip,) = sheet.clips
    assert float(clip.speed) == pytest.approx(float(speed), abs=1 / 240)
    first_frame = 400 - (1 if speed < 0 else 0)
    assert clip.media_start_s == pytest.approx(first_frame / media.fps, abs=float(1 / media.fps))
    last_s = clip.media_start_s + clip.speed * clip.duration_s
    assert last_s == pytest.approx(400 / media.fps + speed * 10, abs=2 / float(media.fps))


def test_a_speed_ramp_is_refused_by_name(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/steady.mov"), at=0, frames=48)
    ramp = scene.add_clip(scene.add_media("/media/ramp.mov", duration_s=Fraction(60)), at=48, frames=240)
    snapshot = StudioAccess(open_host(build("21.1.0"), scene)).snapshot()
    item = next(i for i in snapshot["timeline"]["video_tracks"][0]["items"] if i["id"] == ramp.uid)
    item["source_end_frame"] = item["source_start_frame"] + 480  # twice what 100 % would play
    sheet = spot_timeline(build_timeline(read_snapshot(snapshot)).timeline, DOG, base_folder=Path.cwd())
    assert [clip.name for clip in sheet.clips] == ["steady.mov"]
    assert [(item.name, "speed ramp" in item.reason) for item in sheet.skipped] == [("ramp.mov", True)]


@pytest.mark.parametrize("seconds_are", ["true", "nominal"])
def test_the_exact_in_point_of_a_retime_is_found_on_either_axis_of_source_times(
    seconds_are: str, open_host: OpenHost
) -> None:
    rate = RATES["23.976"]
    scene = build_scene(rate=rate)
    media = scene.add_media("/media/dog.mov", duration_s=Fraction(60), start_timecode="10:00:00:00")
    scene.add_clip(media, at=0, frames=240, source=Fraction(401, 2), speed=Fraction(1, 2))
    snapshot = StudioAccess(open_host(build("21.1.0"), scene)).snapshot()
    (item,) = snapshot["timeline"]["video_tracks"][0]["items"]
    if seconds_are == "nominal":
        item["source_start_s"] = 36_000 + float(Fraction(401, 2) / rate)
    (clip,) = spot_timeline(
        build_timeline(read_snapshot(snapshot)).timeline, DOG, base_folder=Path.cwd()
    ).clips
    assert float(clip.media_start_s * rate) == pytest.approx(200.5, abs=0.001)


def test_a_clip_of_another_rate_plays_in_real_time(open_host: OpenHost) -> None:
    scene = build_scene(rate=RATES["24"])
    media = scene.add_media("/media/pal.mov", fps=RATES["25"], duration_s=Fraction(60))
    scene.add_clip(media, at=0, frames=240, source=50)
    _, sheet = spot(open_host(build("21.0.4"), scene))
    assert sheet.clips[0].speed == 1
    assert sheet.clips[0].media_start_s == 2


def test_before_19_0_2_the_left_offset_gives_the_in_point(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/dog.mov"), at=0, frames=48, source=17)
    built, sheet = spot(open_host(build("18.5.1"), scene))
    assert sheet.clips[0].media_start_s == Fraction(17, 24)
    assert built.notices == ()


def test_before_19_0_2_a_clip_of_another_rate_is_warned_about(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/pal.mov", fps=RATES["25"]), at=0, frames=48, source=17)
    built, _ = spot(open_host(build("18.5.1"), scene))
    assert ["pal.mov" in notice and "19.0.2" in notice for notice in built.notices] == [True]


def test_a_clip_whose_source_resolve_forgot_is_warned_about(open_host: OpenHost) -> None:
    scene = build_scene()
    item = scene.add_clip(scene.add_media("/media/xml.mov"), at=0, frames=48, source=17)
    item.source_unknown = True
    built, sheet = spot(open_host(build("21.0.4"), scene))
    assert sheet.clips[0].media_start_s == Fraction(17, 24)
    assert ["xml.mov" in notice for notice in built.notices] == [True]


@pytest.mark.parametrize("counted_from", ["file", "subclip"])
def test_a_subclip_is_found_in_its_file(counted_from: str, open_host: OpenHost) -> None:
    scene = build_scene()
    media = scene.add_media("/media/long.mov", duration_s=Fraction(60))
    media.subclip_start = 100
    host = open_host(build("21.0.4"), scene)
    scene.add_clip(media, at=0, frames=48, source=20 if counted_from == "subclip" else 120)
    snapshot = StudioAccess(host).snapshot()
    item = snapshot["timeline"]["video_tracks"][0]["items"][0]
    item["left_offset"] = 20
    sheet = spot_timeline(build_timeline(read_snapshot(snapshot)).timeline, DOG, base_folder=Path.cwd())
    assert sheet.clips[0].media_start_s == Fraction(120, 24)


def test_titles_and_generators_are_left_out_by_name(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/dog.mov"), at=0, frames=48)
    scene.add_clip(None, at=48, frames=24, kind="generator", name="Text+")
    built, sheet = spot(open_host(build("21.1.0"), scene))
    assert [clip.name for clip in sheet.clips] == ["dog.mov"]
    assert [(item.name, item.is_fault) for item in sheet.skipped] == [("Text+", False)]
    assert built.notices == ()


@pytest.mark.parametrize("version", ["21.0.4", "21.1.0"])
def test_a_transition_lets_both_clips_run_on(version: str, open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/a.mov"), at=0, frames=48, source=24)
    scene.add_clip(scene.add_media("/media/b.mov"), at=48, frames=48, source=24)
    scene.add_clip(None, at=42, frames=12, kind="transition", name="Cross Dissolve")
    _, sheet = spot(open_host(build(version), scene))
    spans = [(float(clip.record_start_s * 24), float(clip.record_end_s * 24)) for clip in sheet.clips]
    assert spans == [(0, 54), (42, 96)]
    assert sheet.skipped == ()


def test_a_disabled_clip_and_a_disabled_track_are_not_seen(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/off.mov"), at=0, frames=48).enabled = False
    scene.add_clip(scene.add_media("/media/on.mov"), at=48, frames=48)
    scene.add_clip(scene.add_media("/media/v2.mov"), at=0, frames=96, track=2)
    scene.timeline.tracks["video"][1].enabled = False
    _, sheet = spot(open_host(build("21.0.4"), scene))
    assert [clip.name for clip in sheet.clips] == ["on.mov"]


def test_the_topmost_picture_is_the_one_that_is_heard(open_host: OpenHost) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/below.mov"), at=0, frames=96)
    scene.add_clip(scene.add_media("/media/above.mov"), at=24, frames=24, track=2)
    _, sheet = spot(open_host(build("21.0.4"), scene))
    spans = [(clip.name, float(clip.record_start_s * 24)) for clip in sheet.clips]
    assert spans == [("below.mov", 0), ("above.mov", 24), ("below.mov", 48)]


def nested_scene(*, kind: model.MediaKind) -> Scene:
    inner = build_scene(start_timecode="01:00:00:00")
    inner.add_clip(inner.add_media("/media/inside.mov"), at=10, frames=100, source=5)
    scene = build_scene()
    media = scene.add_media("", kind=kind, name="Scene 3", duration_s=Fraction(110, 24))
    media.nested = inner.timeline
    scene.project.root.media.extend(inner.project.root.media)
    scene.add_clip(media, at=20, frames=50, source=30)
    return scene


@pytest.mark.parametrize("version", ["21.0.4", "21.1.0"])
def test_a_timeline_used_as_a_clip_is_looked_into(version: str, open_host: OpenHost) -> None:
    _, sheet = spot(open_host(build(version), nested_scene(kind="timeline")))
    (clip,) = sheet.clips
    assert clip.name == "inside.mov"
    assert [float(s * 24) for s in (clip.record_start_s, clip.duration_s, clip.media_start_s)] == [20, 50, 25]


def test_a_compound_that_is_not_exported_is_named_and_left_out(open_host: OpenHost) -> None:
    scene = nested_scene(kind="compound")
    scene.add_clip(scene.add_media("/media/dog.mov"), at=100, frames=24)
    built, sheet = spot(open_host(build("21.1.0"), scene))
    assert [clip.name for clip in sheet.clips] == ["dog.mov"]
    assert ["Scene 3" in notice and "Decompose" in notice for notice in built.notices] == [True]


@pytest.mark.parametrize("version", ["18.5.1", "20.2.2", "21.1.0"])
def test_a_compound_is_looked_into_through_the_export(
    version: str, open_host: OpenHost, tmp_path: Path
) -> None:
    scene = nested_scene(kind="compound")
    media = next(media for media in scene.project.all_media() if media.path == "/media/inside.mov")
    media.start_timecode = "10:00:00:00"
    next(
        media for media in scene.project.all_media() if media.kind == "compound"
    ).start_timecode = "01:00:00:00"
    host = open_host(build(version), scene)
    snapshot = take_snapshot(FusionScript(host).scriptapp("Resolve"), tmp_path / "timeline.otio")
    built = build_timeline(read_snapshot(snapshot))
    (clip,) = spot_timeline(built.timeline, DOG, base_folder=tmp_path).clips
    assert clip.media_path == Path("/media/inside.mov")
    assert [float(s * 24) for s in (clip.record_start_s, clip.duration_s, clip.media_start_s)] == [20, 50, 25]
    assert built.notices == ()


def test_a_stack_of_another_length_is_not_taken_for_the_compound(open_host: OpenHost, tmp_path: Path) -> None:
    host = open_host(build("21.1.0"), nested_scene(kind="compound"))
    export = tmp_path / "timeline.otio"
    take_snapshot(FusionScript(host).scriptapp("Resolve"), export)
    compounds = load_compounds(export)
    assert compounds is not None
    assert compounds.find(1, 20, 50) is not None
    assert compounds.find(1, 20, 49) is None
    assert compounds.find(1, 21, 50) is None


def test_a_retimed_compound_is_retimed_once(open_host: OpenHost, tmp_path: Path) -> None:
    scene = nested_scene(kind="compound")
    (item,) = scene.timeline.tracks["video"][0].items
    item.speed, item.duration = Fraction(2), 25
    host = open_host(build("21.1.0"), scene)
    snapshot = take_snapshot(FusionScript(host).scriptapp("Resolve"), tmp_path / "timeline.otio")
    (clip,) = spot_timeline(build_timeline(read_snapshot(snapshot)).timeline, DOG, base_folder=tmp_path).clips
    assert clip.speed == 2
    assert [float(s * 24) for s in (clip.record_start_s, clip.duration_s, clip.media_start_s)] == [20, 25, 25]


def test_nothing_is_exported_where_there_is_no_compound(open_host: OpenHost, tmp_path: Path) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/dog.mov"), at=0, frames=24)
    host = open_host(build("21.1.0"), scene)
    take_snapshot(FusionScript(host).scriptapp("Resolve"), tmp_path / "timeline.otio")
    assert host.calls["Export"] == 0


def test_markers_of_timeline_and_clips_arrive_in_seconds(open_host: OpenHost) -> None:
    scene = build_scene()
    item = scene.add_clip(scene.add_media("/media/dog.mov"), at=24, frames=48, source=100)
    item.markers[112] = model.Marker("Blue", "Dog: bark", "", 12)
    item.markers[5] = model.Marker("Blue", "trimmed away", "", 1)
    scene.timeline.markers[24] = model.Marker("Green", "Steps: boots on gravel", "note", 48)
    scene.timeline.markers[0] = model.Marker("Red", "Selva: 2 stems placed", "", 1, "selva:status")
    built, _ = spot(open_host(build("21.0.4"), scene))
    (marker,) = built.timeline.tracks.markers
    assert (marker.name, marker.comment, marker.color) == ("Steps: boots on gravel", "note", "GREEN")
    assert (marker.marked_range.start_time.value, marker.marked_range.duration.value) == (24, 48)
    clip = built.timeline.tracks[0][1]
    assert [(m.name, m.marked_range.start_time.value) for m in clip.markers] == [("Dog: bark", 112)]


@pytest.mark.parametrize("version", BUILDS_WITH_SOURCE_FRAMES)
def test_no_open_timeline_is_reported(version: str, open_host: OpenHost) -> None:
    scene = build_scene()
    scene.project.current_timeline = None
    host = open_host(build(version), scene)
    with pytest.raises(SnapshotError, match="open one"):
        build_timeline(read_snapshot(StudioAccess(host).snapshot()))


def test_translated_types_and_non_ascii_paths_change_nothing(open_host: OpenHost) -> None:
    chosen: Build = dataclasses.replace(
        build("21.0.4"), type_names=("Video + Ton", "Video", "Ton", "Zeitachse", "Verbund")
    )
    scene = build_scene(timeline_name="Rolle 1, Schäferhund")
    scene.add_clip(scene.add_media("/Filme/Größe/犬 100%#1.mov"), at=0, frames=48)
    _, sheet = spot(open_host(chosen, scene))
    assert sheet.clips[0].media_path == Path("/Filme/Größe/犬 100%#1.mov")
